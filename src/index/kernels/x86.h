// SPDX-License-Identifier: Apache-2.0
//
// What the kernels for x86-64 share: which instructions this CPU has, and the sum of a register's integers.
#ifndef RAGTIME_INDEX_KERNELS_X86_H_
#define RAGTIME_INDEX_KERNELS_X86_H_

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

namespace ragtime {

inline bool HasAvx2() { return __builtin_cpu_supports("avx2"); }
// With the parts that every processor with 512 bits for servers has.
inline bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
inline bool HasAvx512Vnni() { return HasAvx512() && __builtin_cpu_supports("avx512vnni"); }

__attribute__((target("avx2"))) inline int32_t AddUpLanes(__m256i eight) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return _mm_cvtsi128_si32(four);
}

// The halves are taken with a mask of ones: GCC 12 warns of uninitialised values inside its own unmasked intrinsics.
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2"))) inline int32_t AddUpLanes(__m512i sixteen) {
  return AddUpLanes(_mm256_add_epi32(_mm512_maskz_extracti32x8_epi32(0xFF, sixteen, 0),
                                     _mm512_maskz_extracti32x8_epi32(0xFF, sixteen, 1)));
}

}  // namespace ragtime
#endif

#endif  // RAGTIME_INDEX_KERNELS_X86_H_
