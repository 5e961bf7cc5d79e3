// SPDX-License-Identifier: Apache-2.0
//
// UnixTimeMs is the time of day as the files table keeps it. It may jump; Stopwatch is for durations.
#ifndef RAGTIME_BASE_UNIX_TIME_H_
#define RAGTIME_BASE_UNIX_TIME_H_

#include <chrono>
#include <cstdint>

namespace ragtime {

inline int64_t UnixTimeMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace ragtime

#endif  // RAGTIME_BASE_UNIX_TIME_H_
