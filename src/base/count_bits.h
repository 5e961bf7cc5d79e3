// SPDX-License-Identifier: Apache-2.0
//
// CountBits says how many bits of a bitmap's words are set.
//
// Threads: may be called concurrently.
#ifndef RAGTIME_BASE_COUNT_BITS_H_
#define RAGTIME_BASE_COUNT_BITS_H_

#include <cstdint>
#include <span>

namespace ragtime {

uint64_t CountBits(std::span<const uint64_t> words);

}  // namespace ragtime

#endif  // RAGTIME_BASE_COUNT_BITS_H_
