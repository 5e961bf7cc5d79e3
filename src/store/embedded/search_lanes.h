// SPDX-License-Identifier: Apache-2.0
//
// SearchLanes searches the segments of a store beside each other: each lane takes its segments one after another, on a
// thread of its own.
//
// Which lane a segment is in depends on the numbers of rows alone, never on what the machine is doing, and a lane knows
// nothing of what others found: so the same search finds the same every time.
//
// Threads: may be called concurrently; searches that meet share the threads, and each works along in its own.
#ifndef RAGTIME_STORE_EMBEDDED_SEARCH_LANES_H_
#define RAGTIME_STORE_EMBEDDED_SEARCH_LANES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace ragtime {

class SearchLanes {
 public:
  // 8,000 rows are scanned in 57 us (docs/internals/vector.md), of which a thread has little to take off.
  static constexpr uint64_t kLeastRows = 8192;

  // 0 threads: half of the cores this process may use, at most 8, as routes run beside each other too. A segment of
  // fewer than `least_rows` is not worth a thread.
  explicit SearchLanes(size_t threads, uint64_t least_rows = kLeastRows);

  size_t threads() const { return threads_; }
  // The lanes for segments of so many rows, each a list of indices in ascending order. No more lanes than threads, nor
  // than segments that are worth a thread; at least one if there is a segment.
  std::vector<std::vector<size_t>> Of(std::span<const uint64_t> rows) const;
  // Calls body(lane) for each lane, and returns when all are done. Must not throw.
  void Run(size_t lanes, const std::function<void(size_t)>& body);

 private:
  const size_t threads_;
  const uint64_t least_rows_;
  std::once_flag once_;
  std::optional<ThreadPool> pool_;  // Made for the first search with two lanes, so that opening starts no threads.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_SEARCH_LANES_H_
