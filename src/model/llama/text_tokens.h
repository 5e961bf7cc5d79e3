// SPDX-License-Identifier: Apache-2.0
//
// TextTokens remembers the tokens of the texts that were cut last: a passage is counted and then read, and the same
// ones come again with the next question.
//
// Threads: every method may be called concurrently.
#ifndef RAGTIME_MODEL_LLAMA_TEXT_TOKENS_H_
#define RAGTIME_MODEL_LLAMA_TEXT_TOKENS_H_

#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/lru.h"
#include "model/llama/batch_model.h"

namespace ragtime {

class TextTokens {
 public:
  explicit TextTokens(size_t bytes_max) : by_text_(bytes_max) {}
  TextTokens(const TextTokens&) = delete;
  TextTokens& operator=(const TextTokens&) = delete;

  std::optional<std::vector<Token>> Find(std::string_view text);
  // What was not used for longest makes room. A text of a few words is cut as soon as it is found, and not kept.
  void Keep(std::string_view text, const std::vector<Token>& tokens);
  size_t bytes() const;

 private:
  mutable std::mutex mutex_;
  Lru<std::vector<Token>> by_text_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_TEXT_TOKENS_H_
