// SPDX-License-Identifier: Apache-2.0
//
// RoomOfThread is what a walk needs room for. A thread keeps it for its next search, so that it stays in the cache of
// its core; nothing is visited between two.
//
// Threads: one thread, one walk at a time.
#ifndef RAGTIME_INDEX_HNSW_ROOM_OF_THREAD_H_
#define RAGTIME_INDEX_HNSW_ROOM_OF_THREAD_H_

#include <cstddef>

#include "index/hnsw/frontier.h"
#include "index/hnsw/nearest_rows.h"

namespace ragtime {

class RoomOfThread {
 public:
  RoomOfThread(size_t rows, size_t ef) {
    visited().Fit(rows);
    nearest().Clear(ef);
  }
  RoomOfThread(const RoomOfThread&) = delete;
  RoomOfThread& operator=(const RoomOfThread&) = delete;
  ~RoomOfThread() { visited().Clear(); }

  NearestRows& nearest() const { return nearest_; }
  VisitedRows& visited() const { return visited_; }

 private:
  static inline thread_local NearestRows nearest_;
  static inline thread_local VisitedRows visited_{0};
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_ROOM_OF_THREAD_H_
