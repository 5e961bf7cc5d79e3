// SPDX-License-Identifier: Apache-2.0
//
// Fast scan scores 32 codes of one bit a dimension at once, by looking up four dimensions at a time in tables of 16
// bytes that stay in registers (Andre, Kermarrec and Le Scouarnec, 2015).
//
// Every implementation gives the same bits. Threads: may be called concurrently. Pointers need no alignment.
#ifndef RAGTIME_INDEX_KERNELS_FAST_SCAN_H_
#define RAGTIME_INDEX_KERNELS_FAST_SCAN_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ragtime {

inline constexpr size_t kScanRows = 32;
// Four dimensions are a group, and four groups are read at once.
inline constexpr size_t kScanDimensions = 16;
inline constexpr size_t kScanTable = 16;  // Bytes of a group, both in the tables and in the codes.

// Of 32 codes: score = base + add + scale * (shift + unit * sum). As bfloat16, the upper half of a float.
struct ScanFactors {
  uint16_t add[kScanRows];
  uint16_t scale[kScanRows];
};
static_assert(sizeof(ScanFactors) == 128);

struct FastScanQuery {
  const uint8_t* tables;  // [groups][16]: what each value of four bits adds to the sum, which is below 65,536.
  size_t groups;          // A multiple of 4.
  float unit;
  float shift;
};

struct FastScan {
  const char* name;  // "scalar", "avx2", "avx512", "neon"
  // `codes` are [groups][16]: the four bits of code i are the low half of byte i, those of code i + 16 the high half.
  // Writes 32 scores, and returns a bit for each that is above `bar`.
  uint32_t (*score)(const FastScanQuery& query, const uint8_t* codes, const ScanFactors& factors, float base, float bar,
                    float* scores);
  // Writes the tables of `groups` groups of four values: for each sign of each of the four, the sum of the signed
  // values, less the least of these sums, times `inverse`; rounded and at most `steps`, below 256.
  void (*tables)(const float* values, size_t groups, float inverse, float steps, uint8_t* tables);
};

// The largest sum of four signed values.
inline float ReachOf(const float* four) {
  return std::abs(four[0]) + std::abs(four[1]) + std::abs(four[2]) + std::abs(four[3]);
}

// Those that this CPU can run, the plain one first and the fastest last.
std::span<const FastScan> SupportedFastScans();
// The last of SupportedFastScans().
const FastScan& BestFastScan();

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_FAST_SCAN_H_
