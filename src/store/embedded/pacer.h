// SPDX-License-Identifier: Apache-2.0
//
// A Pacer keeps work in the background below a rate, so that commits and searches find the disk and a core free.
//
// Threads: one thread adds; the flag and the stop token may be set by others, and end a pause within milliseconds.
// Ownership: borrows the flag. Errors: kCancelled after a stop.
#ifndef RAGTIME_STORE_EMBEDDED_PACER_H_
#define RAGTIME_STORE_EMBEDDED_PACER_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <thread>
#include <utility>

#include "ragtime/status.h"

namespace ragtime {

class Pacer {
 public:
  // bytes_per_s 0: no pauses. While `hurry` is true, somebody waits for the work, and there are none either.
  Pacer(uint64_t bytes_per_s, std::stop_token stop, const std::atomic<bool>& hurry)
      : bytes_per_s_(bytes_per_s), stop_(std::move(stop)), hurry_(hurry) {}

  // After `bytes` were read or written.
  Status Add(uint64_t bytes) {
    if (bytes_per_s_ > 0) {
      due_ += std::chrono::nanoseconds(bytes * 1'000'000'000 / bytes_per_s_);
      while (!hurry_ && !stop_.stop_requested() && Clock::now() < due_) {
        std::this_thread::sleep_for(std::min<Clock::duration>(due_ - Clock::now(), kSlice));
      }
      // Time that went to the work itself is not made up for by a burst.
      due_ = std::max(due_, Clock::now());
    }
    return stop_.stop_requested() ? CancelledError("work in the background was stopped") : Status();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kSlice{5};

  const uint64_t bytes_per_s_;
  const std::stop_token stop_;
  const std::atomic<bool>& hurry_;
  Clock::time_point due_ = Clock::now();
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_PACER_H_
