// SPDX-License-Identifier: Apache-2.0
//
// UnigramTokenizer splits text into the pieces with the highest sum of scores, as SentencePiece's unigram model does,
// over a mapped vocabulary: XLM-RoBERTa's 250,000 pieces are open in microseconds.
//
// Characters are first replaced by the vocabulary's own map, runs of spaces become one, and every space becomes U+2581,
// with one more in front of a text that does not start with a space. Bytes that are not UTF-8 read as U+FFFD.
//
// Threads: immutable. Errors: as TokenizerFile's.
#ifndef RAGTIME_TEXT_UNIGRAM_TOKENIZER_H_
#define RAGTIME_TEXT_UNIGRAM_TOKENIZER_H_

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/status.h"
#include "text/tokenizer.h"
#include "text/tokenizer_file.h"

namespace ragtime {

class UnigramTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<UnigramTokenizer>> Open(TokenizerFile file);

  const SpecialTokens& special() const override { return file_.special(); }
  size_t vocabulary_size() const override { return file_.vocabulary_size(); }
  void Encode(std::string_view text, std::vector<int32_t>& ids) const override;
  size_t Count(std::string_view text) const override;

 private:
  class Normalizer;
  class Lattice;

  explicit UnigramTokenizer(TokenizerFile file) : file_(std::move(file)) {}
  void Visit(std::string_view window, size_t position, Lattice& lattice) const;
  template <typename Emit>
  size_t EncodeWindow(std::string_view window, bool last, Lattice& lattice, const Emit& emit) const;
  template <typename Emit>
  void EncodeTo(std::string_view text, const Emit& emit) const;

  TokenizerFile file_;
  TrieView trie_;
  std::span<const float> scores_;
  CharacterMapView characters_;
  std::array<bool, 256> plain_{};  // By byte: an ASCII character that stands for itself and is no space.
};

}  // namespace ragtime

#endif  // RAGTIME_TEXT_UNIGRAM_TOKENIZER_H_
