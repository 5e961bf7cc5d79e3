// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#define RAGTIME_LANES 8
#include "model/local/bert_kernels_vector.h"

namespace ragtime {
namespace {

// A half panel is 8 rows turned so that each lane of a register is one row. Per block: 8 registers of 8 x 4 values, in
// the order of the activations, then the 8 scales.
constexpr size_t kPanelBlockBytes = 8 * 32 + 8 * 4;

inline __m256i TwoRows(const uint8_t* row, size_t row_bytes) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 4 * row_bytes)), 1);
}

void UnpackPanel(const uint8_t* rows, size_t blocks, uint8_t* panel) {
  const size_t row_bytes = blocks * kQ4BlockBytes;
  const __m256i low = _mm256_set1_epi8(0x0f);
  for (size_t b = 0; b < blocks; ++b, rows += kQ4BlockBytes, panel += kPanelBlockBytes) {
    const __m256i r0 = TwoRows(rows + 2, row_bytes);
    const __m256i r1 = TwoRows(rows + 2 + row_bytes, row_bytes);
    const __m256i r2 = TwoRows(rows + 2 + 2 * row_bytes, row_bytes);
    const __m256i r3 = TwoRows(rows + 2 + 3 * row_bytes, row_bytes);
    const __m256i a = _mm256_unpacklo_epi32(r0, r1);
    const __m256i c = _mm256_unpackhi_epi32(r0, r1);
    const __m256i d = _mm256_unpacklo_epi32(r2, r3);
    const __m256i e = _mm256_unpackhi_epi32(r2, r3);
    const __m256i dwords[4] = {_mm256_unpacklo_epi64(a, d), _mm256_unpackhi_epi64(a, d), _mm256_unpacklo_epi64(c, e),
                               _mm256_unpackhi_epi64(c, e)};
    for (size_t i = 0; i < 4; ++i) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(panel + 32 * i), _mm256_and_si256(dwords[i], low));
      _mm256_store_si256(reinterpret_cast<__m256i*>(panel + 32 * (4 + i)),
                         _mm256_and_si256(_mm256_srli_epi32(dwords[i], 4), low));
    }
    alignas(16) uint16_t halves[8];
    for (size_t r = 0; r < 8; ++r) __builtin_memcpy(halves + r, rows + r * row_bytes, 2);
    _mm256_store_ps(reinterpret_cast<float*>(panel + 256),
                    _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(halves))));
  }
}

// A block's 8 steps are summed in 16 bits: 8 * 2 * 15 * 127 = 30480 fits.
template <size_t kTokens>
inline void MultiplyTokens(const uint8_t* panel, size_t blocks, const QuantizedRows& activations, size_t token,
                           __m256 bias, float* out, size_t out_stride) {
  __m256 sums[kTokens];
  for (size_t t = 0; t < kTokens; ++t) sums[t] = bias;
  const int8_t* values = activations.values + token * blocks * kQ4BlockValues;
  const float* scales = activations.scales + token * blocks;
  const int32_t* offsets = activations.offsets + token * blocks;
  const __m256i ones = _mm256_set1_epi16(1);
  for (size_t b = 0; b < blocks; ++b, panel += kPanelBlockBytes) {
    __m256i products[kTokens];
    for (size_t t = 0; t < kTokens; ++t) products[t] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; ++k) {
      const __m256i weights = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 32 * k));
#pragma GCC unroll 4
      for (size_t t = 0; t < kTokens; ++t) {
        int32_t four;
        __builtin_memcpy(&four, values + (t * blocks + b) * kQ4BlockValues + 4 * k, 4);
        products[t] = _mm256_add_epi16(products[t], _mm256_maddubs_epi16(weights, _mm256_set1_epi32(four)));
      }
    }
    const __m256 weight_scales = _mm256_load_ps(reinterpret_cast<const float*>(panel + 256));
    for (size_t t = 0; t < kTokens; ++t) {
      const __m256i exact =
          _mm256_add_epi32(_mm256_madd_epi16(products[t], ones), _mm256_set1_epi32(offsets[t * blocks + b]));
      sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact),
                                _mm256_mul_ps(weight_scales, _mm256_set1_ps(scales[t * blocks + b])), sums[t]);
    }
  }
  for (size_t t = 0; t < kTokens; ++t) _mm256_storeu_ps(out + (token + t) * out_stride, sums[t]);
}

void Multiply(const Q4Matrix& weights, const float* bias, const QuantizedRows& activations, size_t tokens,
              size_t row_begin, size_t row_end, float* out, size_t out_stride, uint8_t* scratch) {
  const size_t blocks = weights.columns / kQ4BlockValues;
  for (size_t row = row_begin; row < row_end; row += 8) {
    UnpackPanel(weights.bytes + row * blocks * kQ4BlockBytes, blocks, scratch);
    const __m256 row_bias = _mm256_loadu_ps(bias + row);
    size_t t = 0;
    for (; t + 4 <= tokens; t += 4) MultiplyTokens<4>(scratch, blocks, activations, t, row_bias, out + row, out_stride);
    for (; t < tokens; ++t) MultiplyTokens<1>(scratch, blocks, activations, t, row_bias, out + row, out_stride);
  }
}

}  // namespace

extern const BertKernels kBertKernelsAvx2;
const BertKernels kBertKernelsAvx2 = {"avx2", Quantize, Multiply, AddNorm, Gelu, Attend};

}  // namespace ragtime
