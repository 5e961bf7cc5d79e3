// SPDX-License-Identifier: Apache-2.0
//
// Goal: every implementation this CPU can run gives the bits of the plain one, and the plain one is right.
#include "index/kernels/fast_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <vector>

namespace ragtime {
namespace {

TEST(FastScan, ThePlainOneIsFirst) {
  EXPECT_STREQ(SupportedFastScans()[0].name, "scalar");
  EXPECT_EQ(&BestFastScan(), &SupportedFastScans().back());
#if defined(__aarch64__)
  EXPECT_STREQ(BestFastScan().name, "neon");
#endif
}

TEST(FastScan, EveryImplementationGivesTheSameScores) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t groups : {4u, 8u, 24u, 96u, 100u, 256u}) {
    // One more in front, so that the data is not aligned.
    std::vector<uint8_t> tables(1 + groups * kScanTable);
    std::vector<uint8_t> codes(1 + groups * kScanTable);
    for (uint8_t& byte : tables) byte = static_cast<uint8_t>(random());
    for (uint8_t& byte : codes) byte = static_cast<uint8_t>(random());
    ScanFactors factors;
    std::vector<float> adds(kScanRows);
    std::vector<float> scales(kScanRows);
    for (size_t i = 0; i < kScanRows; ++i) {
      factors.add[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(normal(random)) >> 16);
      factors.scale[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(normal(random)) >> 16);
      adds[i] = std::bit_cast<float>(uint32_t{factors.add[i]} << 16);
      scales[i] = std::bit_cast<float>(uint32_t{factors.scale[i]} << 16);
    }
    const FastScanQuery query{tables.data() + 1, groups, 0.003f, -2.5f};
    float plain[kScanRows];
    const uint32_t above = SupportedFastScans()[0].score(query, codes.data() + 1, factors, 0.25f, 0.5f, plain);
    for (size_t i = 0; i < kScanRows; ++i) {
      uint32_t sum = 0;
      for (size_t g = 0; g < groups; ++g) {
        const uint8_t byte = codes[1 + g * kScanTable + i % 16];
        sum += tables[1 + g * kScanTable + (i < 16 ? byte & 15 : byte >> 4)];
      }
      ASSERT_LT(sum, 65536u);
      const double score = 0.25 + adds[i] + scales[i] * (-2.5 + 0.003 * sum);
      EXPECT_NEAR(plain[i], score, 1e-3);
      EXPECT_EQ((above >> i & 1) != 0, plain[i] > 0.5f);
    }
    for (const FastScan& scan : SupportedFastScans()) {
      float scores[kScanRows];
      EXPECT_EQ(scan.score(query, codes.data() + 1, factors, 0.25f, 0.5f, scores), above) << scan.name;
      for (size_t i = 0; i < kScanRows; ++i) {
        EXPECT_EQ(std::bit_cast<uint32_t>(scores[i]), std::bit_cast<uint32_t>(plain[i])) << scan.name << " " << i;
      }
    }
  }
}

TEST(FastScan, EveryImplementationMakesTheSameTables) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const size_t groups : {1u, 4u, 96u}) {
    std::vector<float> values(1 + 4 * groups);
    for (float& value : values) value = normal(random);
    float largest = 0;
    for (size_t g = 0; g < groups; ++g) largest = std::max(largest, ReachOf(&values[1 + 4 * g]));
    const float inverse = 200 / (2 * largest);
    std::vector<uint8_t> plain(1 + groups * kScanTable);
    SupportedFastScans()[0].tables(values.data() + 1, groups, inverse, 200, plain.data() + 1);
    for (size_t g = 0; g < groups; ++g) {
      const float* four = &values[1 + 4 * g];
      for (size_t i = 0; i < kScanTable; ++i) {
        float sum = ReachOf(four);
        for (size_t bit = 0; bit < 4; ++bit) sum += (i >> bit & 1) != 0 ? four[bit] : -four[bit];
        EXPECT_NEAR(plain[1 + g * kScanTable + i], sum * inverse, 0.51);
      }
    }
    for (const FastScan& scan : SupportedFastScans()) {
      std::vector<uint8_t> tables(1 + groups * kScanTable);
      scan.tables(values.data() + 1, groups, inverse, 200, tables.data() + 1);
      EXPECT_EQ(tables, plain) << scan.name;
      // Sums above what fits stay at the largest step.
      scan.tables(values.data() + 1, groups, 1000, 200, tables.data() + 1);
      EXPECT_EQ(*std::max_element(tables.begin() + 1, tables.end()), 200) << scan.name;
    }
  }
}

}  // namespace
}  // namespace ragtime
