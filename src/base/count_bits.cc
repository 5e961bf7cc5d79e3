// SPDX-License-Identifier: Apache-2.0
#include "base/count_bits.h"

#include <bit>

namespace ragtime {
namespace {

inline __attribute__((always_inline)) uint64_t Count(std::span<const uint64_t> words) {
  uint64_t count = 0;
  for (const uint64_t word : words) count += static_cast<uint64_t>(std::popcount(word));
  return count;
}

#if defined(__x86_64__)
// Not every x86-64 has an instruction for it: without, std::popcount calls a function for each word.
__attribute__((target("avx2,popcnt"))) uint64_t CountAvx2(std::span<const uint64_t> words) { return Count(words); }
#endif

}  // namespace

uint64_t CountBits(std::span<const uint64_t> words) {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  if (has) return CountAvx2(words);
#endif
  return Count(words);
}

}  // namespace ragtime
