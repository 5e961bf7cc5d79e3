// SPDX-License-Identifier: Apache-2.0
//
// CompletionStream reads the body of one answer to /chat/completions, streamed or whole, into an AnswerStream.
//
// Threads: one at a time. Errors: kDataLoss (malformed), kFailedPrecondition (no completion at all), and Failure.
#ifndef RAGTIME_MODEL_OPENAI_COMPLETION_STREAM_H_
#define RAGTIME_MODEL_OPENAI_COMPLETION_STREAM_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "model/answer_stream.h"
#include "ragtime/status.h"
#include "wire/json.h"
#include "wire/sse_parser.h"

namespace ragtime {

class CompletionStream {
 public:
  // `is_event_stream`: by the answer's content type. `answer` must outlive this.
  CompletionStream(bool is_event_stream, AnswerStream& answer);
  CompletionStream(const CompletionStream&) = delete;
  CompletionStream& operator=(const CompletionStream&) = delete;

  // The next bytes of the body. False: no more are wanted, or an error has occurred.
  bool Feed(std::string_view bytes);
  // The body has ended. OK only if the answer is complete.
  Status Finish();

  bool wanted() const { return wanted_; }  // False: the receiver stopped the stream.
  bool complete() const { return done_; }  // "[DONE]" or a finish_reason has come.
  bool truncated() const { return truncated_; }
  // What the server itself reported as an error inside an answer of code 200.
  const std::optional<Json>& failure() const { return failure_; }
  std::optional<size_t> prompt_tokens() const { return prompt_tokens_; }
  std::optional<size_t> completion_tokens() const { return completion_tokens_; }
  size_t cached_tokens() const { return cached_tokens_; }

 private:
  void TakeEvent(const SseEvent& event);
  void TakeCompletion(const Json& completion);
  void TakeUsage(const Json& usage);

  const bool is_event_stream_;
  AnswerStream& answer_;
  SseParser parser_;
  std::string whole_;  // The body, where it is no event stream.
  Status error_;
  std::optional<Json> failure_;
  bool wanted_ = true;
  bool done_ = false;
  bool truncated_ = false;
  std::optional<size_t> prompt_tokens_;
  std::optional<size_t> completion_tokens_;
  size_t cached_tokens_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_OPENAI_COMPLETION_STREAM_H_
