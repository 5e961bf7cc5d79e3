// SPDX-License-Identifier: Apache-2.0
//
// Require ends the process where what a fuzzed reader promises does not hold, so that the fuzzer keeps the input.
#ifndef RAGTIME_FUZZ_REQUIRE_H_
#define RAGTIME_FUZZ_REQUIRE_H_

#include <cstdlib>

namespace ragtime {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_REQUIRE_H_
