// SPDX-License-Identifier: Apache-2.0
#include "base/thread_budget.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <utility>

#include "base/stopwatch.h"
#include "base/thread_pool.h"

namespace ragtime {

std::shared_ptr<ThreadBudget> ThreadBudget::Shared(size_t threads) {
  static std::mutex mutex;
  static std::map<size_t, std::weak_ptr<ThreadBudget>> budgets;
  if (threads == 0) threads = AvailableCores();
  std::lock_guard lock(mutex);
  std::shared_ptr<ThreadBudget> budget = budgets[threads].lock();
  if (budget == nullptr) budgets[threads] = budget = std::make_shared<ThreadBudget>(threads);
  return budget;
}

ThreadBudget::ThreadBudget(size_t threads, std::chrono::milliseconds give_way)
    : threads_(std::max<size_t>(threads, 1)), give_way_(give_way) {
  statistics_.threads = threads_;
}

ThreadBudget::~ThreadBudget() {
  assert(statistics_.questions == 0 && statistics_.answers == 0 && statistics_.background == 0);
}

ThreadBudget::Share ThreadBudget::Take(uint64_t ThreadStatistics::* holder, size_t threads) {
  statistics_.*holder += threads;
  return Share(this, holder, threads);
}

ThreadBudget::Share ThreadBudget::TakeForQuestion(size_t wanted) {
  std::lock_guard lock(mutex_);
  ++statistics_.questions_embedded;
  return Take(&ThreadStatistics::questions, wanted);
}

ThreadBudget::Share ThreadBudget::TakeForAnswers(size_t wanted) {
  std::lock_guard lock(mutex_);
  return Take(&ThreadStatistics::answers, wanted);
}

size_t ThreadBudget::LeftForBackground() const {
  const size_t taken = statistics_.questions + statistics_.answers;
  const size_t all = taken < threads_ ? threads_ - taken : 1;
  return all > statistics_.background ? all - statistics_.background : 0;
}

Result<ThreadBudget::Share> ThreadBudget::TakeForBackground(const Context& context, size_t wanted) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  std::unique_lock lock(mutex_);
  const auto is_left = [this] { return LeftForBackground() > 0; };
  if (!is_left()) {
    ++statistics_.background_waits;
    const Stopwatch stopwatch;
    while (!is_left() && context.Check().ok()) {
      if (context.deadline) {
        changed_.wait_until(lock, context.stop, *context.deadline, is_left);
      } else {
        changed_.wait(lock, context.stop, is_left);
      }
    }
    statistics_.background_wait_ms += stopwatch.ElapsedMs();
    if (!is_left()) return context.Check();
  }
  ++statistics_.background_pieces;
  return Take(&ThreadStatistics::background, std::clamp<size_t>(wanted, 1, LeftForBackground()));
}

bool ThreadBudget::must_give_way() const {
  std::lock_guard lock(mutex_);
  if (statistics_.questions + statistics_.answers > 0) return true;
  return last_asked_ && std::chrono::steady_clock::now() - *last_asked_ < give_way_;
}

ThreadStatistics ThreadBudget::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

ThreadBudget::Share::Share(Share&& other) noexcept { *this = std::move(other); }

ThreadBudget::Share& ThreadBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  Return();
  budget_ = std::exchange(other.budget_, nullptr);
  holder_ = other.holder_;
  threads_ = std::exchange(other.threads_, 0);
  return *this;
}

void ThreadBudget::Share::Return() {
  if (budget_ == nullptr) return;
  ThreadBudget* const budget = std::exchange(budget_, nullptr);
  // Woken under the lock: who wakes up may destroy the budget.
  std::lock_guard lock(budget->mutex_);
  budget->statistics_.*holder_ -= std::exchange(threads_, 0);
  if (holder_ != &ThreadStatistics::background) budget->last_asked_ = std::chrono::steady_clock::now();
  budget->changed_.notify_all();
}

void LowerThreadPriority() {
  static thread_local bool is_low = false;
  if (std::exchange(is_low, true)) return;
  constexpr int kLeast = 19;
  // Of one thread, as Linux has it. It cannot fail for want of rights; where it does, the thread computes as before.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLeast);
}

}  // namespace ragtime
