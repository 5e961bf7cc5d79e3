// SPDX-License-Identifier: Apache-2.0
//
// Goal: a skip list holds the same pairs in the same order as a std::multimap through random insertions and removals.
#include "index/scalar/skip_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "ragtime/field.h"

namespace ragtime {
namespace {

using List = SkipList<FieldValue, uint32_t>;
using Pairs = std::vector<std::pair<FieldValue, uint32_t>>;
using Oracle = std::multimap<FieldValue, uint32_t>;

Pairs Forward(const List::Node* node) {
  Pairs pairs;
  for (; node != nullptr; node = List::Next(node)) pairs.emplace_back(node->key, node->item);
  return pairs;
}

// Equal keys by item, which a multimap keeps in the order of insertion.
Pairs Sorted(Oracle::const_iterator from, Oracle::const_iterator to) {
  Pairs pairs(from, to);
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

Oracle::iterator FindPair(Oracle& oracle, const FieldValue& key, uint32_t item) {
  auto [at, end] = oracle.equal_range(key);
  while (at != end && at->second != item) ++at;
  return at == end ? oracle.end() : at;
}

void ExpectEqual(const List& list, const Oracle& oracle) {
  const Pairs expected = Sorted(oracle.begin(), oracle.end());
  ASSERT_EQ(list.size(), expected.size());
  ASSERT_EQ(Forward(list.first()), expected);
  Pairs back;
  for (const List::Node* node = list.last(); node != nullptr; node = List::Previous(node)) {
    back.emplace_back(node->key, node->item);
  }
  std::reverse(back.begin(), back.end());
  ASSERT_EQ(back, expected);
}

FieldValue KeyOf(bool text, uint32_t n) {
  if (!text) return int64_t{n} - 20;
  std::string key = "k";
  key += std::to_string(n);
  return key;
}

void RunRandom(bool text, uint32_t keys, uint32_t items, int steps) {
  std::mt19937 random(keys * 31 + items);
  List list;
  Oracle oracle;
  for (int step = 0; step < steps; ++step) {
    const FieldValue key = KeyOf(text, static_cast<uint32_t>(random() % keys));
    const uint32_t item = static_cast<uint32_t>(random() % items);
    const auto found = FindPair(oracle, key, item);
    // First it grows, then it shrinks.
    if (random() % 3 != (step < steps / 2 ? 0u : 1u) && (step < steps / 2 || random() % 2 == 0)) {
      ASSERT_EQ(list.Insert(key, item), found == oracle.end());
      if (found == oracle.end()) oracle.emplace(key, item);
    } else {
      ASSERT_EQ(list.Erase(key, item), found != oracle.end());
      if (found != oracle.end()) oracle.erase(found);
    }
    if (step % (steps / 50) != 0) continue;
    ASSERT_NO_FATAL_FAILURE(ExpectEqual(list, oracle));
    const FieldValue probe = KeyOf(text, static_cast<uint32_t>(random() % (keys + 2)));
    ASSERT_EQ(Forward(list.LowerBound(probe)), Sorted(oracle.lower_bound(probe), oracle.end()));
    ASSERT_EQ(Forward(list.LowerBound(probe, true)), Sorted(oracle.upper_bound(probe), oracle.end()));
  }
  while (!oracle.empty()) {
    ASSERT_TRUE(list.Erase(oracle.begin()->first, oracle.begin()->second));
    oracle.erase(oracle.begin());
  }
  ASSERT_NO_FATAL_FAILURE(ExpectEqual(list, oracle));
}

TEST(SkipList, AsAMultimapOfNumbers) { RunRandom(false, 50, 40, 20000); }
TEST(SkipList, AsAMultimapOfTexts) { RunRandom(true, 300, 10, 20000); }
TEST(SkipList, OneKey) { RunRandom(false, 1, 500, 5000); }

TEST(SkipList, ZerosAreOneKey) {
  List list;
  EXPECT_TRUE(list.Insert(0.0, 2));
  EXPECT_TRUE(list.Insert(-0.0, 1));
  EXPECT_FALSE(list.Insert(-0.0, 2));
  EXPECT_EQ(list.first()->item, 1u);
  EXPECT_TRUE(list.Erase(0.0, 1));
  EXPECT_TRUE(list.Erase(-0.0, 2));
  EXPECT_EQ(list.first(), nullptr);
  EXPECT_EQ(list.last(), nullptr);
}

// Heights spread as they should: a look-up among 100,000 keys compares some dozens of them, not thousands.
TEST(SkipList, LookUpsAreShort) {
  struct CountingLess {
    bool operator()(uint32_t a, uint32_t b) const {
      ++Count();
      return a < b;
    }
    static uint64_t& Count() {
      static uint64_t count = 0;
      return count;
    }
  };
  SkipList<uint32_t, uint32_t, CountingLess> list;
  for (uint32_t i = 0; i < 100'000; ++i) list.Insert(i * 7919 % 100'003, 0);
  CountingLess::Count() = 0;
  for (uint32_t i = 0; i < 1000; ++i) list.LowerBound(i * 97);
  EXPECT_LT(CountingLess::Count() / 1000, 100u);
}

}  // namespace
}  // namespace ragtime
