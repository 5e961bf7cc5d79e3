// SPDX-License-Identifier: Apache-2.0
//
// A Tokenizer turns text into the token ids that a model was trained on.
//
// Threads: immutable once open; every method may be called concurrently.
// Errors: opening a file that is not a tokenizer is kDataLoss; encoding cannot fail: any bytes have tokens, and bytes
// that are not UTF-8 read as U+FFFD.
#ifndef RAGTIME_TEXT_TOKENIZER_H_
#define RAGTIME_TEXT_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

// The tokens that stand for no text. A model's input is begin, the text's ids, end, and padding up to the batch's
// length.
struct SpecialTokens {
  int32_t begin = 0;
  int32_t end = 0;
  int32_t padding = 0;
  int32_t unknown = 0;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  virtual const SpecialTokens& special() const = 0;
  // Ids are in [0, vocabulary_size()), checked when the file was opened or when the id was made.
  virtual size_t vocabulary_size() const = 0;
  // Appends the ids of the text alone, without begin and end. The text is whole: encoding its parts gives other ids.
  virtual void Encode(std::string_view text, std::vector<int32_t>& ids) const = 0;
  // How many ids Encode appends.
  virtual size_t Count(std::string_view text) const = 0;

 protected:
  Tokenizer() = default;
};

// Opens a tokenizer.bin (docs/formats/tokenizer.md) of either kind by mapping it; reads its header only.
Result<std::unique_ptr<Tokenizer>> OpenTokenizer(const std::filesystem::path& path);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_TOKENIZER_H_
