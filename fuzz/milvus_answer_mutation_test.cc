// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzers of Milvus' answers check also holds on mutated answers in every test run.
#include <gtest/gtest.h>

#include "milvus_answer_targets.h"
#include "mutate.h"

namespace ragtime {
namespace {

TEST(MilvusAnswerMutation, Rows) {
  ASSERT_TRUE(UseAsMilvusRows(MilvusRowsSeed()));
  EXPECT_GT(UseMutations(MilvusRowsSeed(), 50000, UseAsMilvusRows), 1000);
}

TEST(MilvusAnswerMutation, Hits) {
  ASSERT_TRUE(UseAsMilvusHits(MilvusHitsSeed()));
  EXPECT_GT(UseMutations(MilvusHitsSeed(), 20000, UseAsMilvusHits), 1000);
}

}  // namespace
}  // namespace ragtime
