// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#define RAGTIME_LANES 16
#include "model/local/bert_kernels_vector.h"

namespace ragtime {
namespace {

// A panel is 16 rows turned so that each lane of a register is one row. Per block: 8 registers of 16 x 4 values, in the
// order of the activations, then the 16 scales.
constexpr size_t kPanelBlockBytes = 16 * 32 + 16 * 4;

inline __m512i FourRows(const uint8_t* row, size_t row_bytes) {
  const auto load = [&](size_t r) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + r * row_bytes)); };
  __m512i v = _mm512_castsi128_si512(load(0));
  v = _mm512_inserti32x4(v, load(4), 1);
  v = _mm512_inserti32x4(v, load(8), 2);
  return _mm512_inserti32x4(v, load(12), 3);
}

void UnpackPanel(const uint8_t* rows, size_t blocks, uint8_t* panel) {
  const size_t row_bytes = blocks * kQ4BlockBytes;
  const __m512i low = _mm512_set1_epi8(0x0f);
  const __m512i row_offsets =
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                         _mm512_set1_epi32(static_cast<int>(row_bytes)));
  for (size_t b = 0; b < blocks; ++b, rows += kQ4BlockBytes, panel += kPanelBlockBytes) {
    const __m512i r0 = FourRows(rows + 2, row_bytes);              // Rows 0 4 8 12, 4 dwords of each.
    const __m512i r1 = FourRows(rows + 2 + row_bytes, row_bytes);  // Rows 1 5 9 13.
    const __m512i r2 = FourRows(rows + 2 + 2 * row_bytes, row_bytes);
    const __m512i r3 = FourRows(rows + 2 + 3 * row_bytes, row_bytes);
    const __m512i a = _mm512_unpacklo_epi32(r0, r1);
    const __m512i c = _mm512_unpackhi_epi32(r0, r1);
    const __m512i d = _mm512_unpacklo_epi32(r2, r3);
    const __m512i e = _mm512_unpackhi_epi32(r2, r3);
    const __m512i dwords[4] = {_mm512_unpacklo_epi64(a, d), _mm512_unpackhi_epi64(a, d), _mm512_unpacklo_epi64(c, e),
                               _mm512_unpackhi_epi64(c, e)};
    for (size_t i = 0; i < 4; ++i) {
      _mm512_store_si512(panel + 64 * i, _mm512_and_si512(dwords[i], low));
      _mm512_store_si512(panel + 64 * (4 + i), _mm512_and_si512(_mm512_srli_epi32(dwords[i], 4), low));
    }
    const __m512i halves = _mm512_i32gather_epi32(row_offsets, rows, 1);
    _mm512_store_ps(panel + 512, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(halves)));
  }
}

// 16 rows times kTokens activations. 8 tokens keep both vector ports busy and fit the 32 registers.
template <size_t kTokens>
inline void MultiplyTokens(const uint8_t* panel, size_t blocks, const QuantizedRows& activations, size_t token,
                           __m512 bias, float* out, size_t out_stride) {
  __m512 sums[kTokens];
  for (size_t t = 0; t < kTokens; ++t) sums[t] = bias;
  const int8_t* values = activations.values + token * blocks * kQ4BlockValues;
  const float* scales = activations.scales + token * blocks;
  const int32_t* offsets = activations.offsets + token * blocks;
  for (size_t b = 0; b < blocks; ++b, panel += kPanelBlockBytes) {
    __m512i products[kTokens];
    for (size_t t = 0; t < kTokens; ++t) products[t] = _mm512_set1_epi32(offsets[t * blocks + b]);
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; ++k) {
      const __m512i weights = _mm512_load_si512(panel + 64 * k);
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) {
        int32_t four;
        __builtin_memcpy(&four, values + (t * blocks + b) * kQ4BlockValues + 4 * k, 4);
        products[t] = _mm512_dpbusd_epi32(products[t], weights, _mm512_set1_epi32(four));
      }
    }
    const __m512 weight_scales = _mm512_load_ps(panel + 512);
    for (size_t t = 0; t < kTokens; ++t) {
      sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[t]),
                                _mm512_mul_ps(weight_scales, _mm512_set1_ps(scales[t * blocks + b])), sums[t]);
    }
  }
  for (size_t t = 0; t < kTokens; ++t) _mm512_storeu_ps(out + (token + t) * out_stride, sums[t]);
}

void Multiply(const Q4Matrix& weights, const float* bias, const QuantizedRows& activations, size_t tokens,
              size_t row_begin, size_t row_end, float* out, size_t out_stride, uint8_t* scratch) {
  const size_t blocks = weights.columns / kQ4BlockValues;
  for (size_t row = row_begin; row < row_end; row += 16) {
    UnpackPanel(weights.bytes + row * blocks * kQ4BlockBytes, blocks, scratch);
    const __m512 row_bias = _mm512_loadu_ps(bias + row);
    size_t t = 0;
    for (; t + 8 <= tokens; t += 8) MultiplyTokens<8>(scratch, blocks, activations, t, row_bias, out + row, out_stride);
    for (; t + 4 <= tokens; t += 4) MultiplyTokens<4>(scratch, blocks, activations, t, row_bias, out + row, out_stride);
    for (; t < tokens; ++t) MultiplyTokens<1>(scratch, blocks, activations, t, row_bias, out + row, out_stride);
  }
}

}  // namespace

extern const BertKernels kBertKernelsAvx512;
const BertKernels kBertKernelsAvx512 = {"avx512vnni", Quantize, Multiply, AddNorm, Gelu, Attend};

}  // namespace ragtime
