// SPDX-License-Identifier: Apache-2.0
//
// AnswerStream turns the raw bytes a language model writes into a GenerationResult and its stream: whole UTF-8
// characters, <think>...</think> at the start on the reasoning channel, the times of the first and of each further
// token.
//
// Threads: one at a time; the receiver is called on the thread that feeds.
#ifndef RAGTIME_MODEL_ANSWER_STREAM_H_
#define RAGTIME_MODEL_ANSWER_STREAM_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "base/stopwatch.h"
#include "ragtime/generator.h"

namespace ragtime {

class AnswerStream {
 public:
  // Times count from here. `on_token` may be null and must outlive this.
  explicit AnswerStream(const Generator::OnToken& on_token) : on_token_(on_token) {}

  // Called before the first Feed where the prompt's template has already written <think>: the text begins with
  // reasoning, and only </think> will be seen.
  void StartInReasoning() { state_ = State::kReasoning; }

  // The next bytes, cut anywhere. False: the receiver wants no more.
  // Only a <think> before all other text opens reasoning; a later one is a word of the answer like any other. White
  // space before the answer and before the reasoning is dropped.
  bool Feed(std::string_view bytes);
  // Bytes that the model's server has sorted out as reasoning itself.
  bool FeedReasoning(std::string_view bytes);

  size_t feeds() const { return feeds_; }
  // Gives out what was held back, and the result: text, reasoning, completion_tokens and times are filled.
  GenerationResult Finish(size_t completion_tokens);

 private:
  enum class State { kStart, kReasoning, kAfterReasoning, kAnswer };

  void NoteToken();
  void Advance(bool at_end);
  void GiveOut(Channel channel, std::string& held, size_t size_bytes, bool at_end);

  const Generator::OnToken& on_token_;
  const Stopwatch stopwatch_;
  State state_ = State::kStart;
  std::string held_;            // Fed, not given out: part of a tag or of a character, or white space.
  std::string held_reasoning_;  // The same of FeedReasoning.
  bool wanted_ = true;
  size_t feeds_ = 0;
  double last_token_ms_ = 0;
  GenerationResult result_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_ANSWER_STREAM_H_
