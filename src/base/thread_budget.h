// SPDX-License-Identifier: Apache-2.0
//
// ThreadBudget is how many threads the models of this process compute with together: questions and answers take theirs
// at once, and what nobody waits for takes what these leave.
//
// A question never waits, so for its few milliseconds there may be more threads than the budget. Neither does an
// answer: a language model holds its threads from its first batch until it has nothing left to compute. Background work
// (Context::in_background) takes threads for one piece at a time, some ten milliseconds, and waits for them where none
// is left; but one is always to be had, so that it goes on beside answers that never end. Where answers have all of the
// budget, that one is above it: beside others such work is computed by threads of low priority (LowerThreadPriority),
// which get what the cores have left.
//
// Threads: every method may be called concurrently. A Share may be given back by another thread than took it, and must
// not outlive its budget. Errors: those of the context while it waits.
#ifndef RAGTIME_BASE_THREAD_BUDGET_H_
#define RAGTIME_BASE_THREAD_BUDGET_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "ragtime/thread_statistics.h"

namespace ragtime {

class ThreadBudget {
 public:
  // The budget of all in this process who say the same number. 0: as many threads as the process may use cores.
  static std::shared_ptr<ThreadBudget> Shared(size_t threads);

  // Whoever asks once may soon ask again.
  static constexpr std::chrono::milliseconds kGiveWay{10000};

  explicit ThreadBudget(size_t threads, std::chrono::milliseconds give_way = kGiveWay);  // At least one thread.
  ThreadBudget(const ThreadBudget&) = delete;
  ThreadBudget& operator=(const ThreadBudget&) = delete;
  ~ThreadBudget();

  // Threads that its holder computes with until it goes.
  class Share {
   public:
    Share() = default;  // Of none.
    Share(Share&& other) noexcept;
    Share& operator=(Share&& other) noexcept;
    ~Share() { Return(); }

    size_t threads() const { return threads_; }
    void Return();

   private:
    friend class ThreadBudget;
    Share(ThreadBudget* budget, uint64_t ThreadStatistics::* holder, size_t threads)
        : budget_(budget), holder_(holder), threads_(threads) {}

    ThreadBudget* budget_ = nullptr;
    uint64_t ThreadStatistics::* holder_ = nullptr;  // Where they are counted.
    size_t threads_ = 0;
  };

  size_t threads() const { return threads_; }
  // Never wait. All that is wanted is given.
  Share TakeForQuestion(size_t wanted);
  Share TakeForAnswers(size_t wanted);
  // As many of `wanted` as are left, at least one.
  Result<Share> TakeForBackground(const Context& context, size_t wanted);
  // Whether a question or an answer has threads now, or had some in the last `give_way`: then what is computed in the
  // background must be of low priority, so that the next one does not wait for the end of a piece.
  bool must_give_way() const;
  ThreadStatistics statistics() const;

 private:
  // Requires mutex_.
  size_t LeftForBackground() const;
  Share Take(uint64_t ThreadStatistics::* holder, size_t threads);

  const size_t threads_;
  const std::chrono::milliseconds give_way_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  ThreadStatistics statistics_;                                      // Guarded by mutex_.
  std::optional<std::chrono::steady_clock::time_point> last_asked_;  // Guarded by mutex_.
};

// From now on this thread computes only where no other thread wants to. Not to be undone: the system lets only
// privileged processes raise a priority. So it is for threads of our own, never for a caller's.
void LowerThreadPriority();

}  // namespace ragtime

#endif  // RAGTIME_BASE_THREAD_BUDGET_H_
