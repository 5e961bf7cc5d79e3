// SPDX-License-Identifier: Apache-2.0
//
// BertKernels are the inner loops of a BERT encoder over 4-bit weights, one set for each kind of processor.
//
// A weight matrix stays as GGUF's Q4_0 stores it (model/q4_block.h).
// Activations are rounded to 8 bits per block of 32, so that products are exact in integers within a block.
//
// Threads: the functions keep no state. Sizes are checked by the caller: columns are a multiple of 32, rows of 16.
#ifndef RAGTIME_MODEL_LOCAL_BERT_KERNELS_H_
#define RAGTIME_MODEL_LOCAL_BERT_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/q4_block.h"

namespace ragtime {

// Rows of a matrix are handed out to threads in panels of so many.
inline constexpr size_t kPanelRows = 16;

struct Q4Matrix {
  const uint8_t* bytes = nullptr;
  size_t rows = 0;
  size_t columns = 0;
};

// Activations rounded to 8 bits: value = scales[row][block] * values[row][column].
struct QuantizedRows {
  int8_t* values = nullptr;
  float* scales = nullptr;
  int32_t* offsets = nullptr;  // -8 * the sum of a block's values: what the weights' offset of 8 contributes.
};

// One head of one sequence: L rows of `head_size` floats, each `stride` floats after the one before.
struct AttentionHead {
  const float* query = nullptr;
  const float* key = nullptr;
  const float* value = nullptr;
  float* out = nullptr;
  size_t stride = 0;
  size_t tokens = 0;
  size_t head_size = 0;  // A multiple of 32.
};

struct BertKernels {
  std::string_view name;
  // Rounds one row of `columns` floats into `row` (pointers of that row).
  void (*quantize)(const float* x, size_t columns, QuantizedRows row);
  // out[t * out_stride + r] = bias[r] + <weights row r, activation row t> for r in [row_begin, row_end), multiples of
  // kPanelRows. `scratch` holds PanelBytes(columns) bytes, aligned to 64.
  void (*multiply)(const Q4Matrix& weights, const float* bias, const QuantizedRows& activations, size_t tokens,
                   size_t row_begin, size_t row_end, float* out, size_t out_stride, uint8_t* scratch);
  // x = normalised (x + y) * weight + bias, one row; y may be null.
  void (*add_norm)(float* x, const float* y, const float* weight, const float* bias, size_t columns, float epsilon);
  // x = x * (1 + erf(x / sqrt(2))) / 2 for `columns` values, a multiple of 16.
  void (*gelu)(float* x, size_t columns);
  // out = softmax(query * key / sqrt(head_size)) * value. `scratch` holds AttentionFloats(tokens, head_size) floats,
  // aligned to 64.
  void (*attend)(const AttentionHead& head, float* scratch);
};

inline size_t PanelBytes(size_t columns) { return columns / kQ4BlockValues * (kPanelRows * (kQ4BlockValues + 4)); }
inline size_t AttentionFloats(size_t tokens, size_t head_size) { return (head_size + 4) * ((tokens + 31) / 32 * 32); }

// The sets that this processor can run, fastest first; the last runs anywhere.
std::vector<const BertKernels*> SupportedBertKernels();

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LOCAL_BERT_KERNELS_H_
