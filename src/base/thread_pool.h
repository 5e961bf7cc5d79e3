// SPDX-License-Identifier: Apache-2.0
//
// ThreadPool runs tasks on a fixed number of threads; ParallelFor splits an index range over them.
//
// Threads: every method may be called concurrently. Tasks must not throw. The destructor runs what was submitted, then
// joins.
#ifndef RAGTIME_BASE_THREAD_POOL_H_
#define RAGTIME_BASE_THREAD_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ragtime {

class ThreadPool {
 public:
  // 0: one thread per core this process may use.
  explicit ThreadPool(size_t threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  size_t size() const { return threads_.size(); }
  void Submit(std::function<void()> task);
  // Calls body(i) once for each i in [0, count), on the pool's threads and the caller's, and returns when all are done.
  // May be called from within a task: the caller works along, so it never waits for a thread that waits for it.
  void ParallelFor(size_t count, const std::function<void(size_t)>& body);
  // The same on the pool's threads alone, while the caller sleeps. Not to be called from within a task.
  void ParallelForApart(size_t count, const std::function<void(size_t)>& body);

 private:
  void Run();
  void Split(size_t count, const std::function<void(size_t)>& body, bool works_along);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;  // Guarded by mutex_.
  bool stopping_ = false;                    // Guarded by mutex_.
  std::vector<std::thread> threads_;
};

// Cores this process may use (its affinity mask), at least 1.
size_t AvailableCores();

}  // namespace ragtime

#endif  // RAGTIME_BASE_THREAD_POOL_H_
