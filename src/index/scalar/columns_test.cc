// SPDX-License-Identifier: Apache-2.0
//
// Goal: built columns answer exactly as MatchesLeaf and a stable sort do, for every type and index; equal input gives
// equal bytes; what cannot be stored is refused; Open reads nothing of the items.
#include "index/scalar/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "index/scalar/columns_format.h"
#include "index/scalar/columns_oracle.h"

namespace ragtime {
namespace {

using Bytes = std::vector<std::byte>;

Bytes Build(const std::vector<FieldSpec>& fields, const std::vector<Fields>& items) {
  std::vector<const Fields*> pointers;
  for (const Fields& item : items) pointers.push_back(&item);
  auto bytes = ColumnsType().Build(fields, pointers);
  EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
  return *std::move(bytes);
}

std::unique_ptr<FieldColumns> Open(const Bytes& bytes) {
  auto columns = ColumnsType().Open(bytes);
  EXPECT_TRUE(columns.ok()) << columns.status().ToString();
  return *std::move(columns);
}

std::vector<Fields> RandomItems(RandomFields& random, const std::vector<FieldSpec>& fields, size_t count) {
  std::vector<Fields> items(count);
  for (Fields& item : items) item = random.Item(fields);
  return items;
}

class ColumnsOracle : public testing::TestWithParam<std::pair<size_t, int>> {};

TEST_P(ColumnsOracle, AnswersAsTheOracle) {
  const auto [count, distinct] = GetParam();
  RandomFields random(static_cast<uint32_t>(count) * 7 + static_cast<uint32_t>(distinct), distinct);
  const std::vector<FieldSpec> fields = AllFields();
  const std::vector<Fields> items = RandomItems(random, fields, count);
  const Bytes bytes = Build(fields, items);
  const auto columns = Open(bytes);
  ASSERT_EQ(columns->items(), count);
  const int rounds = count >= 1000 ? 15 : 60;
  for (const FieldSpec& field : fields) {
    for (uint32_t i = 0; i < count; ++i) {
      const auto value = columns->Value(field.name, i);
      ASSERT_TRUE(value.ok());
      // Also the sign of a zero is kept.
      ASSERT_EQ(ToString(*value), ToString(ValueIn(items[i], field.name))) << field.name << " " << i;
    }
    for (int round = 0; round < rounds; ++round) {
      const FilterNode leaf = random.Leaf(field);
      const auto set = columns->Match(leaf);
      ASSERT_TRUE(set.ok()) << set.status().ToString();
      ASSERT_NO_FATAL_FAILURE(ExpectMatch(*set, leaf, items));
      const std::vector<uint64_t> among = RandomWords(random, count);
      const bool descending = round % 2 == 0;
      const size_t limit = random.Pick<size_t>({0, 1, 3, 10, 100, count, SIZE_MAX});
      const auto order = columns->Ordered(field.name, descending, RowBitmap{among}, limit);
      ASSERT_TRUE(order.ok()) << order.status().ToString();
      ASSERT_EQ(*order, ExpectedOrder(items, field.name, descending, RowBitmap{among}, limit)) << field.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ColumnsOracle,
                         testing::Values(std::pair(0, 5), std::pair(1, 5), std::pair(63, 5), std::pair(64, 20),
                                         std::pair(65, 3), std::pair(700, 12), std::pair(1000, 2000),
                                         std::pair(3000, 40)));

// Containers of 65,536 items: arrays, bitsets and runs, over several of them.
TEST(Columns, LargeBitmaps) {
  const std::vector<FieldSpec> fields = {{"n", FieldType::kInt, FieldIndex::kBitmap}};
  std::vector<Fields> items(200'003);
  for (size_t i = 0; i < items.size(); ++i) {
    items[i]["n"] = int64_t{i < 70000 ? 0 : i % 3 == 0 ? 1 : i % 1000 == 1 ? 2 : 3};
  }
  const Bytes bytes = Build(fields, items);
  const auto columns = Open(bytes);
  for (int64_t n = 0; n < 5; ++n) {
    FilterNode leaf;
    leaf.op = FilterOp::kEqual;
    leaf.field = "n";
    leaf.type = FieldType::kInt;
    leaf.values = {n};
    const auto set = columns->Match(leaf);
    ASSERT_TRUE(set.ok());
    ASSERT_NO_FATAL_FAILURE(ExpectMatch(*set, leaf, items));
  }
}

TEST(Columns, EqualInputGivesEqualBytes) {
  RandomFields random(5, 30);
  const std::vector<FieldSpec> fields = AllFields();
  const std::vector<Fields> items = RandomItems(random, fields, 500);
  const std::vector<Fields> copy = items;
  EXPECT_EQ(Build(fields, items), Build(fields, copy));
}

TEST(Columns, FieldWithoutAColumnIsNull) {
  const std::vector<Fields> items(70);
  const Bytes bytes = Build({}, items);
  const auto columns = Open(bytes);
  FilterNode leaf;
  leaf.op = FilterOp::kIsNull;
  leaf.field = "year";
  EXPECT_EQ(columns->Match(leaf)->count, 70u);
  EXPECT_EQ(columns->Match(leaf)->words, (std::vector<uint64_t>{UINT64_MAX, 63}));
  leaf.op = FilterOp::kEqual;
  leaf.values = {int64_t{1}};
  EXPECT_EQ(columns->Match(leaf)->count, 0u);
  EXPECT_EQ(*columns->Value("year", 3), FieldValue());
  const uint64_t among[] = {0b1010, UINT64_MAX};
  EXPECT_EQ(*columns->Ordered("year", true, RowBitmap{among}, 3), (std::vector<uint32_t>{1, 3, 64}));
  EXPECT_EQ(columns->Value("year", 70).status().code(), StatusCode::kInvalidArgument);
}

TEST(Columns, SkiplistIsStoredAsBtree) {
  const Bytes bytes = Build({{"a", FieldType::kInt, FieldIndex::kSkiplist}, {"b", FieldType::kBool, FieldIndex::kHash}},
                            std::vector<Fields>(3));
  EXPECT_EQ(Open(bytes)->fields(), (std::vector<FieldSpec>{{"a", FieldType::kInt, FieldIndex::kBtree},
                                                           {"b", FieldType::kBool, FieldIndex::kHash}}));
}

TEST(Columns, RefusesWhatItCannotHold) {
  const FieldSpec year = {"year", FieldType::kInt, FieldIndex::kBtree};
  const FieldSpec price = {"price", FieldType::kFloat, FieldIndex::kBtree};
  const Fields text = {{"year", std::string("x")}};
  const Fields nan = {{"price", std::nan("")}};
  const Fields good;
  const Fields* items[] = {&good, &text};
  const auto wrong = ColumnsType().Build(std::vector{year}, items);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.status().message(),
              testing::HasSubstr("\"year\" of type int cannot hold the value of item 1: \"x\""));
  const Fields* with_nan[] = {&nan};
  EXPECT_FALSE(ColumnsType().Build(std::vector{price}, with_nan).ok());
  EXPECT_FALSE(ColumnsType().Build(std::vector{year, year}, {}).ok());
}

TEST(Columns, OpenRefusesOtherBytes) {
  RandomFields random(6, 10);
  const std::vector<FieldSpec> fields = AllFields();
  const Bytes bytes = Build(fields, RandomItems(random, fields, 100));
  for (const size_t size : {size_t{0}, size_t{63}, size_t{64}, size_t{500}, bytes.size() - 1}) {
    EXPECT_EQ(ColumnsType().Open(std::span(bytes).first(size)).status().code(), StatusCode::kDataLoss) << size;
  }
  Bytes newer = bytes;
  newer[8] = std::byte{2};
  EXPECT_EQ(ColumnsType().Open(newer).status().code(), StatusCode::kFailedPrecondition);
  const size_t directory_end = sizeof(ColumnsHeader) + fields.size() * sizeof(ColumnEntry);
  for (size_t at = 0; at < directory_end; ++at) {
    Bytes damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    EXPECT_FALSE(ColumnsType().Open(damaged).ok()) << at;
  }
}

// Hidden behind the directory nothing is read: all zeros there open as well.
TEST(Columns, OpenReadsOnlyTheDirectory) {
  RandomFields random(7, 10);
  const std::vector<FieldSpec> fields = AllFields();
  Bytes bytes = Build(fields, RandomItems(random, fields, 1000));
  ColumnsHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const size_t head = sizeof(header) + fields.size() * sizeof(ColumnEntry) + header.names_size;
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(head), bytes.end(), std::byte{0});
  EXPECT_TRUE(ColumnsType().Open(bytes).ok());
}

TEST(OrderedBits, HasTheOrderOfFloats) {
  RandomFields random(8, 100);
  for (int i = 0; i < 20000; ++i) {
    const double a = std::get<double>(random.Value(FieldType::kFloat));
    const double b = std::get<double>(random.Value(FieldType::kFloat));
    ASSERT_EQ(a < b, OrderedBits(a) < OrderedBits(b)) << a << " " << b;
    ASSERT_EQ(a == b, OrderedBits(a) == OrderedBits(b)) << a << " " << b;
  }
}

}  // namespace
}  // namespace ragtime
