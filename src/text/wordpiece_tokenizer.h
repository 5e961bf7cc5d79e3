// SPDX-License-Identifier: Apache-2.0
//
// WordPieceTokenizer splits text into words and each word into the longest pieces from its start on, as BERT does, over
// a mapped vocabulary.
//
// The vocabulary's own map of characters lower-cases, removes accents and control characters, and puts spaces around
// punctuation and ideographs, so words are what lies between spaces. Bytes that are not UTF-8 read as U+FFFD.
//
// Threads: immutable. Errors: as TokenizerFile's.
#ifndef RAGTIME_TEXT_WORDPIECE_TOKENIZER_H_
#define RAGTIME_TEXT_WORDPIECE_TOKENIZER_H_

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/status.h"
#include "text/tokenizer.h"
#include "text/tokenizer_file.h"

namespace ragtime {

class WordPieceTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<WordPieceTokenizer>> Open(TokenizerFile file);

  const SpecialTokens& special() const override { return file_.special(); }
  size_t vocabulary_size() const override { return file_.vocabulary_size(); }
  void Encode(std::string_view text, std::vector<int32_t>& ids) const override;
  size_t Count(std::string_view text) const override;

 private:
  explicit WordPieceTokenizer(TokenizerFile file) : file_(std::move(file)) {}
  // Fills `ids` with the pieces of one word, or the unknown token.
  void SplitWord(std::string_view word, std::vector<int32_t>& ids) const;
  template <typename Emit>
  void EncodeTo(std::string_view text, const Emit& emit) const;

  TokenizerFile file_;
  TrieView starts_;
  TrieView continuations_;
  CharacterMapView characters_;
};

}  // namespace ragtime

#endif  // RAGTIME_TEXT_WORDPIECE_TOKENIZER_H_
