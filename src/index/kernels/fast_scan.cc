// SPDX-License-Identifier: Apache-2.0
#include "index/kernels/fast_scan.h"

#include <algorithm>
#include <array>
#include <bit>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "index/kernels/x86.h"

namespace ragtime {
namespace {

float FloatOf(uint16_t upper) { return std::bit_cast<float>(uint32_t{upper} << 16); }

uint32_t ScoreScalar(const FastScanQuery& query, const uint8_t* codes, const ScanFactors& factors, float base,
                     float bar, float* scores) {
  uint32_t sums[kScanRows] = {};
  for (size_t g = 0; g < query.groups; ++g) {
    for (size_t i = 0; i < kScanTable; ++i) {
      const uint8_t code = codes[g * kScanTable + i];
      sums[i] += query.tables[g * kScanTable + (code & 15)];
      sums[i + kScanTable] += query.tables[g * kScanTable + (code >> 4)];
    }
  }
  uint32_t above = 0;
  for (size_t i = 0; i < kScanRows; ++i) {
    // The wide ones have 16 bits for a sum.
    const float sum = query.shift + query.unit * static_cast<float>(static_cast<uint16_t>(sums[i]));
    scores[i] = (base + FloatOf(factors.add[i])) + FloatOf(factors.scale[i]) * sum;
    if (scores[i] > bar) above |= uint32_t{1} << i;
  }
  return above;
}

// What all signs negative add, and what each sign that is not adds to that.
struct TableSteps {
  float least;
  float more[4];

  TableSteps(const float* four, float inverse) {
    least = (ReachOf(four) - four[0] - four[1] - four[2] - four[3]) * inverse + 0.5f;
    for (size_t bit = 0; bit < 4; ++bit) more[bit] = 2 * four[bit] * inverse;
  }
};

void TablesScalar(const float* values, size_t groups, float inverse, float steps, uint8_t* tables) {
  for (size_t g = 0; g < groups; ++g) {
    const TableSteps of_group(values + 4 * g, inverse);
    float sums[kScanTable] = {of_group.least};
    for (size_t bit = 0; bit < 4; ++bit) {
      for (size_t i = 0; i < size_t{1} << bit; ++i) sums[i + (size_t{1} << bit)] = sums[i] + of_group.more[bit];
    }
    for (size_t i = 0; i < kScanTable; ++i) {
      tables[g * kScanTable + i] = static_cast<uint8_t>(std::clamp(sums[i], 0.0f, steps));
    }
  }
}

#if defined(__x86_64__)
#define RAGTIME_AVX2 __attribute__((target("avx2")))
#define RAGTIME_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2")))

RAGTIME_AVX2 inline __m256 FloatsAvx2(const uint16_t* upper) {
  const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(upper));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(eight), 16));
}

// Sums of even bytes with what the odd ones add to their upper halves, and sums of odd bytes, of two lanes or four:
// the 16 sums in order.
RAGTIME_AVX2 inline __m256i InOrder(__m128i even, __m128i odd) {
  return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}
RAGTIME_AVX2 inline __m128i AddLanes(__m256i sums) {
  return _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

RAGTIME_AVX2 uint32_t ScoreAvx2(const FastScanQuery& query, const uint8_t* codes, const ScanFactors& factors,
                                float base, float bar, float* scores) {
  const __m256i half = _mm256_set1_epi8(15);
  __m256i low = _mm256_setzero_si256();
  __m256i low_odd = low;
  __m256i high = low;
  __m256i high_odd = low;
  for (size_t at = 0; at < query.groups * kScanTable; at += 32) {
    const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + at));
    const __m256i table = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.tables + at));
    const __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(code, half));
    const __m256i b = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(code, 4), half));
    low = _mm256_add_epi16(low, a);
    low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(a, 8));
    high = _mm256_add_epi16(high, b);
    high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(b, 8));
  }
  low = _mm256_sub_epi16(low, _mm256_slli_epi16(low_odd, 8));
  high = _mm256_sub_epi16(high, _mm256_slli_epi16(high_odd, 8));
  const __m256i sums[2] = {InOrder(AddLanes(low), AddLanes(low_odd)), InOrder(AddLanes(high), AddLanes(high_odd))};
  uint32_t above = 0;
  for (size_t i = 0; i < kScanRows; i += 8) {
    const __m256i sixteen = sums[i / 16];
    const __m128i eight = i % 16 == 0 ? _mm256_castsi256_si128(sixteen) : _mm256_extracti128_si256(sixteen, 1);
    const __m256 sum =
        _mm256_add_ps(_mm256_set1_ps(query.shift),
                      _mm256_mul_ps(_mm256_set1_ps(query.unit), _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eight))));
    const __m256 start = _mm256_add_ps(_mm256_set1_ps(base), FloatsAvx2(factors.add + i));
    const __m256 score = _mm256_add_ps(start, _mm256_mul_ps(FloatsAvx2(factors.scale + i), sum));
    _mm256_storeu_ps(scores + i, score);
    const int bits = _mm256_movemask_ps(_mm256_cmp_ps(score, _mm256_set1_ps(bar), _CMP_GT_OQ));
    above |= static_cast<uint32_t>(bits) << i;
  }
  return above;
}

RAGTIME_AVX2 inline __m128i RoundedAvx2(__m256 sums, float steps) {
  const __m256 within = _mm256_min_ps(_mm256_max_ps(sums, _mm256_setzero_ps()), _mm256_set1_ps(steps));
  const __m256i whole = _mm256_cvttps_epi32(within);
  return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}

RAGTIME_AVX2 void TablesAvx2(const float* values, size_t groups, float inverse, float steps, uint8_t* tables) {
  const __m256 second = _mm256_castsi256_ps(_mm256_setr_epi32(0, -1, 0, -1, 0, -1, 0, -1));
  const __m256 third = _mm256_castsi256_ps(_mm256_setr_epi32(0, 0, -1, -1, 0, 0, -1, -1));
  const __m256 fourth = _mm256_castsi256_ps(_mm256_setr_epi32(0, 0, 0, 0, -1, -1, -1, -1));
  for (size_t g = 0; g < groups; ++g) {
    const TableSteps of_group(values + 4 * g, inverse);
    __m256 low = _mm256_add_ps(_mm256_set1_ps(of_group.least), _mm256_and_ps(second, _mm256_set1_ps(of_group.more[0])));
    low = _mm256_add_ps(low, _mm256_and_ps(third, _mm256_set1_ps(of_group.more[1])));
    low = _mm256_add_ps(low, _mm256_and_ps(fourth, _mm256_set1_ps(of_group.more[2])));
    const __m256 high = _mm256_add_ps(low, _mm256_set1_ps(of_group.more[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + g * kScanTable),
                     _mm_packus_epi16(RoundedAvx2(low, steps), RoundedAvx2(high, steps)));
  }
}

RAGTIME_AVX512 inline __m512 FloatsAvx512(const uint16_t* upper) {
  const __m256i sixteen = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(upper));
  return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xFFFF, _mm512_maskz_cvtepu16_epi32(0xFFFF, sixteen), 16));
}

// With a mask of ones, as in kernels.cc.
RAGTIME_AVX512 inline __m256i AddHalves(__m512i sums) {
  return _mm256_add_epi16(_mm512_maskz_extracti64x4_epi64(0xFF, sums, 0),
                          _mm512_maskz_extracti64x4_epi64(0xFF, sums, 1));
}

RAGTIME_AVX512 uint32_t ScoreAvx512(const FastScanQuery& query, const uint8_t* codes, const ScanFactors& factors,
                                    float base, float bar, float* scores) {
  const __m512i half = _mm512_set1_epi8(15);
  __m512i low = _mm512_setzero_si512();
  __m512i low_odd = low;
  __m512i high = low;
  __m512i high_odd = low;
  for (size_t at = 0; at < query.groups * kScanTable; at += 64) {
    const __m512i code = _mm512_loadu_si512(codes + at);
    const __m512i table = _mm512_loadu_si512(query.tables + at);
    const __m512i a = _mm512_shuffle_epi8(table, _mm512_and_si512(code, half));
    const __m512i b = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(code, 4), half));
    low = _mm512_add_epi16(low, a);
    low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16(a, 8));
    high = _mm512_add_epi16(high, b);
    high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16(b, 8));
  }
  low = _mm512_sub_epi16(low, _mm512_slli_epi16(low_odd, 8));
  high = _mm512_sub_epi16(high, _mm512_slli_epi16(high_odd, 8));
  const __m256i sums[2] = {InOrder(AddLanes(AddHalves(low)), AddLanes(AddHalves(low_odd))),
                           InOrder(AddLanes(AddHalves(high)), AddLanes(AddHalves(high_odd)))};
  uint32_t above = 0;
  for (size_t i = 0; i < 2; ++i) {
    const __m512 number = _mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_maskz_cvtepu16_epi32(0xFFFF, sums[i]));
    const __m512 sum = _mm512_add_ps(_mm512_set1_ps(query.shift), _mm512_mul_ps(_mm512_set1_ps(query.unit), number));
    const __m512 start = _mm512_add_ps(_mm512_set1_ps(base), FloatsAvx512(factors.add + 16 * i));
    const __m512 score = _mm512_add_ps(start, _mm512_mul_ps(FloatsAvx512(factors.scale + 16 * i), sum));
    _mm512_storeu_ps(scores + 16 * i, score);
    above |= uint32_t{_mm512_cmp_ps_mask(score, _mm512_set1_ps(bar), _CMP_GT_OQ)} << (16 * i);
  }
  return above;
}
#elif defined(__aarch64__)
inline float32x4_t FloatsNeon(uint16x4_t upper) { return vreinterpretq_f32_u32(vshll_n_u16(upper, 16)); }

uint32_t ScoreNeon(const FastScanQuery& query, const uint8_t* codes, const ScanFactors& factors, float base, float bar,
                   float* scores) {
  const uint8x16_t half = vdupq_n_u8(15);
  uint16x8_t sums[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
  for (size_t at = 0; at < query.groups * kScanTable; at += kScanTable) {
    const uint8x16_t code = vld1q_u8(codes + at);
    const uint8x16_t table = vld1q_u8(query.tables + at);
    const uint8x16_t low = vqtbl1q_u8(table, vandq_u8(code, half));
    const uint8x16_t high = vqtbl1q_u8(table, vshrq_n_u8(code, 4));
    sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
    sums[1] = vaddw_high_u8(sums[1], low);
    sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
    sums[3] = vaddw_high_u8(sums[3], high);
  }
  const uint32x4_t places = {1, 2, 4, 8};
  uint32_t above = 0;
  for (size_t i = 0; i < kScanRows; i += 4) {
    const uint16x8_t eight = sums[i / 8];
    const float32x4_t number = vcvtq_f32_u32(vmovl_u16(i % 8 == 0 ? vget_low_u16(eight) : vget_high_u16(eight)));
    const float32x4_t sum = vaddq_f32(vdupq_n_f32(query.shift), vmulq_f32(vdupq_n_f32(query.unit), number));
    const float32x4_t start = vaddq_f32(vdupq_n_f32(base), FloatsNeon(vld1_u16(factors.add + i)));
    const float32x4_t score = vaddq_f32(start, vmulq_f32(FloatsNeon(vld1_u16(factors.scale + i)), sum));
    vst1q_f32(scores + i, score);
    above |= vaddvq_u32(vandq_u32(vcgtq_f32(score, vdupq_n_f32(bar)), places)) << i;
  }
  return above;
}

inline uint16x4_t RoundedNeon(float32x4_t sums, float steps) {
  return vmovn_u32(vcvtq_u32_f32(vminq_f32(vmaxq_f32(sums, vdupq_n_f32(0)), vdupq_n_f32(steps))));
}

void TablesNeon(const float* values, size_t groups, float inverse, float steps, uint8_t* tables) {
  for (size_t g = 0; g < groups; ++g) {
    const TableSteps of_group(values + 4 * g, inverse);
    const float32x4_t second = {0, of_group.more[0], 0, of_group.more[0]};
    const float32x4_t third = {0, 0, of_group.more[1], of_group.more[1]};
    const float32x4_t first = vaddq_f32(vaddq_f32(vdupq_n_f32(of_group.least), second), third);
    const float32x4_t next = vaddq_f32(first, vdupq_n_f32(of_group.more[2]));
    const float32x4_t more = vdupq_n_f32(of_group.more[3]);
    const uint16x8_t low = vcombine_u16(RoundedNeon(first, steps), RoundedNeon(next, steps));
    const uint16x8_t high =
        vcombine_u16(RoundedNeon(vaddq_f32(first, more), steps), RoundedNeon(vaddq_f32(next, more), steps));
    vst1q_u8(tables + g * kScanTable, vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
  }
}
#endif

struct FastScanList {
  std::array<FastScan, 3> scans;
  size_t size = 0;

  FastScanList() {
    scans[size++] = {"scalar", ScoreScalar, TablesScalar};
#if defined(__x86_64__)
    if (HasAvx2()) scans[size++] = {"avx2", ScoreAvx2, TablesAvx2};
    if (HasAvx512()) scans[size++] = {"avx512", ScoreAvx512, TablesAvx2};
#elif defined(__aarch64__)
    scans[size++] = {"neon", ScoreNeon, TablesNeon};
#endif
  }
};

const FastScanList& List() {
  static const FastScanList list;
  return list;
}

}  // namespace

std::span<const FastScan> SupportedFastScans() { return {List().scans.data(), List().size}; }

const FastScan& BestFastScan() { return List().scans[List().size - 1]; }

}  // namespace ragtime
