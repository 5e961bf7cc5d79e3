// SPDX-License-Identifier: Apache-2.0
//
// Goal: a set of deleted rows is read back as it was written, and damaged bytes are refused.
#include "store/deletions.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace ragtime {
namespace {

TEST(Deletions, AgreeWithASetAndSurviveSerializing) {
  std::mt19937_64 random(7);
  for (const uint32_t rows : {1u, 63u, 64u, 65u, 5000u, 200000u}) {
    Deletions deletions(rows);
    std::set<uint32_t> model;
    for (uint32_t i = 0; i < rows / 3 + 1; ++i) {
      const auto row = static_cast<uint32_t>(random() % rows);
      EXPECT_EQ(deletions.Add(row), model.insert(row).second);
    }
    const auto bytes = deletions.Serialize();
    ASSERT_TRUE(bytes.ok());
    const auto parsed = Deletions::Parse(*bytes, rows);
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    EXPECT_EQ(parsed->count(), model.size());
    for (uint32_t row = 0; row < rows; ++row) ASSERT_EQ(parsed->Contains(row), model.contains(row));
    EXPECT_FALSE(parsed->Contains(rows + 1000));
  }
}

TEST(Deletions, DamagedBytesAreRefused) {
  Deletions deletions(1000);
  for (uint32_t row = 0; row < 1000; row += 3) deletions.Add(row);
  const std::vector<std::byte> good = *deletions.Serialize();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(Deletions::Parse(std::span(good).first(size), 1000).status().code(), StatusCode::kDataLoss);
  }
  for (size_t i = 0; i < good.size() * 8; ++i) {
    std::vector<std::byte> bad = good;
    bad[i / 8] ^= std::byte{1} << (i % 8);
    EXPECT_EQ(Deletions::Parse(bad, 1000).status().code(), StatusCode::kDataLoss);
  }
  EXPECT_EQ(Deletions::Parse(good, 999).status().code(), StatusCode::kDataLoss) << "row 999 is not in the segment";
}

}  // namespace
}  // namespace ragtime
