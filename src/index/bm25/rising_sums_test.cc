// SPDX-License-Identifier: Apache-2.0
//
// Goal: rows that were selected come out in order and once each, enough rows have what is said to be reached, and the
// next search starts with nothing. Method: random rows are added for several terms; the oracle is a std::map.
#include "index/bm25/rising_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace ragtime {
namespace {

TEST(RisingSums, SaysWhatEnoughRowsHaveAndGivesThemOut) {
  const auto seed =
      static_cast<uint32_t>(std::getenv("RAGTIME_SEED") != nullptr ? std::atoi(std::getenv("RAGTIME_SEED")) : 20261126);
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  const auto sums = std::make_unique<RisingSums>();
  const auto taken = std::make_unique<Candidates>();
  ASSERT_TRUE(sums->ready());
  bool reached_often = false;
  for (int round = 0; round < 200; ++round) {
    const size_t size = 1 + random() % RisingSums::kRowsMax;
    std::vector<uint64_t> excluded;
    if (random() % 2 == 0) excluded.resize(random() % (size / 64 + 1));
    for (uint64_t& word : excluded) word = uint64_t{random()} << 32 | random();
    const RowBitmap excluded_rows{excluded};
    std::map<uint32_t, double> expected;
    for (size_t terms = random() % 5; terms > 0; --terms) {
      std::map<uint32_t, double> added;  // Ascending rows.
      for (size_t n = random() % (RisingSums::kPostingsMax / 4); n > 0; --n) {
        added[static_cast<uint32_t>(random() % size)] = 0.25 * static_cast<double>(1 + random() % 40);
      }
      std::vector<uint32_t> rows;
      std::vector<double> parts;
      for (const auto& [row, part] : added) {
        rows.push_back(row);
        parts.push_back(part);
        if (!excluded_rows.Contains(row)) expected[row] += part;
      }
      sums->Add(rows.data(), parts.data(), rows.size(), excluded_rows);
    }
    std::vector<double> ordered;
    for (const auto& [row, sum] : expected) ordered.push_back(sum);
    std::sort(ordered.rbegin(), ordered.rend());
    const size_t limit = 1 + random() % RisingSums::kLimitMax;
    if (sums->Reaches(limit, 0)) {
      const double reached = sums->Reached(limit, 0);
      ASSERT_GE(ordered.size(), limit) << "round " << round;
      EXPECT_GT(ordered[limit - 1], reached) << "round " << round;
      // With many rows, those with more than the lanes tell are few.
      reached_often |= limit >= 10 && ordered.size() > 4 * limit && reached > ordered[2 * limit];
    }
    if (random() % 8 == 0) {
      sums->Clear();  // As after an error.
      continue;
    }
    const double least = static_cast<double>(random() % 12);
    std::erase_if(expected, [&](const auto& row) { return row.second <= least; });
    EXPECT_GE(sums->Select(least), expected.size()) << "round " << round;
    sums->TakeSelected(*taken);
    ASSERT_EQ(taken->size, expected.size()) << "round " << round;
    size_t i = 0;
    for (const auto& [row, sum] : expected) {
      ASSERT_EQ(taken->rows[i], row) << "round " << round;
      ASSERT_EQ(taken->sums[i++], sum) << "round " << round;
    }
  }
  EXPECT_TRUE(reached_often);
}

}  // namespace
}  // namespace ragtime
