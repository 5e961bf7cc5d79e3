// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>

namespace ragtime {

size_t AvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return std::max<size_t>(1, static_cast<size_t>(CPU_COUNT(&set)));
  return std::max<size_t>(1, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(size_t threads) {
  if (threads == 0) threads = AvailableCores();
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Submit(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ThreadPool::Run() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void ThreadPool::ParallelFor(size_t count, const std::function<void(size_t)>& body) { Split(count, body, true); }

void ThreadPool::ParallelForApart(size_t count, const std::function<void(size_t)>& body) { Split(count, body, false); }

void ThreadPool::Split(size_t count, const std::function<void(size_t)>& body, bool works_along) {
  struct State {
    std::atomic<size_t> next{0};
    std::atomic<size_t> done{0};
    std::mutex mutex;
    std::condition_variable all_done;
  };
  auto state = std::make_shared<State>();
  // A helper that starts after the last index was taken touches only `state`, so `body` may be gone by then.
  auto work = [state, count, &body] {
    for (;;) {
      const size_t i = state->next.fetch_add(1);
      if (i >= count) return;
      body(i);
      if (state->done.fetch_add(1) + 1 == count) {
        std::lock_guard lock(state->mutex);
        state->all_done.notify_all();
      }
    }
  };
  const size_t helpers = std::min(works_along && count > 0 ? count - 1 : count, size());
  for (size_t i = 0; i < helpers; ++i) Submit(work);
  if (works_along) work();
  std::unique_lock lock(state->mutex);
  state->all_done.wait(lock, [&] { return state->done.load() >= count; });
}

}  // namespace ragtime
