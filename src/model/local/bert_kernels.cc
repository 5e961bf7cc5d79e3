// SPDX-License-Identifier: Apache-2.0
#include "model/local/bert_kernels.h"

#define RAGTIME_LANES 4
#include "model/local/bert_kernels_vector.h"

namespace ragtime {

#if defined(__x86_64__)
extern const BertKernels kBertKernelsAvx512;
extern const BertKernels kBertKernelsAvx2;
#endif

namespace {

// Runs on any processor: one row is unpacked to 8 bits, then met with every token.
void Multiply(const Q4Matrix& weights, const float* bias, const QuantizedRows& activations, size_t tokens,
              size_t row_begin, size_t row_end, float* out, size_t out_stride, uint8_t* scratch) {
  const size_t blocks = weights.columns / kQ4BlockValues;
  int8_t* unpacked = reinterpret_cast<int8_t*>(scratch);
  float* row_scales = reinterpret_cast<float*>(scratch + weights.columns);
  for (size_t row = row_begin; row < row_end; ++row) {
    const uint8_t* packed = weights.bytes + row * blocks * kQ4BlockBytes;
    for (size_t b = 0; b < blocks; ++b, packed += kQ4BlockBytes) {
      uint16_t half;
      std::memcpy(&half, packed, 2);
      row_scales[b] = HalfToFloat(half);
      for (size_t j = 0; j < 16; ++j) {
        unpacked[b * kQ4BlockValues + j] = static_cast<int8_t>((packed[2 + j] & 15) - 8);
        unpacked[b * kQ4BlockValues + 16 + j] = static_cast<int8_t>((packed[2 + j] >> 4) - 8);
      }
    }
    for (size_t t = 0; t < tokens; ++t) {
      const int8_t* values = activations.values + t * weights.columns;
      float sum = bias[row];
      for (size_t b = 0; b < blocks; ++b) {
        int32_t product = 0;
        for (size_t j = b * kQ4BlockValues; j < (b + 1) * kQ4BlockValues; ++j) product += unpacked[j] * values[j];
        sum += row_scales[b] * activations.scales[t * blocks + b] * static_cast<float>(product);
      }
      out[t * out_stride + row] = sum;
    }
  }
}

constexpr BertKernels kPortable = {"portable", Quantize, Multiply, AddNorm, Gelu, Attend};

}  // namespace

std::vector<const BertKernels*> SupportedBertKernels() {
  std::vector<const BertKernels*> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    kernels.push_back(&kBertKernelsAvx512);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    kernels.push_back(&kBertKernelsAvx2);
  }
#endif
  kernels.push_back(&kPortable);
  return kernels;
}

}  // namespace ragtime
