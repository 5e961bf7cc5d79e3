// SPDX-License-Identifier: Apache-2.0
//
// Goal: a window gives out exactly the rows with enough, in order and once each, however many were added to, and the
// next window starts with nothing. Method: random rows are added for several terms; the oracle is a std::map.
#include "index/bm25/window_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace ragtime {
namespace {

TEST(WindowSums, GivesOutTheRowsWithEnoughInOrder) {
  const auto seed =
      static_cast<uint32_t>(std::getenv("RAGTIME_SEED") != nullptr ? std::atoi(std::getenv("RAGTIME_SEED")) : 20261126);
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  const auto sums = std::make_unique<WindowSums>();
  const auto taken = std::make_unique<Candidates>();
  size_t most_taken = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t size = 1 + random() % kWindowRowsMax;
    const uint64_t start = random() % 2 == 0 ? random() : (uint64_t{1} << 32) - size;
    const uint64_t end = std::min(start + size, uint64_t{1} << 32);
    const double first_least = static_cast<double>(random() % 4);
    const double least = first_least + static_cast<double>(random() % 3);
    // From a handful of rows to all of them.
    const uint32_t one_of = uint32_t{1} << random() % 12;
    sums->Start(start, size, first_least);
    std::map<uint32_t, double> expected;
    for (size_t terms = random() % 6; terms > 0; --terms) {
      std::vector<uint32_t> rows;
      std::vector<double> parts;
      for (uint64_t row = start; row < end; ++row) {
        if (random() % one_of != 0) continue;
        rows.push_back(static_cast<uint32_t>(row));
        parts.push_back(static_cast<double>(1 + random() % 3));
        expected[rows.back()] += parts.back();
      }
      sums->Add(rows.data(), parts.data(), rows.size());
    }
    if (random() % 8 == 0) {
      sums->Clear();  // As after an error.
      continue;
    }
    std::erase_if(expected, [&](const auto& row) { return row.second <= least; });
    EXPECT_EQ(sums->HasAbove(least, 0), !expected.empty()) << "round " << round;
    EXPECT_TRUE(expected.empty() || sums->HasAbove(least, expected.size() - 1)) << "round " << round;
    sums->TakeAbove(least, *taken);
    ASSERT_EQ(taken->size, expected.size()) << "round " << round;
    size_t i = 0;
    for (const auto& [row, sum] : expected) {
      ASSERT_EQ(taken->rows[i], row) << "round " << round;
      ASSERT_EQ(taken->sums[i++], sum) << "round " << round;
    }
    most_taken = std::max(most_taken, taken->size);
  }
  EXPECT_GT(most_taken, kWindowRowsMax / 2);
}

}  // namespace
}  // namespace ragtime
