// SPDX-License-Identifier: Apache-2.0
//
// The product of a Q8_0 matrix with many Q8_0 columns for AVX-512 with VNNI, in place of llama.cpp's own, which takes
// 32 bytes of one row at a time. Compiled as a part of ggml (tools/compile_llama.sh), where block_q8_0 is known.
//
// 32 rows of the matrix are packed so that one register holds four bytes of 16 rows. A block of 32 bytes then needs 16
// multiplications of registers for one column, and is scaled once for all 16 rows. Each element is added up block by
// block in the order of the row, whatever the number of columns: how a prompt is cut does not change a bit.
#ifndef RAGTIME_TOOLS_LLAMA_GEMM_Q8_0_H_
#define RAGTIME_TOOLS_LLAMA_GEMM_Q8_0_H_

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512VNNI__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace ragtime_gemm {

constexpr int kRows = 32;
constexpr int kColumns = 6;          // At once: 12 sums of integers and 12 of floats, of 32 registers.
constexpr int64_t kBlocksMax = 48;   // Of a row, packed at once: 48 KiB, and the columns' stay in the second cache.
constexpr int64_t kColumnsMin = 32;  // Fewer do not pay for the packing.

struct Panel {
  // Bytes + 128, and the blocks' scales.
  alignas(64) uint8_t bytes[kBlocksMax][8][kRows][4];
  alignas(64) float scales[kBlocksMax][kRows];
};

// Eight rows of a block, 32 bytes each, become eight registers with four bytes of each row.
inline void Transpose8(__m256i rows[8]) {
  __m256i pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  __m256i fours[8];
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
  }
}

// Rows behind `rows` repeat the last one; they are not stored.
inline void Pack(const block_q8_0* a, int64_t stride, int64_t rows, int64_t blocks, Panel& panel) {
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
  for (int64_t l = 0; l < blocks; ++l) {
    alignas(64) uint16_t halves[kRows];
    for (int group = 0; group < kRows; group += 8) {
      __m256i block[8];
      for (int i = 0; i < 8; ++i) {
        const block_q8_0& from = a[std::min<int64_t>(group + i, rows - 1) * stride + l];
        block[i] = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from.qs)), sign);
        std::memcpy(&halves[group + i], &from.d, sizeof(uint16_t));
      }
      Transpose8(block);
      for (int q = 0; q < 8; ++q) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(panel.bytes[l][q][group]), block[q]);
      }
    }
    for (int half = 0; half < kRows; half += 16) {
      const __m256i d = _mm256_load_si256(reinterpret_cast<const __m256i*>(&halves[half]));
      _mm512_store_ps(&panel.scales[l][half], _mm512_cvtph_ps(d));
    }
  }
}

// What is the same for all rows of a block of a column: what the 128 that was added to the bytes comes to, and the
// scale.
struct ColumnBlock {
  int32_t offset;
  float scale;
};

inline void Prepare(const block_q8_0* b, int64_t blocks, ColumnBlock* out) {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int64_t l = 0; l < blocks; ++l) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b[l].qs));
    const __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), ones, bytes);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
    uint16_t half;
    std::memcpy(&half, &b[l].d, sizeof(half));
    out[l] = {-128 * _mm_cvtsi128_si32(sum), _cvtsh_ss(half)};
  }
}

// C[column][row] of the panel's rows and N columns; `adds`: to what is there already.
template <int N>
inline void Multiply(const Panel& panel, int64_t rows, int64_t blocks, const block_q8_0* b, int64_t b_stride,
                     const ColumnBlock* prepared, int64_t prepared_stride, float* c, int64_t c_stride, bool adds) {
  const __mmask16 low = static_cast<__mmask16>(rows >= 16 ? 0xFFFF : (1u << rows) - 1);
  const __mmask16 high = static_cast<__mmask16>(rows >= 32 ? 0xFFFF : rows > 16 ? (1u << (rows - 16)) - 1 : 0);
  __m512 sums[N][2];
  for (int j = 0; j < N; ++j) {
    sums[j][0] = adds ? _mm512_maskz_loadu_ps(low, c + j * c_stride) : _mm512_setzero_ps();
    sums[j][1] = adds ? _mm512_maskz_loadu_ps(high, c + j * c_stride + 16) : _mm512_setzero_ps();
  }
  for (int64_t l = 0; l < blocks; ++l) {
    __m512i dots[N][2];
    for (int j = 0; j < N; ++j) {
      dots[j][0] = dots[j][1] = _mm512_set1_epi32(prepared[j * prepared_stride + l].offset);
    }
    for (int q = 0; q < 8; ++q) {
      const __m512i a0 = _mm512_load_si512(panel.bytes[l][q][0]);
      const __m512i a1 = _mm512_load_si512(panel.bytes[l][q][16]);
      for (int j = 0; j < N; ++j) {
        int32_t four;
        std::memcpy(&four, b[j * b_stride + l].qs + 4 * q, sizeof(four));
        const __m512i column = _mm512_set1_epi32(four);
        dots[j][0] = _mm512_dpbusd_epi32(dots[j][0], a0, column);
        dots[j][1] = _mm512_dpbusd_epi32(dots[j][1], a1, column);
      }
    }
    const __m512 scale0 = _mm512_load_ps(&panel.scales[l][0]);
    const __m512 scale1 = _mm512_load_ps(&panel.scales[l][16]);
    for (int j = 0; j < N; ++j) {
      const __m512 scale = _mm512_set1_ps(prepared[j * prepared_stride + l].scale);
      sums[j][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j][0]), _mm512_mul_ps(scale0, scale), sums[j][0]);
      sums[j][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j][1]), _mm512_mul_ps(scale1, scale), sums[j][1]);
    }
  }
  for (int j = 0; j < N; ++j) {
    _mm512_mask_storeu_ps(c + j * c_stride, low, sums[j][0]);
    _mm512_mask_storeu_ps(c + j * c_stride + 16, high, sums[j][1]);
  }
}

// C = A^T B as llamafile_sgemm has it: m rows of `a` and n columns of `b`, k blocks each. The rows are shared out among
// `threads`. False: not here.
inline bool GemmQ8(int64_t m, int64_t n, int64_t k, const block_q8_0* a, int64_t a_stride, const block_q8_0* b,
                   int64_t b_stride, float* c, int64_t c_stride, int thread, int threads) {
  if (n < kColumnsMin) return false;
  static thread_local Panel panel;
  static thread_local std::vector<ColumnBlock> prepared;
  const int64_t strips = (m + kRows - 1) / kRows;
  const int64_t first = strips * thread / threads;
  const int64_t last = strips * (thread + 1) / threads;
  if (first == last) return true;
  for (int64_t start = 0; start < k; start += kBlocksMax) {
    const int64_t blocks = std::min(kBlocksMax, k - start);
    prepared.resize(static_cast<size_t>(n * blocks));
    for (int64_t j = 0; j < n; ++j) Prepare(b + j * b_stride + start, blocks, prepared.data() + j * blocks);
    for (int64_t strip = first; strip < last; ++strip) {
      const int64_t row = strip * kRows;
      const int64_t rows = std::min<int64_t>(kRows, m - row);
      Pack(a + row * a_stride + start, a_stride, rows, blocks, panel);
      const auto multiply = [&](auto columns, int64_t j) {
        Multiply<decltype(columns)::value>(panel, rows, blocks, b + j * b_stride + start, b_stride,
                                           prepared.data() + j * blocks, blocks, c + j * c_stride + row, c_stride,
                                           start > 0);
      };
      int64_t j = 0;
      for (; j + kColumns <= n; j += kColumns) multiply(std::integral_constant<int, kColumns>(), j);
      for (; j + 2 <= n; j += 2) multiply(std::integral_constant<int, 2>(), j);
      if (j < n) multiply(std::integral_constant<int, 1>(), j);
    }
  }
  return true;
}

}  // namespace ragtime_gemm

#define RAGTIME_GEMM_Q8_0
#endif

#endif  // RAGTIME_TOOLS_LLAMA_GEMM_Q8_0_H_
