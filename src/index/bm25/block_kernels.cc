// SPDX-License-Identifier: Apache-2.0
#include "index/bm25/block_kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "index/bm25/bm25_format.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ragtime {
namespace {

void UnpackScalar(const std::byte* packed, unsigned bits, size_t count, uint32_t* values) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  for (size_t i = 0, position = 0; i < count; ++i, position += bits) {
    uint64_t word;
    std::memcpy(&word, packed + position / 8, sizeof(word));
    values[i] = static_cast<uint32_t>(word >> (position % 8) & mask);
  }
}

void UnpackRowsScalar(const std::byte* packed, unsigned bits, size_t count, uint32_t first, uint32_t* values) {
  UnpackScalar(packed, bits, count, values);
  for (size_t i = 0; i < count; ++i) {
    first += values[i];
    values[i] = first++;
  }
}

void UnpackCountsScalar(const std::byte* packed, unsigned bits, size_t count, uint32_t* values) {
  UnpackScalar(packed, bits, count, values);
  for (size_t i = 0; i < count; ++i) ++values[i];
}

void ScoreScalar(const uint32_t* counts, const uint32_t* lengths, size_t count, double gain, double length_free,
                 double length_factor, double* parts) {
  for (size_t i = 0; i < count; ++i) {
    const double n = counts[i];
    parts[i] = gain * n / (n + length_free + length_factor * lengths[i]);
  }
}

size_t CountBelowScalar(const uint32_t* rows, uint32_t row) {
  return static_cast<size_t>(std::lower_bound(rows, rows + kBlockRows, row) - rows);
}

uint64_t AboveScalar(const double* sums, double least) {
  uint64_t mask = 0;
  for (size_t i = 0; i < 64; ++i) mask |= uint64_t{sums[i] > least} << i;
  return mask;
}

// The same for every `above`.
size_t TakeMasked(uint64_t mask, double* sums, uint32_t first_row, uint32_t* rows, double* taken) {
  size_t count = 0;
  for (; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(mask));
    rows[count] = first_row + i;
    taken[count++] = sums[i];
  }
  std::fill_n(sums, 64, 0.0);
  return count;
}

size_t TakeAboveScalar(double* sums, double least, uint32_t first_row, uint32_t* rows, double* taken) {
  return TakeMasked(AboveScalar(sums, least), sums, first_row, rows, taken);
}

#if defined(__x86_64__)
#define RAGTIME_AVX2 __attribute__((target("avx2")))
#define RAGTIME_AVX512 __attribute__((target("avx512f,avx512vl,avx2,popcnt")))

// 8 numbers of b bits take b bytes. Numbers 0 to 3 start in the first of them, 4 to 7 in byte b / 2; a number of up to
// 25 bits lies in 4 bytes from where it starts. The bytes of each are moved into a lane and shifted to its end.
constexpr unsigned kBitsMax = 25;
struct Spread {
  alignas(32) uint8_t bytes[32];
  alignas(32) uint32_t shifts[8];
};
constexpr std::array<Spread, kBitsMax + 1> kSpreads = [] {
  std::array<Spread, kBitsMax + 1> spreads = {};
  for (unsigned bits = 0; bits <= kBitsMax; ++bits) {
    for (unsigned i = 0; i < 8; ++i) {
      const unsigned position = i < 4 ? i * bits : i * bits - bits / 2 * 8;
      spreads[bits].shifts[i] = position % 8;
      for (unsigned j = 0; j < 4; ++j) spreads[bits].bytes[4 * i + j] = static_cast<uint8_t>(position / 8 + j);
    }
  }
  return spreads;
}();

RAGTIME_AVX2 inline __m256i Unpack8(const std::byte* packed, unsigned bits, __m256i bytes, __m256i shifts,
                                    __m256i mask) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed + bits / 2));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  return _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(both, bytes), shifts), mask);
}

RAGTIME_AVX2 void UnpackRowsAvx2(const std::byte* packed, unsigned bits, size_t count, uint32_t first,
                                 uint32_t* values) {
  if (bits > kBitsMax) return UnpackRowsScalar(packed, bits, count, first, values);
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(kSpreads[bits].bytes));
  const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(kSpreads[bits].shifts));
  const __m256i mask = _mm256_set1_epi32(static_cast<int>((1u << bits) - 1));
  const __m256i one = _mm256_set1_epi32(1);
  __m256i last = _mm256_set1_epi32(static_cast<int>(first - 1));
  for (size_t i = 0; i < count; i += 8, packed += bits) {
    __m256i sums = _mm256_add_epi32(Unpack8(packed, bits, bytes, shifts, mask), one);
    sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 4));
    sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 8));
    const __m256i of_low = _mm256_shuffle_epi32(_mm256_permute2x128_si256(sums, sums, 0x08), 0xFF);
    sums = _mm256_add_epi32(sums, of_low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i), _mm256_add_epi32(sums, last));
    // Not from what was just stored: the next round would wait for it.
    last = _mm256_add_epi32(last, _mm256_permutevar8x32_epi32(sums, _mm256_set1_epi32(7)));
  }
}

RAGTIME_AVX2 void UnpackCountsAvx2(const std::byte* packed, unsigned bits, size_t count, uint32_t* values) {
  if (bits > kBitsMax) return UnpackCountsScalar(packed, bits, count, values);
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(kSpreads[bits].bytes));
  const __m256i shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(kSpreads[bits].shifts));
  const __m256i mask = _mm256_set1_epi32(static_cast<int>((1u << bits) - 1));
  const __m256i one = _mm256_set1_epi32(1);
  for (size_t i = 0; i < count; i += 8, packed += bits) {
    const __m256i sums = _mm256_add_epi32(Unpack8(packed, bits, bytes, shifts, mask), one);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i), sums);
  }
}

RAGTIME_AVX2 void ScoreAvx2(const uint32_t* counts, const uint32_t* lengths, size_t count, double gain,
                            double length_free, double length_factor, double* parts) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m256d n = _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(counts + i)));
    const __m256d length = _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lengths + i)));
    const __m256d below = _mm256_add_pd(_mm256_add_pd(n, _mm256_set1_pd(length_free)),
                                        _mm256_mul_pd(_mm256_set1_pd(length_factor), length));
    _mm256_storeu_pd(parts + i, _mm256_div_pd(_mm256_mul_pd(_mm256_set1_pd(gain), n), below));
  }
  ScoreScalar(counts + i, lengths + i, count - i, gain, length_free, length_factor, parts + i);
}

RAGTIME_AVX512 void ScoreAvx512(const uint32_t* counts, const uint32_t* lengths, size_t count, double gain,
                                double length_free, double length_factor, double* parts) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m512d n = _mm512_maskz_cvtepi32_pd(0xFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts + i)));
    const __m512d length =
        _mm512_maskz_cvtepi32_pd(0xFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lengths + i)));
    const __m512d below = _mm512_add_pd(_mm512_add_pd(n, _mm512_set1_pd(length_free)),
                                        _mm512_mul_pd(_mm512_set1_pd(length_factor), length));
    _mm512_storeu_pd(parts + i, _mm512_div_pd(_mm512_mul_pd(_mm512_set1_pd(gain), n), below));
  }
  ScoreScalar(counts + i, lengths + i, count - i, gain, length_free, length_factor, parts + i);
}

RAGTIME_AVX2 size_t CountBelowAvx2(const uint32_t* rows, uint32_t row) {
  // Unsigned numbers compare as signed ones after the highest bit is turned.
  const __m256i turn = _mm256_set1_epi32(static_cast<int>(0x80000000u));
  const __m256i wanted = _mm256_xor_si256(_mm256_set1_epi32(static_cast<int>(row)), turn);
  __m256i below = _mm256_setzero_si256();  // Minus how many in each lane.
  for (size_t i = 0; i < kBlockRows; i += 8) {
    const __m256i here = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + i)), turn);
    below = _mm256_add_epi32(below, _mm256_cmpgt_epi32(wanted, here));
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(below), _mm256_extracti128_si256(below, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return static_cast<size_t>(-_mm_cvtsi128_si32(four));
}

RAGTIME_AVX2 uint64_t AboveAvx2(const double* sums, double least) {
  const __m256d than = _mm256_set1_pd(least);
  uint64_t mask = 0;
  for (size_t i = 0; i < 64; i += 4) {
    const auto four =
        static_cast<unsigned>(_mm256_movemask_pd(_mm256_cmp_pd(_mm256_loadu_pd(sums + i), than, _CMP_GT_OQ)));
    mask |= uint64_t{four} << i;
  }
  return mask;
}

RAGTIME_AVX2 size_t TakeAboveAvx2(double* sums, double least, uint32_t first_row, uint32_t* rows, double* taken) {
  return TakeMasked(AboveAvx2(sums, least), sums, first_row, rows, taken);
}

RAGTIME_AVX512 size_t CountBelowAvx512(const uint32_t* rows, uint32_t row) {
  const __m512i wanted = _mm512_set1_epi32(static_cast<int>(row));
  size_t count = 0;
  for (size_t i = 0; i < kBlockRows; i += 16) {
    count += static_cast<size_t>(__builtin_popcount(_mm512_cmplt_epu32_mask(_mm512_loadu_si512(rows + i), wanted)));
  }
  return count;
}

RAGTIME_AVX512 uint64_t AboveAvx512(const double* sums, double least) {
  const __m512d than = _mm512_set1_pd(least);
  uint64_t mask = 0;
  for (size_t i = 0; i < 64; i += 8) {
    mask |= uint64_t{_mm512_cmp_pd_mask(_mm512_loadu_pd(sums + i), than, _CMP_GT_OQ)} << i;
  }
  return mask;
}

// Compressed in registers: to memory it is slow on Zen 4.
RAGTIME_AVX512 size_t TakeAboveAvx512(double* sums, double least, uint32_t first_row, uint32_t* rows, double* taken) {
  const __m512d than = _mm512_set1_pd(least);
  __m256i here =
      _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first_row)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  size_t count = 0;
  for (size_t i = 0; i < 64; i += 8) {
    const __m512d eight = _mm512_loadu_pd(sums + i);
    const __mmask8 mask = _mm512_cmp_pd_mask(eight, than, _CMP_GT_OQ);
    _mm512_storeu_pd(taken + count, _mm512_maskz_compress_pd(mask, eight));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows + count), _mm256_maskz_compress_epi32(mask, here));
    count += static_cast<size_t>(__builtin_popcount(mask));
    _mm512_storeu_pd(sums + i, _mm512_setzero_pd());
    here = _mm256_add_epi32(here, _mm256_set1_epi32(8));
  }
  return count;
}
#endif

struct KernelList {
  std::array<BlockKernels, 3> kernels;
  size_t size = 0;

  KernelList() {
    Add({"scalar", UnpackRowsScalar, UnpackCountsScalar, ScoreScalar, CountBelowScalar, AboveScalar, TakeAboveScalar});
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2");
    if (avx2) Add({"avx2", UnpackRowsAvx2, UnpackCountsAvx2, ScoreAvx2, CountBelowAvx2, AboveAvx2, TakeAboveAvx2});
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
      Add({"avx512", UnpackRowsAvx2, UnpackCountsAvx2, ScoreAvx512, CountBelowAvx512, AboveAvx512, TakeAboveAvx512});
#endif
  }
  void Add(const BlockKernels& one) { kernels[size++] = one; }
};

const KernelList& List() {
  static const KernelList list;
  return list;
}

}  // namespace

std::span<const BlockKernels> SupportedBlockKernels() { return {List().kernels.data(), List().size}; }

const BlockKernels& BestBlockKernels() { return List().kernels[List().size - 1]; }

}  // namespace ragtime
