// SPDX-License-Identifier: Apache-2.0
//
// FirstScores remembers what scores came behind the last prompts. Asked the same again, an answer begins without the
// model: its first token is chosen before the prompt's last one is computed anew.
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_LLAMA_FIRST_SCORES_H_
#define RAGTIME_MODEL_LLAMA_FIRST_SCORES_H_

#include <cstddef>
#include <list>
#include <span>
#include <utility>
#include <vector>

#include "model/llama/batch_model.h"

namespace ragtime {

class FirstScores {
 public:
  // At most so many bytes; those of the last prompt are kept in any case.
  explicit FirstScores(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Empty: not known. Valid until the next call.
  std::span<const float> Find(std::span<const Token> prompt);
  void Keep(std::span<const Token> prompt, std::span<const float> scores);

 private:
  using Entry = std::pair<std::vector<Token>, std::vector<float>>;

  static size_t BytesOf(const Entry& entry) {
    return entry.first.size() * sizeof(Token) + entry.second.size() * sizeof(float);
  }

  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Entry> entries_;  // Used last first. A few dozen: they are looked through.
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_FIRST_SCORES_H_
