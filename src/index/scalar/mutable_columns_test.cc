// SPDX-License-Identifier: Apache-2.0
//
// Goal: columns that change answer after every few changes as MatchesLeaf and a stable sort do.
#include "index/scalar/mutable_columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "index/scalar/columns_oracle.h"

namespace ragtime {
namespace {

void ExpectAnswers(const MutableColumns& columns, const std::vector<Fields>& items, RandomFields& random, int rounds) {
  ASSERT_EQ(columns.items(), items.size());
  for (const FieldSpec& field : columns.fields()) {
    for (uint32_t i = 0; i < items.size(); ++i) {
      ASSERT_EQ(ToString(*columns.Value(field.name, i)), ToString(ValueIn(items[i], field.name)));
    }
    for (int round = 0; round < rounds; ++round) {
      const FilterNode leaf = random.Leaf(field);
      ASSERT_NO_FATAL_FAILURE(ExpectMatch(*columns.Match(leaf), leaf, items));
      const std::vector<uint64_t> among = RandomWords(random, items.size());
      const bool descending = random.Below(2) == 0;
      const size_t limit = random.Pick<size_t>({0, 1, 3, 10, 100, SIZE_MAX});
      ASSERT_EQ(*columns.Ordered(field.name, descending, RowBitmap{among}, limit),
                ExpectedOrder(items, field.name, descending, RowBitmap{among}, limit))
          << field.name;
    }
  }
}

TEST(MutableColumns, AnswerAsTheOracle) {
  RandomFields random(11, 12);
  MutableColumns columns(AllFields());
  std::vector<Fields> items;
  ASSERT_NO_FATAL_FAILURE(ExpectAnswers(columns, items, random, 2));
  for (int step = 0; step < 900; ++step) {
    // At first most are new, with gaps; later they are replaced and erased.
    const uint32_t item = step < 300 ? static_cast<uint32_t>(items.size()) + random.Below(3)
                                     : random.Below(static_cast<uint32_t>(items.size()));
    if (step >= 300 && random.Below(3) == 0) {
      columns.Erase(item);
      items[item].clear();
    } else {
      if (items.size() <= item) items.resize(item + 1);
      items[item] = random.Item(columns.fields());
      ASSERT_TRUE(columns.Put(item, items[item]).ok());
    }
    if (step % 100 == 99) {
      ASSERT_NO_FATAL_FAILURE(ExpectAnswers(columns, items, random, 15));
    }
  }
  for (uint32_t item = 0; item < items.size(); ++item) {
    columns.Erase(item);
    items[item].clear();
  }
  columns.Erase(UINT32_MAX);
  ASSERT_NO_FATAL_FAILURE(ExpectAnswers(columns, items, random, 5));
}

TEST(MutableColumns, WhatFailsChangesNothing) {
  MutableColumns columns({{"a", FieldType::kInt, FieldIndex::kHash}, {"b", FieldType::kFloat, FieldIndex::kBtree}});
  ASSERT_TRUE(columns.Put(2, {{"a", int64_t{1}}, {"other", true}}).ok());
  const Status wrong = columns.Put(2, {{"a", int64_t{5}}, {"b", true}});
  EXPECT_EQ(wrong.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.message(), testing::HasSubstr("\"b\" of type float cannot hold the value of item 2: true"));
  EXPECT_FALSE(columns.Put(7, {{"b", std::nan("")}}).ok());
  EXPECT_EQ(columns.items(), 3u);
  EXPECT_EQ(*columns.Value("a", 2), FieldValue(int64_t{1}));
  EXPECT_EQ(columns.Value("a", 3).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(*columns.Value("other", 2), FieldValue());
  FilterNode leaf;
  leaf.op = FilterOp::kIsNull;
  leaf.field = "other";
  EXPECT_EQ(columns.Match(leaf)->count, 3u);
  const uint64_t among[] = {0b111};
  EXPECT_EQ(*columns.Ordered("a", true, RowBitmap{among}, 10), (std::vector<uint32_t>{2, 0, 1}));
}

}  // namespace
}  // namespace ragtime
