// SPDX-License-Identifier: Apache-2.0
//
// ThinkingTrace follows the tokens that a reasoning model writes, and says when it has thought for long enough.
//
// Threads: one at a time.
#ifndef RAGTIME_MODEL_THINKING_TRACE_H_
#define RAGTIME_MODEL_THINKING_TRACE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace ragtime {

class ThinkingTrace {
 public:
  // `open`: the prompt has written <think>, and the first token is a thought already.
  ThinkingTrace(size_t tokens_max, bool open)
      : tokens_max_(tokens_max), place_(open ? Place::kThinking : Place::kStart) {}

  // The text of the next token. Only a <think> before all other text opens thinking, as AnswerStream has it.
  void Take(std::string_view piece);
  // It thinks, and has written so many tokens of thoughts.
  bool used_up() const { return place_ == Place::kThinking && tokens_ >= tokens_max_; }

 private:
  enum class Place { kStart, kThinking, kAnswer };

  const size_t tokens_max_;
  Place place_;
  std::string text_;  // What may be a part of a tag.
  size_t tokens_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_THINKING_TRACE_H_
