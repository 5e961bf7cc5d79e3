// SPDX-License-Identifier: Apache-2.0
//
// FirstScores remembers what scores came behind the last prompts. Asked the same again, an answer begins without the
// model: its first token is chosen before the prompt's last one is computed anew.
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_LLAMA_FIRST_SCORES_H_
#define RAGTIME_MODEL_LLAMA_FIRST_SCORES_H_

#include <cstddef>
#include <span>
#include <vector>

#include "base/lru.h"
#include "model/llama/batch_model.h"

namespace ragtime {

class FirstScores {
 public:
  // At most so many bytes; those of the last prompt are kept in any case.
  explicit FirstScores(size_t bytes_max) : by_prompt_(bytes_max) {}

  // Empty: not known. Valid until the next call.
  std::span<const float> Find(std::span<const Token> prompt);
  void Keep(std::span<const Token> prompt, std::span<const float> scores);

 private:
  Lru<std::vector<float>> by_prompt_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_FIRST_SCORES_H_
