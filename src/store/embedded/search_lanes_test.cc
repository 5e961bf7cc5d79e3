// SPDX-License-Identifier: Apache-2.0
//
// Goal: each segment is searched by one lane, lanes are alike in load, and small segments take no thread. Method: lists
// of rows by hand, and runs from several threads at once.
#include "store/embedded/search_lanes.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace ragtime {
namespace {

using Lanes = std::vector<std::vector<size_t>>;

TEST(SearchLanes, TheLargestFirstEachWhereLeastIs) {
  const SearchLanes lanes(2);
  EXPECT_EQ(lanes.Of(std::vector<uint64_t>{300000, 100000, 250000, 40000, 500}), (Lanes{{0, 3, 4}, {1, 2}}));
  EXPECT_EQ(lanes.Of(std::vector<uint64_t>{100000}), (Lanes{{0}}));
  EXPECT_EQ(lanes.Of(std::vector<uint64_t>{}), Lanes{});
}

TEST(SearchLanes, SmallSegmentsTakeNoThread) {
  const SearchLanes lanes(4);
  EXPECT_EQ(lanes.Of(std::vector<uint64_t>{100, 8191, 5}), (Lanes{{0, 1, 2}}));
  EXPECT_EQ(lanes.Of(std::vector<uint64_t>{100, 8192, 100000}), (Lanes{{2}, {0, 1}}));
}

TEST(SearchLanes, OneThreadIsOneLane) {
  EXPECT_EQ(SearchLanes(1).Of(std::vector<uint64_t>{100000, 200000}), (Lanes{{0, 1}}));
  EXPECT_GE(SearchLanes(0).threads(), 1u);
  EXPECT_LE(SearchLanes(0).threads(), 8u);
}

TEST(SearchLanes, EachLaneRunsOnceForEverySearchThatMeets) {
  SearchLanes lanes(3);
  std::vector<std::thread> searches;
  std::array<std::atomic<int>, 3> runs = {};
  for (int i = 0; i < 4; ++i) {
    searches.emplace_back([&] {
      for (int round = 0; round < 200; ++round) lanes.Run(3, [&](size_t lane) { ++runs[lane]; });
    });
  }
  for (std::thread& search : searches) search.join();
  for (const std::atomic<int>& count : runs) EXPECT_EQ(count, 800);
}

}  // namespace
}  // namespace ragtime
