// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzers of the store's formats check also holds on mutated bytes in every test run.
// Method: as index_mutation_test.cc. Tokenizers and GGUF files are mutated by the tests beside their readers.
#include <gtest/gtest.h>

#include "mutate.h"
#include "store_targets.h"

namespace ragtime {
namespace {

TEST(StoreMutation, Segment) {
  ASSERT_TRUE(UseAsSegment(SegmentSeed()));
  EXPECT_GT(UseMutations(SegmentSeed(), 5000, UseAsSegment), 100);
}

TEST(StoreMutation, Deletions) {
  ASSERT_TRUE(UseAsDeletions(DeletionsSeed()));
  EXPECT_LT(UseMutations(DeletionsSeed(), 5000, UseAsDeletions), 3000) << "the checksum lets only the unchanged pass";
}

}  // namespace
}  // namespace ragtime
