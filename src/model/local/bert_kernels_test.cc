// SPDX-License-Identifier: Apache-2.0
//
// Goal: every set of kernels that this processor runs computes what its header says.
// Method: the definitions in double precision, on random values and on the sizes where loops have remainders.
#include "model/local/bert_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace ragtime {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename T>
std::unique_ptr<T[], Free> Aligned(size_t count) {
  return std::unique_ptr<T[], Free>(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64)));
}

class BertKernelsTest : public testing::TestWithParam<const BertKernels*> {
 protected:
  std::vector<float> Floats(size_t count, float size) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    return values;
  }

  const BertKernels& kernels_ = *GetParam();
  std::mt19937 random_{11};
};

TEST_P(BertKernelsTest, MultiplyAgreesWithTheDefinitionWithinRounding) {
  for (const size_t columns : {32, 96, 384}) {
    for (const size_t tokens : {1, 3, 8, 13, 29}) {
      const size_t rows = 48;
      const size_t blocks = columns / kQ4BlockValues;
      std::vector<uint8_t> weights(rows * blocks * kQ4BlockBytes);
      for (auto& byte : weights) byte = static_cast<uint8_t>(random_());
      // Scales of 2^-7 to 2^-4, both signs.
      for (size_t b = 0; b < rows * blocks; ++b) {
        const auto half =
            static_cast<uint16_t>((random_() % 2) << 15 | (8 + random_() % 4) << 10 | (random_() & 0x3ff));
        std::memcpy(weights.data() + b * kQ4BlockBytes, &half, 2);
      }
      const std::vector<float> x = Floats(tokens * columns, 2.0f);
      const std::vector<float> bias = Floats(rows, 1.0f);
      std::vector<int8_t> values(x.size());
      std::vector<float> scales(x.size() / kQ4BlockValues);
      std::vector<int32_t> offsets(scales.size());
      for (size_t t = 0; t < tokens; ++t) {
        kernels_.quantize(x.data() + t * columns, columns,
                          {values.data() + t * columns, scales.data() + t * blocks, offsets.data() + t * blocks});
      }
      const size_t stride = rows + 5;
      std::vector<float> out(tokens * stride, -99.0f);
      const auto scratch = Aligned<uint8_t>(PanelBytes(columns));
      kernels_.multiply({weights.data(), rows, columns}, bias.data(), {values.data(), scales.data(), offsets.data()},
                        tokens, 16, rows, out.data(), stride, scratch.get());
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t r = 0; r < 16; ++r) ASSERT_EQ(out[t * stride + r], -99.0f);  // Not asked for.
        for (size_t r = 16; r < rows; ++r) {
          double exact = bias[r];
          double rounded = bias[r];
          double size = 0;
          for (size_t c = 0; c < columns; ++c) {
            const uint8_t* block = weights.data() + (r * blocks + c / 32) * kQ4BlockBytes;
            uint16_t half;
            std::memcpy(&half, block, 2);
            const size_t j = c % 32;
            const int nibble = j < 16 ? block[2 + j] & 15 : block[2 + j - 16] >> 4;
            const double weight = static_cast<double>(HalfToFloat(half)) * (nibble - 8);
            exact += weight * static_cast<double>(x[t * columns + c]);
            rounded += weight * static_cast<double>(scales[t * blocks + c / 32]) * values[t * columns + c];
            size += std::fabs(weight * static_cast<double>(x[t * columns + c]));
          }
          ASSERT_NEAR(out[t * stride + r], rounded, 1e-5 * (1 + size))
              << columns << " " << tokens << " " << t << " " << r;
          ASSERT_NEAR(out[t * stride + r], exact, 0.02 * (1 + size));
        }
      }
    }
  }
}

TEST_P(BertKernelsTest, QuantizeKeepsEveryValueWithinHalfAStep) {
  std::vector<float> x = Floats(96, 3.0f);
  for (size_t i = 32; i < 64; ++i) x[i] = 0.0f;
  std::vector<int8_t> values(96);
  float scales[3];
  int32_t offsets[3];
  kernels_.quantize(x.data(), 96, {values.data(), scales, offsets});
  for (size_t b = 0; b < 3; ++b) {
    int sum = 0;
    for (size_t i = b * 32; i < b * 32 + 32; ++i) {
      EXPECT_NEAR(scales[b] * static_cast<float>(values[i]), x[i], scales[b] * 0.5001f);
      sum += values[i];
    }
    EXPECT_EQ(offsets[b], -8 * sum);
  }
  EXPECT_EQ(scales[1], 0.0f);
}

TEST_P(BertKernelsTest, AddNormAndGeluAgreeWithTheDefinitions) {
  const size_t n = 384;
  const std::vector<float> x = Floats(n, 2.0f);
  const std::vector<float> y = Floats(n, 1.0f);
  const std::vector<float> weight = Floats(n, 1.0f);
  const std::vector<float> bias = Floats(n, 1.0f);
  for (const bool with_y : {false, true}) {
    std::vector<float> out = x;
    kernels_.add_norm(out.data(), with_y ? y.data() : nullptr, weight.data(), bias.data(), n, 1e-5f);
    double mean = 0;
    double squares = 0;
    const auto value = [&](size_t i) { return static_cast<double>(x[i]) + (with_y ? static_cast<double>(y[i]) : 0.0); };
    for (size_t i = 0; i < n; ++i) mean += value(i) / n;
    for (size_t i = 0; i < n; ++i) squares += (value(i) - mean) * (value(i) - mean) / n;
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(out[i], (value(i) - mean) / std::sqrt(squares + 1e-5) * weight[i] + bias[i], 1e-4);
    }
  }
  std::vector<float> out = Floats(512, 4.0f);
  out[0] = 0.0f;
  out[1] = 60.0f;
  out[2] = -60.0f;
  const std::vector<float> in = out;
  kernels_.gelu(out.data(), out.size());
  for (size_t i = 0; i < in.size(); ++i) {
    EXPECT_NEAR(out[i], 0.5 * in[i] * (1 + std::erf(static_cast<double>(in[i]) / std::sqrt(2.0))),
                2e-6 * (1 + std::fabs(in[i])))
        << in[i];
  }
}

TEST_P(BertKernelsTest, AttendAgreesWithTheDefinition) {
  for (const size_t head_size : {32, 64}) {
    for (const size_t tokens : {1, 2, 5, 31, 32, 33, 70}) {
      const size_t stride = head_size + 16;
      const std::vector<float> query = Floats(tokens * stride, 2.0f);
      const std::vector<float> key = Floats(tokens * stride, 2.0f);
      const std::vector<float> value = Floats(tokens * stride, 1.0f);
      std::vector<float> out(tokens * stride, -99.0f);
      const auto scratch = Aligned<float>(AttentionFloats(tokens, head_size));
      kernels_.attend({query.data(), key.data(), value.data(), out.data(), stride, tokens, head_size}, scratch.get());
      for (size_t q = 0; q < tokens; ++q) {
        std::vector<double> weights(tokens);
        double sum = 0;
        for (size_t k = 0; k < tokens; ++k) {
          double score = 0;
          for (size_t d = 0; d < head_size; ++d)
            score += static_cast<double>(query[q * stride + d]) * key[k * stride + d];
          weights[k] = std::exp(score / std::sqrt(static_cast<double>(head_size)));
          sum += weights[k];
        }
        for (size_t d = 0; d < head_size; ++d) {
          double expected = 0;
          for (size_t k = 0; k < tokens; ++k) expected += weights[k] / sum * static_cast<double>(value[k * stride + d]);
          ASSERT_NEAR(out[q * stride + d], expected, 2e-5) << head_size << " " << tokens << " " << q;
        }
        for (size_t d = head_size; d < stride; ++d) ASSERT_EQ(out[q * stride + d], -99.0f);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, BertKernelsTest, testing::ValuesIn(SupportedBertKernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace ragtime
