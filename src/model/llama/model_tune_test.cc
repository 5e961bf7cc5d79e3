// SPDX-License-Identifier: Apache-2.0
//
// Goal: of settings that are as fast the first is chosen, and a faster one wins. The measurement itself is run with the
// real model by models_test.py.
#include "model/llama/model_tune.h"

#include <gtest/gtest.h>

namespace ragtime {
namespace {

TEST(ModelTuneTest, TheFirstThatIsAsFastIsChosen) {
  EXPECT_EQ(LeastAsFast({{1, 50}, {2, 98}, {4, 100}}), 2u);
  EXPECT_EQ(LeastAsFast({{1, 50}, {2, 96}, {4, 100}}), 4u);
  EXPECT_EQ(LeastAsFast({{1, 50}, {2, 98}, {4, 40}}), 2u);
  EXPECT_EQ(LeastAsFast({{512, 100}, {256, 102}, {128, 90}}), 512u);
  EXPECT_EQ(LeastAsFast({{512, 100}, {256, 110}, {128, 90}}), 256u);
  EXPECT_EQ(LeastAsFast({{1, 7}}), 1u);
}

TEST(ModelTuneTest, AllCoresAreAmongTheCounts) {
  EXPECT_EQ(ThreadCounts(0), (std::vector<size_t>{1}));
  EXPECT_EQ(ThreadCounts(1), (std::vector<size_t>{1}));
  EXPECT_EQ(ThreadCounts(2), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(ThreadCounts(3), (std::vector<size_t>{1, 2, 3}));
  EXPECT_EQ(ThreadCounts(16), (std::vector<size_t>{1, 2, 3, 4, 6, 8, 12, 16}));
}

}  // namespace
}  // namespace ragtime
