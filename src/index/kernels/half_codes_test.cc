// SPDX-License-Identifier: Apache-2.0
//
// Goal: every implementation this CPU can run gives the numbers of the plain one, the plain one is right, and codes are
// about as near to the values as 4 bits can be.
#include "index/kernels/half_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "index/kernels/kernels.h"

namespace ragtime {
namespace {

// As half_codes.h says it.
int CodeAt(const uint8_t* row, size_t dimension) {
  const size_t within = dimension % 128;
  const uint8_t both = row[dimension / 128 * 64 + within % 64];
  return 2 * (within < 64 ? both & 15 : both >> 4) - 15;
}

TEST(HalfCodes, ThePlainOneIsFirst) {
  EXPECT_STREQ(SupportedHalfCodeKernels()[0].name, "scalar");
  EXPECT_EQ(&BestHalfCodeKernels(), &SupportedHalfCodeKernels().back());
  EXPECT_EQ(SupportedHalfCodeKernels().size(), SupportedKernels().size());
}

TEST(HalfCodes, ProductsAreExactAlsoAtTheEndsOfTheRange) {
  std::mt19937 random(1);
  for (const size_t n : {size_t{128}, size_t{256}, size_t{384}, size_t{1536}, kCodesMax}) {
    const size_t count = n == kCodesMax ? 3 : 9;
    // One more in front, so that the data is not aligned.
    std::vector<int8_t> query(n + 1);
    std::vector<uint8_t> rows(1 + n / 2 * count);
    for (int8_t& code : query) code = static_cast<int8_t>(random());
    for (uint8_t& byte : rows) byte = static_cast<uint8_t>(random());
    std::fill(rows.begin() + 1, rows.begin() + 1 + static_cast<std::ptrdiff_t>(n / 2), uint8_t{0xFF});
    if (n == 384 || n == kCodesMax) std::fill(query.begin(), query.end(), int8_t{-128});
    const uint8_t* first = rows.data() + 1;
    std::vector<uint32_t> listed = {0, static_cast<uint32_t>(count - 1), 0};
    for (uint32_t i = 0; i < 20; ++i) listed.push_back(static_cast<uint32_t>(random() % count));
    for (const HalfCodeKernels& kernels : SupportedHalfCodeKernels()) {
      std::vector<int32_t> out(count, -1);
      kernels.dot(query.data() + 1, first, n, count, out.data());
      for (size_t r = 0; r < count; ++r) {
        int64_t expected = 0;
        for (size_t i = 0; i < n; ++i) expected += int64_t{query[i + 1]} * CodeAt(first + r * n / 2, i);
        EXPECT_EQ(out[r], expected) << kernels.name << " " << n << " row " << r;
      }
      for (const size_t some : {size_t{0}, size_t{1}, size_t{7}, listed.size()}) {
        std::vector<int32_t> of_listed(listed.size(), -1);
        kernels.dot_listed(query.data() + 1, first, n, listed.data(), some, of_listed.data());
        for (size_t i = 0; i < listed.size(); ++i) {
          EXPECT_EQ(of_listed[i], i < some ? out[listed[i]] : -1) << kernels.name << " " << n << " place " << i;
        }
      }
    }
  }
}

TEST(HalfCodes, CodesPointWhereTheValuesDo) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const size_t n : {65u, 127u, 128u, 300u, 384u, 1536u}) {
    const size_t padded = (n + 127) / 128 * 128;
    for (const float length : {1e-30f, 1.0f, 1e13f}) {
      std::vector<float> values(n);
      for (float& value : values) value = length * normal(random);
      std::vector<uint8_t> codes(padded / 2, 0xAA);
      std::vector<uint8_t> levels(n);
      const float scale = QuantizeHalfCodes(values, padded, codes.data(), levels);
      double square = 0;
      double product = 0;
      double error = 0;
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(CodeAt(codes.data(), i), 2 * levels[i] - 15);
        const double coded = double{scale} * CodeAt(codes.data(), i);
        square += double{values[i]} * values[i];
        product += coded * values[i];
        error += (values[i] - coded) * (values[i] - coded);
      }
      EXPECT_NEAR(product / square, 1, 1e-5) << n;
      // 4 bits of a normal distribution lose 0.107 of the length.
      EXPECT_LT(std::sqrt(error / square), 0.125) << n;
    }
  }
}

TEST(HalfCodes, WhatHasNoLengthHasNoScale) {
  std::vector<uint8_t> codes(64, 0xAA);
  std::vector<uint8_t> levels(100);
  for (const float value : {0.0f, -0.0f, 1e-42f}) {
    const std::vector<float> values(100, value);
    EXPECT_EQ(QuantizeHalfCodes(values, 128, codes.data(), levels), 0);
    EXPECT_EQ(codes, std::vector<uint8_t>(64, 0));
  }
  // All in one dimension: a bad code, and still one.
  std::vector<float> values(100);
  values[70] = -3;
  EXPECT_GT(QuantizeHalfCodes(values, 128, codes.data(), levels), 0);
  EXPECT_EQ(CodeAt(codes.data(), 70), -15);
}

}  // namespace
}  // namespace ragtime
