// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzers check also holds on mutated bytes in every test run, without a fuzzing compiler.
// Method: bytes of real indexes are flipped, overwritten, cut, lengthened and moved, then used; the targets abort on a
// wrong answer and sanitizer builds on a read outside.
#include <gtest/gtest.h>

#include "index_targets.h"
#include "mutate.h"

namespace ragtime {
namespace {

TEST(IndexMutation, Flat) {
  ASSERT_TRUE(UseAsFlatIndex(FlatSeed()));
  EXPECT_GT(UseMutations(FlatSeed(), 3000, UseAsFlatIndex), 100);
}

TEST(IndexMutation, FastHnsw) {
  ASSERT_TRUE(UseAsFastHnswIndex(FastHnswSeed()));
  EXPECT_GT(UseMutations(FastHnswSeed(), 3000, UseAsFastHnswIndex), 100);
}

TEST(IndexMutation, Hnsw) {
  for (const std::vector<std::byte>& seed : HnswSeeds()) {
    ASSERT_TRUE(UseAsHnswIndex(seed));
    EXPECT_GT(UseMutations(seed, 3000, UseAsHnswIndex), 100);
  }
}

TEST(IndexMutation, Ivf) {
  for (const auto& seed : IvfSeeds()) {
    ASSERT_TRUE(UseAsIvfIndex(seed));
    EXPECT_GT(UseMutations(seed, 1000, UseAsIvfIndex), 30);
  }
}

TEST(IndexMutation, Diskann) {
  ASSERT_TRUE(UseAsDiskannIndex(DiskannSeed()));
  EXPECT_GT(UseMutations(DiskannSeed(), 3000, UseAsDiskannIndex), 100);
}

TEST(IndexMutation, Bm25) {
  ASSERT_TRUE(UseAsBm25Index(Bm25Seed()));
  EXPECT_GT(UseMutations(Bm25Seed(), 10000, UseAsBm25Index), 100);
}

TEST(IndexMutation, Columns) {
  ASSERT_TRUE(UseAsColumns(ColumnsSeed()));
  EXPECT_GT(UseMutations(ColumnsSeed(), 6000, UseAsColumns), 1000);
}

TEST(IndexMutation, Filter) {
  const std::string text =
      "int>=2020 and (string in ('Li', \"王\\u0041\") or not bool) && datetime between '2024-01-02' and "
      "\"2024-01-02T03:04:05.6+08:00\" || list contains 'a' and float not in [1.5, -inf, 2e3] and string like "
      "'a\\\\%%_'";
  ASSERT_TRUE(UseAsFilter(text));
  const auto as_bytes = std::as_bytes(std::span(text));
  EXPECT_GT(UseMutations(Bytes(as_bytes.begin(), as_bytes.end()), 20000,
                         [](std::span<const std::byte> bytes) {
                           return UseAsFilter({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
                         }),
            100);
}

TEST(IndexMutation, Words) {
  const std::string text =
      "PostgreSQL的索引类型 pg_dump -U a/b.c maxConnections 15.4 Café Straße don't C++ ﾃﾞｰﾀ 색인 😀 ไทย";
  UseAsText(text);
  const auto as_bytes = std::as_bytes(std::span(text));
  UseMutations(Bytes(as_bytes.begin(), as_bytes.end()), 5000, [](std::span<const std::byte> bytes) {
    UseAsText({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return true;
  });
}

}  // namespace
}  // namespace ragtime
