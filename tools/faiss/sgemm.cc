// SPDX-License-Identifier: Apache-2.0
//
// The one function of BLAS that Faiss needs to cluster: C = A' B, in blocks that the registers hold, by as many threads
// as OpenMP has been given. A whole BLAS is 30 MB, and its own threads would come on top of those that were asked for.
//
// Every element of C is summed by one thread in one order, so that the result does not depend on the threads.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

#if defined(__AVX512F__)
typedef float Lanes __attribute__((vector_size(64), aligned(4)));
#else
typedef float Lanes __attribute__((vector_size(32), aligned(4)));
#endif
constexpr size_t kLanes = sizeof(Lanes) / sizeof(float);
constexpr size_t kPanel =
    2 * kLanes;  // Columns of A in one block, and columns of B: 12 sums and what they are made of.
constexpr size_t kColumns = 6;
constexpr size_t kDepth = 384;  // So much of a panel stays in the first cache.

// panel[l][i] = column i of A at l.
void Pack(const float* a, size_t lda, size_t columns, size_t depth, float* panel) {
  for (size_t l = 0; l < depth; ++l) {
    for (size_t i = 0; i < kPanel; ++i) panel[l * kPanel + i] = i < columns ? a[i * lda + l] : 0;
  }
}

template <size_t kCount>
void Multiply(const float* panel, const float* b, size_t ldb, size_t depth, bool first, float* c, size_t ldc,
              size_t columns) {
  Lanes sums[kCount][2] = {};
  for (size_t l = 0; l < depth; ++l) {
    const Lanes low = *reinterpret_cast<const Lanes*>(panel + l * kPanel);
    const Lanes high = *reinterpret_cast<const Lanes*>(panel + l * kPanel + kLanes);
    for (size_t j = 0; j < kCount; ++j) {
      const float value = b[j * ldb + l];
      sums[j][0] += low * value;
      sums[j][1] += high * value;
    }
  }
  for (size_t j = 0; j < kCount; ++j) {
    float values[kPanel];
    std::memcpy(values, sums[j], sizeof(values));
    float* const to = c + j * ldc;
    for (size_t i = 0; i < columns; ++i) to[i] = first ? values[i] : to[i] + values[i];
  }
}

bool Is(const char* word, char letter) { return (word[0] & ~0x20) == letter; }

}  // namespace

extern "C" int sgemm_(const char* transpose_a, const char* transpose_b, const int* m, const int* n, const int* k,
                      const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                      const float* beta, float* c, const int* ldc) {
  if (!Is(transpose_a, 'T') || !Is(transpose_b, 'N') || *alpha != 1 || *beta != 0) {
    std::fputs("Faiss asked for a product of matrices that clustering does not need\n", stderr);
    std::abort();
  }
  const auto rows = static_cast<size_t>(*m);
  const auto columns = static_cast<size_t>(*n);
  const auto depth = static_cast<size_t>(*k);
  const auto stride_a = static_cast<size_t>(*lda);
  const auto stride_b = static_cast<size_t>(*ldb);
  const auto stride_c = static_cast<size_t>(*ldc);
  const auto panels = static_cast<long>((rows + kPanel - 1) / kPanel);
#pragma omp parallel for schedule(dynamic)
  for (long p = 0; p < panels; ++p) {
    const size_t row = static_cast<size_t>(p) * kPanel;
    const size_t height = std::min(kPanel, rows - row);
    std::vector<float> panel(kPanel * std::min(kDepth, depth));
    for (size_t start = 0; start == 0 || start < depth; start += kDepth) {
      const size_t count = std::min(kDepth, depth - start);
      Pack(a + row * stride_a + start, stride_a, height, count, panel.data());
      for (size_t j = 0; j < columns;) {
        const float* const from = b + j * stride_b + start;
        float* const to = c + j * stride_c + row;
        if (columns - j >= kColumns) {
          Multiply<kColumns>(panel.data(), from, stride_b, count, start == 0, to, stride_c, height);
          j += kColumns;
        } else {
          Multiply<1>(panel.data(), from, stride_b, count, start == 0, to, stride_c, height);
          ++j;
        }
      }
    }
  }
  return 0;
}
