// SPDX-License-Identifier: Apache-2.0
//
// Stopwatch measures the milliseconds since it was made.
#ifndef RAGTIME_BASE_STOPWATCH_H_
#define RAGTIME_BASE_STOPWATCH_H_

#include <chrono>

namespace ragtime {

class Stopwatch {
 public:
  double ElapsedMs() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace ragtime

#endif  // RAGTIME_BASE_STOPWATCH_H_
