// SPDX-License-Identifier: Apache-2.0
#include "index/kernels/half_codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "index/kernels/x86.h"

namespace ragtime {
namespace {

constexpr size_t kBlockBytes = kHalfCodeBlock / 2;

// All of them add up products with levels; the product with the codes 2 u - 15 follows from the sum of the query.
int32_t OfCodes(int32_t product, int32_t query_sum) { return 2 * product - kHalfCodeMax * query_sum; }

int32_t SumScalar(const int8_t* query, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += query[i];
  return sum;
}

int32_t DotScalar(const int8_t* query, const uint8_t* row, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; i += kHalfCodeBlock) {
    for (size_t j = 0; j < kBlockBytes; ++j) {
      const uint8_t both = row[i / 2 + j];
      sum += query[i + j] * (both & 15) + query[i + kBlockBytes + j] * (both >> 4);
    }
  }
  return sum;
}

// Rows that are listed lie anywhere: the next ones are on their way while one is multiplied.
constexpr size_t kRowsAhead = 6;

inline void Prefetch(const uint8_t* row, size_t n) {
  for (size_t i = 0; i < n / 2; i += 64) __builtin_prefetch(row + i);
}

#if defined(__x86_64__)
#define RAGTIME_AVX2 __attribute__((target("avx2")))
#define RAGTIME_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2")))
#define RAGTIME_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")))

RAGTIME_AVX2 inline __m256i LoadAvx2(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

RAGTIME_AVX2 int32_t SumAvx2(const int8_t* query, size_t n) {
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += 32) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), LoadAvx2(query + i));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  return AddUpLanes(sum);
}

// Four products of a level and a code are at most 4 * 15 * 128, and so fit 16 bits.
RAGTIME_AVX2 inline int32_t DotAvx2(const int8_t* query, const uint8_t* row, size_t n) {
  const __m256i half = _mm256_set1_epi8(15);
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += kHalfCodeBlock) {
    for (size_t j = 0; j < kBlockBytes; j += 32) {
      const __m256i both = LoadAvx2(row + i / 2 + j);
      const __m256i low = _mm256_and_si256(both, half);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), half);
      const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, LoadAvx2(query + i + j)),
                                             _mm256_maddubs_epi16(high, LoadAvx2(query + i + kBlockBytes + j)));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
  return AddUpLanes(sum);
}

RAGTIME_AVX512 inline int32_t DotAvx512(const int8_t* query, const uint8_t* row, size_t n) {
  const __m512i half = _mm512_set1_epi8(15);
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += kHalfCodeBlock) {
    const __m512i both = _mm512_loadu_si512(row + i / 2);
    const __m512i low = _mm512_and_si512(both, half);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(both, 4), half);
    const __m512i pairs = _mm512_add_epi16(_mm512_maddubs_epi16(low, _mm512_loadu_si512(query + i)),
                                           _mm512_maddubs_epi16(high, _mm512_loadu_si512(query + i + kBlockBytes)));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
  return AddUpLanes(sum);
}

RAGTIME_VNNI inline int32_t DotVnni(const int8_t* query, const uint8_t* row, size_t n) {
  const __m512i half = _mm512_set1_epi8(15);
  __m512i lows = _mm512_setzero_si512();
  __m512i highs = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += kHalfCodeBlock) {
    const __m512i both = _mm512_loadu_si512(row + i / 2);
    lows = _mm512_dpbusd_epi32(lows, _mm512_and_si512(both, half), _mm512_loadu_si512(query + i));
    highs = _mm512_dpbusd_epi32(highs, _mm512_and_si512(_mm512_srli_epi16(both, 4), half),
                                _mm512_loadu_si512(query + i + kBlockBytes));
  }
  return AddUpLanes(_mm512_add_epi32(lows, highs));
}

#elif defined(__aarch64__)

int32_t SumNeon(const int8_t* query, size_t n) {
  int32x4_t sum = vdupq_n_s32(0);
  for (size_t i = 0; i < n; i += 16) sum = vpadalq_s16(sum, vpaddlq_s8(vld1q_s8(query + i)));
  return vaddvq_s32(sum);
}

inline int32_t DotNeon(const int8_t* query, const uint8_t* row, size_t n) {
  int32x4_t sum = vdupq_n_s32(0);
  for (size_t i = 0; i < n; i += kHalfCodeBlock) {
    for (size_t j = 0; j < kBlockBytes; j += 16) {
      const uint8x16_t both = vld1q_u8(row + i / 2 + j);
      const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
      const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
      const int8x16_t of_low = vld1q_s8(query + i + j);
      const int8x16_t of_high = vld1q_s8(query + i + kBlockBytes + j);
      int16x8_t products = vmull_s8(vget_low_s8(low), vget_low_s8(of_low));
      products = vmlal_s8(products, vget_high_s8(low), vget_high_s8(of_low));
      products = vmlal_s8(products, vget_low_s8(high), vget_low_s8(of_high));
      products = vmlal_s8(products, vget_high_s8(high), vget_high_s8(of_high));
      sum = vpadalq_s16(sum, products);
    }
  }
  return vaddvq_s32(sum);
}
#endif

// The two functions of each implementation. A macro, since a function of one set of instructions takes no template
// argument of another.
#define RAGTIME_HALF_CODES(TARGET, NAME, SUM)                                                              \
  TARGET void Dots##NAME(const int8_t* query, const uint8_t* rows, size_t n, size_t count, int32_t* out) { \
    const int32_t sum = SUM(query, n);                                                                     \
    for (size_t r = 0; r < count; ++r) out[r] = OfCodes(Dot##NAME(query, rows + r * (n / 2), n), sum);     \
  }                                                                                                        \
  TARGET void DotsListed##NAME(const int8_t* query, const uint8_t* rows, size_t n, const uint32_t* listed, \
                               size_t count, int32_t* out) {                                               \
    const int32_t sum = SUM(query, n);                                                                     \
    const size_t stride = n / 2;                                                                           \
    for (size_t i = 0; i < std::min(count, kRowsAhead); ++i) Prefetch(rows + listed[i] * stride, n);       \
    for (size_t i = 0; i < count; ++i) {                                                                   \
      if (i + kRowsAhead < count) Prefetch(rows + listed[i + kRowsAhead] * stride, n);                     \
      out[i] = OfCodes(Dot##NAME(query, rows + listed[i] * stride, n), sum);                               \
    }                                                                                                      \
  }

RAGTIME_HALF_CODES(, Scalar, SumScalar)
#if defined(__x86_64__)
RAGTIME_HALF_CODES(RAGTIME_AVX2, Avx2, SumAvx2)
RAGTIME_HALF_CODES(RAGTIME_AVX512, Avx512, SumAvx2)
RAGTIME_HALF_CODES(RAGTIME_VNNI, Vnni, SumAvx2)
#elif defined(__aarch64__)
RAGTIME_HALF_CODES(, Neon, SumNeon)
#endif

struct HalfCodeList {
  std::array<HalfCodeKernels, 4> kernels;
  size_t size = 0;

  HalfCodeList() {
    kernels[size++] = {"scalar", DotsScalar, DotsListedScalar};
#if defined(__x86_64__)
    if (HasAvx2()) kernels[size++] = {"avx2", DotsAvx2, DotsListedAvx2};
    if (HasAvx512()) kernels[size++] = {"avx512", DotsAvx512, DotsListedAvx512};
    if (HasAvx512Vnni()) kernels[size++] = {"avx512vnni", DotsVnni, DotsListedVnni};
#elif defined(__aarch64__)
    kernels[size++] = {"neon", DotsNeon, DotsListedNeon};
#endif
  }
};

const HalfCodeList& List() {
  static const HalfCodeList list;
  return list;
}

// The levels of the values by that unit: 2 u - 15 is the odd number nearest to value / unit, within the codes.
void LevelsOf(std::span<const float> values, float unit, std::span<uint8_t> levels) {
  const float inverse = 0.5f / unit;
  for (size_t i = 0; i < values.size(); ++i) {
    const float level = values[i] * inverse + 8.0f;
    levels[i] = static_cast<uint8_t>(std::min(std::max(level, 0.0f), 15.0f));
  }
}

}  // namespace

std::span<const HalfCodeKernels> SupportedHalfCodeKernels() { return {List().kernels.data(), List().size}; }

const HalfCodeKernels& BestHalfCodeKernels() { return List().kernels[List().size - 1]; }

float QuantizeHalfCodes(std::span<const float> values, size_t padded, uint8_t* codes, std::span<uint8_t> levels) {
  double square = 0;
  for (const float value : values) square += double{value} * value;
  std::fill_n(codes, padded / 2, uint8_t{0});
  // Times the deviation of a dimension: what suits a normal distribution, and what suits others around it.
  const auto usual = static_cast<float>(0.168 * std::sqrt(square / static_cast<double>(values.size())));
  float best_unit = 0;
  double best_fit = 0;
  double scale = 0;
  for (const float times : {1.0f, 0.88f, 1.14f, 1.4f}) {
    const float unit = usual * times;
    // Half its inverse must be a number too.
    if (!(unit >= 1e-37f)) break;
    LevelsOf(values, unit, levels);
    double product = 0;
    int32_t code_square = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const int32_t code = 2 * levels[i] - kHalfCodeMax;
      product += double{values[i]} * code;
      code_square += code * code;
    }
    // The larger, the less the angle between the values and their codes.
    const double fit = product * product / code_square;
    if (!(product > 0) || fit <= best_fit) continue;
    best_unit = unit;
    best_fit = fit;
    scale = square / product;
  }
  if (best_unit == 0) return 0;
  LevelsOf(values, best_unit, levels);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t within = i % kHalfCodeBlock;
    const size_t at = i / kHalfCodeBlock * kBlockBytes + within % kBlockBytes;
    codes[at] |= static_cast<uint8_t>(levels[i] << (within < kBlockBytes ? 0 : 4));
  }
  return static_cast<float>(scale);
}

}  // namespace ragtime
