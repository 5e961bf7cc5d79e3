// SPDX-License-Identifier: Apache-2.0
//
// Half codes have 4 bits for each dimension: inner products of the 8-bit codes of a query with them, in the widest
// instructions that this CPU has.
//
// Every implementation gives the same numbers. Threads: may be called concurrently. Pointers need no alignment.
#ifndef RAGTIME_INDEX_KERNELS_HALF_CODES_H_
#define RAGTIME_INDEX_KERNELS_HALF_CODES_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace ragtime {

// A level u from 0 to 15 stands for the odd number 2 u - 15. Of each 128 dimensions, byte j has the level of dimension
// j in its low half, and that of dimension 64 + j in the other.
inline constexpr size_t kHalfCodeBlock = 128;
inline constexpr int kHalfCodeMax = 15;

struct HalfCodeKernels {
  const char* name;  // "scalar", "avx2", "avx512", "avx512vnni", "neon"
  // out[r] = the inner product of `query` and the codes at rows + r * n / 2, exact. n, the dimensions, is a multiple of
  // kHalfCodeBlock and at most kCodesMax.
  void (*dot)(const int8_t* query, const uint8_t* rows, size_t n, size_t count, int32_t* out);
  // As dot, of the rows listed[0] ... listed[count - 1].
  void (*dot_listed)(const int8_t* query, const uint8_t* rows, size_t n, const uint32_t* listed, size_t count,
                     int32_t* out);
};

// Those that this CPU can run, the plain one first and the fastest last.
std::span<const HalfCodeKernels> SupportedHalfCodeKernels();
// The last of SupportedHalfCodeKernels().
const HalfCodeKernels& BestHalfCodeKernels();

// Codes the n `values`, whose spread over the dimensions is like that of a normal distribution, into `padded` / 2
// bytes, with the unit among a few that fits best. Returns the scale that makes the inner product of `values` with
// scale * code the square of their length, so that no direction of a query is favoured; 0 where there is none.
// Dimensions behind n have some code: a query has 0 there. `levels` is room for n.
float QuantizeHalfCodes(std::span<const float> values, size_t padded, uint8_t* codes, std::span<uint8_t> levels);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_HALF_CODES_H_
