// SPDX-License-Identifier: Apache-2.0
//
// Goal: what the fuzzers check also holds on mutated bytes in every test run, without a fuzzing compiler.
// Method: bytes of real indexes are flipped, overwritten, cut, lengthened and moved, then used; the targets abort on a
// wrong answer and sanitizer builds on a read outside.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "index_targets.h"

namespace ragtime {
namespace {

using Bytes = std::vector<std::byte>;

void MutateOnce(std::mt19937& random, Bytes& bytes) {
  if (bytes.empty()) return;
  // The header and what follows it decide most; half of the changes go there.
  const size_t at = random() % (random() % 2 == 0 ? std::min<size_t>(bytes.size(), 128) : bytes.size());
  switch (random() % 6) {
    case 0:
      bytes[at] ^= std::byte{1} << (random() % 8);
      break;
    case 1:
      bytes[at] = static_cast<std::byte>(random());
      break;
    case 2:  // An extreme number.
      std::fill(bytes.begin() + at, bytes.begin() + std::min(at + 4, bytes.size()),
                random() % 2 == 0 ? std::byte{0xFF} : std::byte{0});
      break;
    case 3:
      bytes.resize(random() % 4 == 0 ? at : bytes.size());
      break;
    case 4:
      if (random() % 4 == 0) bytes.resize(bytes.size() + random() % 100, static_cast<std::byte>(random()));
      break;
    default: {
      const size_t from = random() % bytes.size();
      const size_t size = std::min({random() % 64, bytes.size() - from, bytes.size() - at});
      const Bytes piece(bytes.begin() + from, bytes.begin() + from + size);
      std::copy(piece.begin(), piece.end(), bytes.begin() + at);
    }
  }
}

// Returns how many mutations could still be opened.
int UseMutations(const Bytes& seed, int rounds, const std::function<bool(std::span<const std::byte>)>& use) {
  std::mt19937 random(1);
  int opened = 0;
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = seed;
    for (size_t n = 1 + random() % 4; n > 0; --n) MutateOnce(random, bytes);
    opened += use(bytes);
  }
  return opened;
}

TEST(IndexMutation, Flat) {
  ASSERT_TRUE(UseAsFlatIndex(FlatSeed()));
  EXPECT_GT(UseMutations(FlatSeed(), 3000, UseAsFlatIndex), 100);
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
