// SPDX-License-Identifier: Apache-2.0
//
// PendingAnswer is what a caller waits for while the engine thread computes it: pieces of text, then how it ended.
//
// Threads: Follow, once, and TakeFirstScores are called by the caller; all else by the engine thread, concurrently.
#ifndef RAGTIME_MODEL_LLAMA_PENDING_ANSWER_H_
#define RAGTIME_MODEL_LLAMA_PENDING_ANSWER_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "model/answer_stream.h"
#include "ragtime/context.h"
#include "ragtime/generator.h"
#include "ragtime/status.h"

namespace ragtime {

class PendingAnswer {
 public:
  PendingAnswer() = default;
  PendingAnswer(const PendingAnswer&) = delete;
  PendingAnswer& operator=(const PendingAnswer&) = delete;

  void Begin(double queue_ms);
  // So many tokens of the prompt are not computed.
  void AddCached(size_t tokens);
  // Of the first token.
  void SetFirstScores(std::vector<float> scores);
  void Push(std::string piece);
  // Waits until the first piece is with the reader, or nobody follows any more; at most so long.
  void AwaitReader(std::chrono::milliseconds most);
  // Nothing comes after this.
  void End(Status status, bool truncated, std::vector<std::string> warnings);

  // Feeds the pieces to `answer` as they come, until it ends or `answer` wants no more. All but the number of the
  // prompt's tokens is in the result. Errors: the context's, and what it ended with.
  Result<GenerationResult> Follow(const Context& context, AnswerStream& answer);
  std::vector<float> TakeFirstScores();

 private:
  Result<GenerationResult> FollowPieces(const Context& context, AnswerStream& answer);
  void NoteRead();

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::string> pieces_;  // This and what follows guarded by mutex_.
  bool has_read_ = false;           // The reader has the first piece, or has gone.
  bool done_ = false;
  bool truncated_ = false;
  Status status_;
  size_t cached_tokens_ = 0;
  double queue_ms_ = 0;
  std::vector<float> first_scores_;
  std::vector<std::string> warnings_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_PENDING_ANSWER_H_
