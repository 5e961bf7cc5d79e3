// SPDX-License-Identifier: Apache-2.0
//
// The product of a Q8_0 matrix with Q8_0 columns for AVX-512 with VNNI, in place of llama.cpp's own, which takes
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
constexpr int64_t kStepBytes = 16 * sizeof(block_q8_0);  // A block of each of 16 rows.

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

// N columns, and 16 rows as they lie in memory: what reads a matrix for a few columns is to wait for memory only.
// `next`: the rows that come after these, to be fetched meanwhile. The same sums as Multiply's, bit for bit.
template <int N>
inline void MultiplyFew(const block_q8_0* a, int64_t stride, int64_t rows, int64_t blocks, const block_q8_0* b,
                        int64_t b_stride, const ColumnBlock* prepared, float* c, int64_t c_stride, const char* next) {
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  const block_q8_0* row[16];
  for (int i = 0; i < 16; ++i) row[i] = a + std::min<int64_t>(i, rows - 1) * stride;
  __m512 sums[N];
  for (int j = 0; j < N; ++j) sums[j] = _mm512_setzero_ps();
  for (int64_t l = 0; l < blocks; ++l) {
    if (next != nullptr) {
      for (int64_t at = l * kStepBytes; at < (l + 1) * kStepBytes; at += 64) _mm_prefetch(next + at, _MM_HINT_T0);
    }
    __m512i both[8];  // Row `low`, and row `low` + 4 in the upper half.
    for (int i = 0; i < 8; ++i) {
      const int low = i < 4 ? i : i + 4;
      const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row[low][l].qs));
      const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row[low + 4][l].qs));
      both[i] = _mm512_xor_si512(_mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1), sign);
    }
    const auto half = [&](int i) { return static_cast<int16_t>(row[i][l].d); };
    const __m512 scales = _mm512_cvtph_ps(_mm256_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5),
                                                            half(6), half(7), half(8), half(9), half(10), half(11),
                                                            half(12), half(13), half(14), half(15)));
    for (int j = 0; j < N; ++j) {
      const auto* bytes = reinterpret_cast<const __m256i*>(b[j * b_stride + l].qs);
      const __m512i column = _mm512_broadcast_i32x8(_mm256_loadu_si256(bytes));
      __m512i fours[2];
      for (int i = 0; i < 2; ++i) {
        __m512i dots[4];
        for (int d = 0; d < 4; ++d) dots[d] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), both[4 * i + d], column);
        const __m512i x =
            _mm512_add_epi32(_mm512_unpacklo_epi32(dots[0], dots[1]), _mm512_unpackhi_epi32(dots[0], dots[1]));
        const __m512i y =
            _mm512_add_epi32(_mm512_unpacklo_epi32(dots[2], dots[3]), _mm512_unpackhi_epi32(dots[2], dots[3]));
        fours[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
      }
      const __m512i all = _mm512_add_epi32(_mm512_shuffle_i32x4(fours[0], fours[1], 0x88),
                                           _mm512_shuffle_i32x4(fours[0], fours[1], 0xDD));
      const ColumnBlock& block = prepared[j * blocks + l];
      const __m512i shifted = _mm512_add_epi32(all, _mm512_set1_epi32(block.offset));
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(block.scale));
      sums[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(shifted), scale, sums[j]);
    }
  }
  const __mmask16 valid = static_cast<__mmask16>(rows >= 16 ? 0xFFFF : (1u << rows) - 1);
  for (int j = 0; j < N; ++j) _mm512_mask_storeu_ps(c + j * c_stride, valid, sums[j]);
}

// C = A^T B of few columns.
inline void FewColumns(int64_t m, int64_t n, int64_t k, const block_q8_0* a, int64_t a_stride, const block_q8_0* b,
                       int64_t b_stride, float* c, int64_t c_stride, int thread, int threads) {
  static thread_local std::vector<ColumnBlock> prepared;
  const int64_t groups = (m + 15) / 16;
  const int64_t first = groups * thread / threads;
  const int64_t last = groups * (thread + 1) / threads;
  if (first == last) return;
  prepared.resize(static_cast<size_t>(n * k));
  for (int64_t j = 0; j < n; ++j) Prepare(b + j * b_stride, k, prepared.data() + j * k);
  for (int64_t group = first; group < last; ++group) {
    const int64_t row = 16 * group;
    const block_q8_0* rows = a + row * a_stride;
    const auto multiply = [&](auto columns, int64_t j) {
      MultiplyFew<decltype(columns)::value>(rows, a_stride, std::min<int64_t>(16, m - row), k, b + j * b_stride,
                                            b_stride, prepared.data() + j * k, c + j * c_stride + row, c_stride,
                                            j == 0 ? reinterpret_cast<const char*>(rows + 16 * a_stride) : nullptr);
    };
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) multiply(std::integral_constant<int, 4>(), j);
    for (; j + 2 <= n; j += 2) multiply(std::integral_constant<int, 2>(), j);
    if (j < n) multiply(std::integral_constant<int, 1>(), j);
  }
}

// C = A^T B as llamafile_sgemm has it: m rows of `a` and n columns of `b`, k blocks each. The rows are shared out among
// `threads`.
inline void GemmQ8(int64_t m, int64_t n, int64_t k, const block_q8_0* a, int64_t a_stride, const block_q8_0* b,
                   int64_t b_stride, float* c, int64_t c_stride, int thread, int threads) {
  if (n < kColumnsMin) return FewColumns(m, n, k, a, a_stride, b, b_stride, c, c_stride, thread, threads);
  static thread_local Panel panel;
  static thread_local std::vector<ColumnBlock> prepared;
  const int64_t strips = (m + kRows - 1) / kRows;
  const int64_t first = strips * thread / threads;
  const int64_t last = strips * (thread + 1) / threads;
  if (first == last) return;
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
}

}  // namespace ragtime_gemm

#define RAGTIME_GEMM_Q8_0
#define RAGTIME_ONE_COLUMN(a_type, b_type) ((a_type) == GGML_TYPE_Q8_0 && (b_type) == GGML_TYPE_Q8_0)
#else
#define RAGTIME_ONE_COLUMN(a_type, b_type) false
#endif

#endif  // RAGTIME_TOOLS_LLAMA_GEMM_Q8_0_H_
