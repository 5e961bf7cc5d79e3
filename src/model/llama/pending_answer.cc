// SPDX-License-Identifier: Apache-2.0
#include "model/llama/pending_answer.h"

#include <utility>

namespace ragtime {

void PendingAnswer::Begin(double queue_ms) {
  std::lock_guard lock(mutex_);
  queue_ms_ = queue_ms;
}

void PendingAnswer::AddCached(size_t tokens) {
  std::lock_guard lock(mutex_);
  cached_tokens_ += tokens;
}

void PendingAnswer::SetFirstScores(std::vector<float> scores) {
  std::lock_guard lock(mutex_);
  first_scores_ = std::move(scores);
}

std::vector<float> PendingAnswer::TakeFirstScores() {
  std::lock_guard lock(mutex_);
  return std::move(first_scores_);
}

void PendingAnswer::Push(std::string piece) {
  {
    std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
  }
  changed_.notify_all();
}

void PendingAnswer::End(Status status, bool truncated, std::vector<std::string> warnings) {
  {
    std::lock_guard lock(mutex_);
    done_ = true;
    truncated_ = truncated;
    status_ = std::move(status);
    warnings_ = std::move(warnings);
  }
  changed_.notify_all();
}

void PendingAnswer::AwaitReader(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, most, [this] { return has_read_; });
}

void PendingAnswer::NoteRead() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(has_read_, true)) return;
  }
  changed_.notify_all();
}

Result<GenerationResult> PendingAnswer::Follow(const Context& context, AnswerStream& answer) {
  Result<GenerationResult> result = FollowPieces(context, answer);
  NoteRead();
  return result;
}

Result<GenerationResult> PendingAnswer::FollowPieces(const Context& context, AnswerStream& answer) {
  size_t written = 0;
  bool wanted = true;
  std::unique_lock lock(mutex_);
  while (wanted) {
    const auto has_news = [this] { return done_ || !pieces_.empty(); };
    if (context.deadline) {
      changed_.wait_until(lock, context.stop, *context.deadline, has_news);
    } else {
      changed_.wait(lock, context.stop, has_news);
    }
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (pieces_.empty()) break;  // Done, and all is read.
    std::deque<std::string> pieces;
    pieces.swap(pieces_);
    lock.unlock();
    for (const std::string& piece : pieces) {
      ++written;
      wanted = answer.Feed(piece);
      if (!wanted) break;
    }
    NoteRead();
    lock.lock();
  }
  if (wanted && !status_.ok()) return status_;
  const size_t cached_tokens = cached_tokens_;
  const double queue_ms = queue_ms_;
  const bool truncated = wanted && truncated_;
  std::vector<std::string> warnings = std::move(warnings_);
  lock.unlock();
  GenerationResult result = answer.Finish(written);
  result.cached_tokens = cached_tokens;
  result.queue_ms = queue_ms;
  result.truncated = truncated;
  result.warnings = std::move(warnings);
  return result;
}

}  // namespace ragtime
