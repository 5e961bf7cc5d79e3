// SPDX-License-Identifier: Apache-2.0
#include "index/kernels/kernels.h"

#include <algorithm>
#include <array>
#include <cmath>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "index/kernels/x86.h"

namespace ragtime {
namespace {

// The widest implementation has 4 registers of 16 floats; the others keep the same 64 sums in more registers.
constexpr size_t kLanes = 64;

// 64 -> 16 -> 8 -> 4 -> 2 -> 1. The wide implementations add in the same order.
float AddUp(const float* sums) {
  float s[16];
  for (size_t i = 0; i < 16; ++i) s[i] = (sums[i] + sums[i + 16]) + (sums[i + 32] + sums[i + 48]);
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) s[i] += s[i + half];
  }
  return s[0];
}

float DotScalar(const float* a, const float* b, size_t n) {
  float sums[kLanes] = {};
  for (size_t i = 0; i < n; ++i) sums[i % kLanes] = std::fma(a[i], b[i], sums[i % kLanes]);
  return AddUp(sums);
}

float L2SquaredScalar(const float* a, const float* b, size_t n) {
  float sums[kLanes] = {};
  for (size_t i = 0; i < n; ++i) {
    const float difference = a[i] - b[i];
    sums[i % kLanes] = std::fma(difference, difference, sums[i % kLanes]);
  }
  return AddUp(sums);
}

int32_t DotCodeScalar(const int8_t* query, const int8_t* row, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int32_t{query[i]} * row[i];
  return sum;
}

void DotCodesScalar(const int8_t* query, const int8_t* rows, size_t n, size_t count, int32_t* out) {
  for (size_t r = 0; r < count; ++r) out[r] = DotCodeScalar(query, rows + r * n, n);
}

void DotListedCodesScalar(const int8_t* query, const int8_t* rows, size_t n, const uint32_t* listed, size_t count,
                          int32_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = DotCodeScalar(query, rows + listed[i] * n, n);
}

// One step of the transform: sums and differences of what lies `half` apart.
inline void HadamardStep(float* values, size_t n, size_t half) {
  for (size_t start = 0; start < n; start += 2 * half) {
    for (size_t i = start; i < start + half; ++i) {
      const float a = values[i];
      const float b = values[i + half];
      values[i] = a + b;
      values[i + half] = a - b;
    }
  }
}

void HadamardScalar(float* values, size_t n) {
  for (size_t half = 1; half < n; half *= 2) HadamardStep(values, n, half);
}

#if defined(__x86_64__) || defined(__aarch64__)
// Rows that are listed lie anywhere: the next ones are on their way while one is multiplied.
constexpr size_t kRowsAhead = 4;

inline void PrefetchCodes(const int8_t* row, size_t n) {
  for (size_t i = 0; i < n; i += 64) __builtin_prefetch(row + i);
}
#endif

#if defined(__x86_64__)
#define RAGTIME_AVX2 __attribute__((target("avx2,fma")))
#define RAGTIME_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define RAGTIME_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))

// The last, partial block of 64, filled up with zeros: fused multiply-adds of zeros change no sum.
struct Tail {
  float a[kLanes] = {};
  float b[kLanes] = {};
  Tail(const float* from_a, const float* from_b, size_t n) {
    std::copy_n(from_a, n, a);
    std::copy_n(from_b, n, b);
  }
};

// The steps within a register: the partner of each lane, from which it is taken where it is the second of the two.
template <int kSecond>
RAGTIME_AVX2 inline __m256 SumsAndDifferences(__m256 values, __m256 partners) {
  return _mm256_blend_ps(_mm256_add_ps(values, partners), _mm256_sub_ps(partners, values), kSecond);
}

RAGTIME_AVX2 void HadamardAvx2(float* values, size_t n) {
  if (n < 16) return HadamardScalar(values, n);
  for (size_t i = 0; i < n; i += 16) {
    __m256 v[2] = {_mm256_loadu_ps(values + i), _mm256_loadu_ps(values + i + 8)};
    for (__m256& eight : v) {
      eight = SumsAndDifferences<0xAA>(eight, _mm256_permute_ps(eight, 0xB1));
      eight = SumsAndDifferences<0xCC>(eight, _mm256_permute_ps(eight, 0x4E));
      eight = SumsAndDifferences<0xF0>(eight, _mm256_permute2f128_ps(eight, eight, 1));
    }
    _mm256_storeu_ps(values + i, _mm256_add_ps(v[0], v[1]));
    _mm256_storeu_ps(values + i + 8, _mm256_sub_ps(v[0], v[1]));
  }
  for (size_t half = 16; half < n; half *= 2) {
    for (size_t start = 0; start < n; start += 2 * half) {
      for (size_t i = start; i < start + half; i += 8) {
        const __m256 a = _mm256_loadu_ps(values + i);
        const __m256 b = _mm256_loadu_ps(values + i + half);
        _mm256_storeu_ps(values + i, _mm256_add_ps(a, b));
        _mm256_storeu_ps(values + i + half, _mm256_sub_ps(a, b));
      }
    }
  }
}

RAGTIME_AVX2 inline float AddUpAvx2(const __m256 (&s)[8]) {
  const __m256 low = _mm256_add_ps(_mm256_add_ps(s[0], s[2]), _mm256_add_ps(s[4], s[6]));
  const __m256 high = _mm256_add_ps(_mm256_add_ps(s[1], s[3]), _mm256_add_ps(s[5], s[7]));
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

RAGTIME_AVX2 inline void DotBlockAvx2(const float* a, const float* b, __m256 (&s)[8]) {
  for (int j = 0; j < 8; ++j) s[j] = _mm256_fmadd_ps(_mm256_loadu_ps(a + 8 * j), _mm256_loadu_ps(b + 8 * j), s[j]);
}

RAGTIME_AVX2 inline void L2BlockAvx2(const float* a, const float* b, __m256 (&s)[8]) {
  for (int j = 0; j < 8; ++j) {
    const __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(a + 8 * j), _mm256_loadu_ps(b + 8 * j));
    s[j] = _mm256_fmadd_ps(difference, difference, s[j]);
  }
}

RAGTIME_AVX2 float DotAvx2(const float* a, const float* b, size_t n) {
  __m256 s[8];
  for (__m256& sum : s) sum = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) DotBlockAvx2(a + i, b + i, s);
  if (i < n) {
    const Tail tail(a + i, b + i, n - i);
    DotBlockAvx2(tail.a, tail.b, s);
  }
  return AddUpAvx2(s);
}

RAGTIME_AVX2 float L2SquaredAvx2(const float* a, const float* b, size_t n) {
  __m256 s[8];
  for (__m256& sum : s) sum = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) L2BlockAvx2(a + i, b + i, s);
  if (i < n) {
    const Tail tail(a + i, b + i, n - i);
    L2BlockAvx2(tail.a, tail.b, s);
  }
  return AddUpAvx2(s);
}

RAGTIME_AVX2 inline int32_t DotCodeAvx2(const int8_t* query, const int8_t* row, size_t n) {
  __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t i = 0; i < n; i += 32) {
    for (size_t j = 0; j < 2; ++j) {
      const auto* q = reinterpret_cast<const __m128i*>(query + i + 16 * j);
      const auto* x = reinterpret_cast<const __m128i*>(row + i + 16 * j);
      sums[j] = _mm256_add_epi32(sums[j], _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(q)),
                                                            _mm256_cvtepi8_epi16(_mm_loadu_si128(x))));
    }
  }
  return AddUpLanes(_mm256_add_epi32(sums[0], sums[1]));
}

RAGTIME_AVX2 void DotCodesAvx2(const int8_t* query, const int8_t* rows, size_t n, size_t count, int32_t* out) {
  for (size_t r = 0; r < count; ++r) out[r] = DotCodeAvx2(query, rows + r * n, n);
}

RAGTIME_AVX2 void DotListedCodesAvx2(const int8_t* query, const int8_t* rows, size_t n, const uint32_t* listed,
                                     size_t count, int32_t* out) {
  for (size_t i = 0; i < std::min(count, kRowsAhead); ++i) PrefetchCodes(rows + listed[i] * n, n);
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) PrefetchCodes(rows + listed[i + kRowsAhead] * n, n);
    out[i] = DotCodeAvx2(query, rows + listed[i] * n, n);
  }
}

// The halves are taken with a mask of ones, as in x86.h.
RAGTIME_AVX512 inline float AddUpAvx512(const __m512 (&s)[4]) {
  const __m512 sixteen = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
  const __m256 eight =
      _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xFF, sixteen, 0), _mm512_maskz_extractf32x8_ps(0xFF, sixteen, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The mask of the floats of register j of a block of which `n` floats are left.
inline __mmask16 LeftMask(size_t n, size_t j) {
  const size_t left = n > 16 * j ? std::min<size_t>(n - 16 * j, 16) : 0;
  return static_cast<__mmask16>((uint32_t{1} << left) - 1);
}

RAGTIME_AVX512 float DotAvx512(const float* a, const float* b, size_t n) {
  __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < 4; ++j) {
      s[j] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16 * j), _mm512_loadu_ps(b + i + 16 * j), s[j]);
    }
  }
  for (size_t j = 0; j < 4 && i < n; ++j) {
    const __mmask16 mask = LeftMask(n - i, j);
    if (mask == 0) break;
    s[j] =
        _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i + 16 * j), _mm512_maskz_loadu_ps(mask, b + i + 16 * j), s[j]);
  }
  return AddUpAvx512(s);
}

RAGTIME_AVX512 float L2SquaredAvx512(const float* a, const float* b, size_t n) {
  __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < 4; ++j) {
      const __m512 difference = _mm512_sub_ps(_mm512_loadu_ps(a + i + 16 * j), _mm512_loadu_ps(b + i + 16 * j));
      s[j] = _mm512_fmadd_ps(difference, difference, s[j]);
    }
  }
  for (size_t j = 0; j < 4 && i < n; ++j) {
    const __mmask16 mask = LeftMask(n - i, j);
    if (mask == 0) break;
    const __m512 difference =
        _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i + 16 * j), _mm512_maskz_loadu_ps(mask, b + i + 16 * j));
    s[j] = _mm512_fmadd_ps(difference, difference, s[j]);
  }
  return AddUpAvx512(s);
}

RAGTIME_AVX512 inline int32_t DotCodeAvx512(const int8_t* query, const int8_t* row, size_t n) {
  __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (size_t i = 0; i < n; i += 64) {
    for (size_t j = 0; j < 2; ++j) {
      const auto* q = reinterpret_cast<const __m256i*>(query + i + 32 * j);
      const auto* x = reinterpret_cast<const __m256i*>(row + i + 32 * j);
      sums[j] = _mm512_add_epi32(sums[j], _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm256_loadu_si256(q)),
                                                            _mm512_cvtepi8_epi16(_mm256_loadu_si256(x))));
    }
  }
  return AddUpLanes(_mm512_add_epi32(sums[0], sums[1]));
}

RAGTIME_AVX512 void DotCodesAvx512(const int8_t* query, const int8_t* rows, size_t n, size_t count, int32_t* out) {
  for (size_t r = 0; r < count; ++r) out[r] = DotCodeAvx512(query, rows + r * n, n);
}

RAGTIME_AVX512 void DotListedCodesAvx512(const int8_t* query, const int8_t* rows, size_t n, const uint32_t* listed,
                                         size_t count, int32_t* out) {
  for (size_t i = 0; i < std::min(count, kRowsAhead); ++i) PrefetchCodes(rows + listed[i] * n, n);
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) PrefetchCodes(rows + listed[i + kRowsAhead] * n, n);
    out[i] = DotCodeAvx512(query, rows + listed[i] * n, n);
  }
}

// VNNI multiplies unsigned by signed bytes: row + 128 is unsigned, and 128 times the sum of the query is taken off at
// the end.
RAGTIME_VNNI inline int32_t QueryOffsetVnni(const int8_t* query, size_t n) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 64) sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(query + i));
  return 128 * AddUpLanes(sum);
}

RAGTIME_VNNI inline int32_t DotCodeVnni(const int8_t* query, const int8_t* row, size_t n) {
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
    for (size_t j = 0; j < 2; ++j) {
      const __m512i x = _mm512_xor_si512(_mm512_loadu_si512(row + i + 64 * j), sign);
      sums[j] = _mm512_dpbusd_epi32(sums[j], x, _mm512_loadu_si512(query + i + 64 * j));
    }
  }
  if (i < n) {
    const __m512i x = _mm512_xor_si512(_mm512_loadu_si512(row + i), sign);
    sums[0] = _mm512_dpbusd_epi32(sums[0], x, _mm512_loadu_si512(query + i));
  }
  return AddUpLanes(_mm512_add_epi32(sums[0], sums[1]));
}

RAGTIME_VNNI void DotCodesVnni(const int8_t* query, const int8_t* rows, size_t n, size_t count, int32_t* out) {
  const int32_t offset = QueryOffsetVnni(query, n);
  for (size_t r = 0; r < count; ++r) out[r] = DotCodeVnni(query, rows + r * n, n) - offset;
}

RAGTIME_VNNI void DotListedCodesVnni(const int8_t* query, const int8_t* rows, size_t n, const uint32_t* listed,
                                     size_t count, int32_t* out) {
  const int32_t offset = QueryOffsetVnni(query, n);
  for (size_t i = 0; i < std::min(count, kRowsAhead); ++i) PrefetchCodes(rows + listed[i] * n, n);
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) PrefetchCodes(rows + listed[i + kRowsAhead] * n, n);
    out[i] = DotCodeVnni(query, rows + listed[i] * n, n) - offset;
  }
}

#elif defined(__aarch64__)

float DotNeon(const float* a, const float* b, size_t n) {
  float sums[kLanes] = {};
  float32x4_t s[16];
  for (float32x4_t& sum : s) sum = vdupq_n_f32(0);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < 16; ++j) s[j] = vfmaq_f32(s[j], vld1q_f32(a + i + 4 * j), vld1q_f32(b + i + 4 * j));
  }
  for (size_t j = 0; j < 16; ++j) vst1q_f32(sums + 4 * j, s[j]);
  for (; i < n; ++i) sums[i % kLanes] = std::fma(a[i], b[i], sums[i % kLanes]);
  return AddUp(sums);
}

float L2SquaredNeon(const float* a, const float* b, size_t n) {
  float sums[kLanes] = {};
  float32x4_t s[16];
  for (float32x4_t& sum : s) sum = vdupq_n_f32(0);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < 16; ++j) {
      const float32x4_t difference = vsubq_f32(vld1q_f32(a + i + 4 * j), vld1q_f32(b + i + 4 * j));
      s[j] = vfmaq_f32(s[j], difference, difference);
    }
  }
  for (size_t j = 0; j < 16; ++j) vst1q_f32(sums + 4 * j, s[j]);
  for (; i < n; ++i) {
    const float difference = a[i] - b[i];
    sums[i % kLanes] = std::fma(difference, difference, sums[i % kLanes]);
  }
  return AddUp(sums);
}

inline int32_t DotCodeNeon(const int8_t* query, const int8_t* row, size_t n) {
  int32x4_t sum = vdupq_n_s32(0);
  for (size_t i = 0; i < n; i += 16) {
    const int8x16_t q = vld1q_s8(query + i);
    const int8x16_t x = vld1q_s8(row + i);
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(q), vget_low_s8(x)));
    sum = vpadalq_s16(sum, vmull_s8(vget_high_s8(q), vget_high_s8(x)));
  }
  return vaddvq_s32(sum);
}

void DotCodesNeon(const int8_t* query, const int8_t* rows, size_t n, size_t count, int32_t* out) {
  for (size_t r = 0; r < count; ++r) out[r] = DotCodeNeon(query, rows + r * n, n);
}

void DotListedCodesNeon(const int8_t* query, const int8_t* rows, size_t n, const uint32_t* listed, size_t count,
                        int32_t* out) {
  for (size_t i = 0; i < std::min(count, kRowsAhead); ++i) PrefetchCodes(rows + listed[i] * n, n);
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) PrefetchCodes(rows + listed[i + kRowsAhead] * n, n);
    out[i] = DotCodeNeon(query, rows + listed[i] * n, n);
  }
}

void HadamardNeon(float* values, size_t n) {
  for (size_t half = 1; half < std::min<size_t>(n, 4); half *= 2) HadamardStep(values, n, half);
  for (size_t half = 4; half < n; half *= 2) {
    for (size_t start = 0; start < n; start += 2 * half) {
      for (size_t i = start; i < start + half; i += 4) {
        const float32x4_t a = vld1q_f32(values + i);
        const float32x4_t b = vld1q_f32(values + i + half);
        vst1q_f32(values + i, vaddq_f32(a, b));
        vst1q_f32(values + i + half, vsubq_f32(a, b));
      }
    }
  }
}
#endif

struct KernelList {
  std::array<Kernels, 4> kernels;
  size_t size = 0;

  KernelList() {
    Add({"scalar", DotScalar, L2SquaredScalar, DotCodesScalar, DotListedCodesScalar, HadamardScalar});
#if defined(__x86_64__)
    const bool fma = __builtin_cpu_supports("fma");
    if (fma && HasAvx2()) Add({"avx2", DotAvx2, L2SquaredAvx2, DotCodesAvx2, DotListedCodesAvx2, HadamardAvx2});
    if (fma && HasAvx512())
      Add({"avx512", DotAvx512, L2SquaredAvx512, DotCodesAvx512, DotListedCodesAvx512, HadamardAvx2});
    if (fma && HasAvx512Vnni()) {
      Add({"avx512vnni", DotAvx512, L2SquaredAvx512, DotCodesVnni, DotListedCodesVnni, HadamardAvx2});
    }
#elif defined(__aarch64__)
    Add({"neon", DotNeon, L2SquaredNeon, DotCodesNeon, DotListedCodesNeon, HadamardNeon});
#endif
  }
  void Add(const Kernels& one) { kernels[size++] = one; }
};

const KernelList& List() {
  static const KernelList list;
  return list;
}

}  // namespace

std::span<const Kernels> SupportedKernels() { return {List().kernels.data(), List().size}; }

const Kernels& BestKernels() { return List().kernels[List().size - 1]; }

float QuantizeCodes(const float* values, size_t n, size_t padded, int8_t* codes) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(values[i]));
  const float scale = largest / 127;
  std::fill(codes, codes + padded, int8_t{0});
  // The quotient of a denormal scale could leave the range of a code.
  if (!(scale >= 1e-37f)) return 0;
  const float inverse = 1 / scale;
  size_t i = 0;
#if defined(__x86_64__)
  // Rounds as lrint does. Of no larger values than `largest` none leaves the range but by rounding.
  const __m128i most = _mm_set1_epi16(127);
  const __m128i least = _mm_set1_epi16(-127);
  for (; i + 8 <= n; i += 8) {
    const __m128 factor = _mm_set1_ps(inverse);
    const __m128i low = _mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(values + i), factor));
    const __m128i high = _mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(values + i + 4), factor));
    const __m128i eight = _mm_max_epi16(_mm_min_epi16(_mm_packs_epi32(low, high), most), least);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes + i), _mm_packs_epi16(eight, eight));
  }
#endif
  for (; i < n; ++i) {
    const float shifted = values[i] * inverse;
    codes[i] = static_cast<int8_t>(std::clamp(std::lrint(shifted), -127L, 127L));
  }
  return scale;
}

}  // namespace ragtime
