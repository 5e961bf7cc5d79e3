// SPDX-License-Identifier: Apache-2.0
//
// DiskWait tells by the clock whether a walk over a mapped file waits for the disk, so that the walk can ask for many
// pages at once instead of one after the other.
//
// Threads: one. Only what is read ahead depends on it, never a result.
#ifndef RAGTIME_INDEX_KERNELS_DISK_WAIT_H_
#define RAGTIME_INDEX_KERNELS_DISK_WAIT_H_

#include <chrono>

namespace ragtime {

class DiskWait {
 public:
  // To be called once a step. A step over what is in memory takes a few microseconds, a page from any disk more than
  // this; a thread that lost its core for a while is mistaken for one that waited, which costs one step's advice.
  void Step() {
    const Clock::time_point now = Clock::now();
    waits_ = now - last_ > std::chrono::microseconds(30);
    waited_ = waited_ || waits_;
    last_ = now;
  }
  bool waits() const { return waits_; }    // In the step before.
  bool waited() const { return waited_; }  // In any step.

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  bool waits_ = false;
  bool waited_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_DISK_WAIT_H_
