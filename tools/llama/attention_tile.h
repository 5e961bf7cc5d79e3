// SPDX-License-Identifier: Apache-2.0
//
// What attention over tiles of 64 keys does beside its two products, 16 numbers at a time with AVX-512; llama.cpp does
// it one by one, which takes longer than the products. Bit for bit the same. Compiled as a part of ggml
// (tools/compile_llama.sh).
#ifndef RAGTIME_TOOLS_LLAMA_ATTENTION_TILE_H_
#define RAGTIME_TOOLS_LLAMA_ATTENTION_TILE_H_

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__F16C__)

#include <immintrin.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace ragtime_attention {

inline __m512 LoadHalves(const void* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(from)));
}

// `n` numbers, a multiple of 16, times `slope`. True: all of them are minus infinity.
inline bool ConvertMask(const uint16_t* from, int n, float slope, float* to) {
  const __m512 lowest = _mm512_set1_ps(-INFINITY);
  __mmask16 open = 0;
  for (int i = 0; i < n; i += 16) {
    const __m512 values = _mm512_mul_ps(_mm512_set1_ps(slope), LoadHalves(from + i));
    _mm512_storeu_ps(to + i, values);
    open = static_cast<__mmask16>(open | _mm512_cmp_ps_mask(values, lowest, _CMP_NEQ_UQ));
  }
  return open == 0;
}

inline float Largest(const float* from, int n) {
  __m512 largest = _mm512_set1_ps(-INFINITY);
  for (int i = 0; i < n; i += 16) largest = _mm512_max_ps(largest, _mm512_loadu_ps(from + i));
  return _mm512_reduce_max_ps(largest);
}

// Column `column` of `to`, whose rows have `keys` numbers, becomes row `column` of `from`: `size` halves each, rows
// `stride` bytes apart. Both counts are multiples of 16.
inline void TransposeKeys(const char* from, size_t stride, int keys, int64_t size, float* to) {
  for (int key = 0; key < keys; key += 16) {
    for (int64_t start = 0; start < size; start += 16) {
      __m512 a[16];
      __m512 b[16];
      for (int i = 0; i < 16; ++i) a[i] = LoadHalves(from + static_cast<size_t>(key + i) * stride + start * 2);
      for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
      }
      const auto low = [](__m512 x, __m512 y) {
        return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
      };
      const auto high = [](__m512 x, __m512 y) {
        return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
      };
      // a[4 g + c]: of rows 4 g to 4 g + 3, the numbers c, c + 4, c + 8 and c + 12.
      for (int g = 0; g < 16; g += 4) {
        a[g] = low(b[g], b[g + 2]);
        a[g + 1] = high(b[g], b[g + 2]);
        a[g + 2] = low(b[g + 1], b[g + 3]);
        a[g + 3] = high(b[g + 1], b[g + 3]);
      }
      for (int c = 0; c < 4; ++c) {
        const __m512 even_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xDD);
        const __m512 even_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xDD);
        const auto store = [&](int64_t number, __m512 values) {
          _mm512_storeu_ps(to + (start + number) * keys + key, values);
        };
        store(c, _mm512_shuffle_f32x4(even_low, even_high, 0x88));
        store(c + 4, _mm512_shuffle_f32x4(odd_low, odd_high, 0x88));
        store(c + 8, _mm512_shuffle_f32x4(even_low, even_high, 0xDD));
        store(c + 12, _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD));
      }
    }
  }
}

}  // namespace ragtime_attention

#define RAGTIME_ATTENTION_TILE
#endif

#endif  // RAGTIME_TOOLS_LLAMA_ATTENTION_TILE_H_
