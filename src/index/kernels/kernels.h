// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of vector search, in the widest instructions that this CPU has, chosen when the program runs.
//
// Floating point results are bit for bit the same in every implementation: 64 partial sums, element i fused into sum i
// % 64, added up in a fixed order. So a score does not depend on the machine.
//
// Threads: may be called concurrently. Pointers need no alignment.
#ifndef RAGTIME_INDEX_KERNELS_KERNELS_H_
#define RAGTIME_INDEX_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace ragtime {

struct Kernels {
  const char* name;  // "scalar", "avx2", "avx512", "avx512vnni", "neon"
  float (*dot)(const float* a, const float* b, size_t n);
  // The sum of (a[i] - b[i])^2.
  float (*l2_squared)(const float* a, const float* b, size_t n);
  // out[r] = the inner product of `query` and rows + r * n, exact. n is a multiple of kCodeStride and at most
  // kCodesMax.
  void (*dot_codes)(const int8_t* query, const int8_t* rows, size_t n, size_t count, int32_t* out);
  // As dot_codes, of the rows listed[0] ... listed[count - 1]: out[i] belongs to rows + listed[i] * n.
  void (*dot_listed_codes)(const int8_t* query, const int8_t* rows, size_t n, const uint32_t* listed, size_t count,
                           int32_t* out);
  // Multiplies the n values, a power of 2, by the matrix of Hadamard, without its factor.
  void (*hadamard)(float* values, size_t n);
};

inline constexpr size_t kCodeStride = 64;
inline constexpr size_t kCodesMax = 65536;  // 65536 * 128 * 128 fits int32.

// Those that this CPU can run, the plain one first and the fastest last.
std::span<const Kernels> SupportedKernels();
// The last of SupportedKernels().
const Kernels& BestKernels();

inline float Dot(const float* a, const float* b, size_t n) { return BestKernels().dot(a, b, n); }
inline float L2Squared(const float* a, const float* b, size_t n) { return BestKernels().l2_squared(a, b, n); }

// codes[i] = round(values[i] / scale) with the least scale that keeps |codes[i]| <= 127. Returns the scale; 0, with
// codes 0, if no value is larger than a float can scale. `values` are finite. Codes from n to `padded` become 0.
float QuantizeCodes(const float* values, size_t n, size_t padded, int8_t* codes);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_KERNELS_H_
