// SPDX-License-Identifier: Apache-2.0
//
// For tests: random fields and conditions, and what FieldColumns must answer, from MatchesLeaf and std::stable_sort.
#ifndef RAGTIME_INDEX_SCALAR_COLUMNS_ORACLE_H_
#define RAGTIME_INDEX_SCALAR_COLUMNS_ORACLE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ragtime/filter.h"
#include "ragtime/index.h"

namespace ragtime {

inline constexpr FieldType kAllTypes[] = {FieldType::kInt,    FieldType::kFloat,    FieldType::kBool,
                                          FieldType::kString, FieldType::kDatetime, FieldType::kStringList};
inline constexpr FieldIndex kAllIndexes[] = {FieldIndex::kNone, FieldIndex::kBtree, FieldIndex::kHash,
                                             FieldIndex::kSkiplist, FieldIndex::kBitmap};

// One field for each type and index: "int_btree".
inline std::vector<FieldSpec> AllFields() {
  std::vector<FieldSpec> fields;
  for (const FieldType type : kAllTypes) {
    for (const FieldIndex index : kAllIndexes) {
      fields.push_back({std::string(FieldTypeName(type)) + "_" + std::string(FieldIndexName(index)), type, index});
    }
  }
  return fields;
}

class RandomFields {
 public:
  // Values are drawn from about `distinct` of each type.
  RandomFields(uint32_t seed, int distinct) : random_(seed), distinct_(distinct) {}

  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  FieldValue Value(FieldType type) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const int64_t number = static_cast<int64_t>(Below(static_cast<uint32_t>(distinct_))) - distinct_ / 2;
    const bool special = Below(6) == 0;
    switch (type) {
      case FieldType::kInt:
        return special ? Pick<int64_t>({INT64_MIN, INT64_MAX, INT64_MIN + 1, INT64_MAX - 1, 0, -1}) : number;
      case FieldType::kFloat:
        return special ? Pick<double>({-0.0, 0.0, kInfinity, -kInfinity, 5e-324, -5e-324, 1e308})
                       : static_cast<double>(number) / 4;
      case FieldType::kBool:
        return Below(2) == 0;
      case FieldType::kString:
        return Text(special, number);
      case FieldType::kDatetime:
        return Datetime{special ? Pick<int64_t>({INT64_MIN, INT64_MAX, 0}) : number * 1000};
      case FieldType::kStringList:
        break;
    }
    std::vector<std::string> list(Below(4));
    for (std::string& element : list) element = Text(Below(6) == 0, Below(static_cast<uint32_t>(distinct_)));
    return list;
  }

  Fields Item(const std::vector<FieldSpec>& fields) {
    Fields item;
    for (const FieldSpec& field : fields) {
      if (Below(5) != 0) {
        item[field.name] = Value(field.type);
      } else if (Below(2) == 0) {
        item[field.name] = FieldValue();  // Null can be spelled out.
      }
    }
    return item;
  }

  FilterNode Leaf(const FieldSpec& field) {
    FilterNode leaf;
    leaf.op = Pick<FilterOp>({FilterOp::kEqual, FilterOp::kLess, FilterOp::kLessEqual, FilterOp::kGreater,
                              FilterOp::kGreaterEqual, FilterOp::kIn, FilterOp::kLike, FilterOp::kContains,
                              FilterOp::kIsNull});
    leaf.field = field.name;
    leaf.type = field.type;
    if (leaf.op == FilterOp::kIsNull) return leaf;
    FieldType type = field.type == FieldType::kStringList && Below(8) != 0 ? FieldType::kString : field.type;
    if (Below(20) == 0) type = kAllTypes[Below(6)];  // Of a wrong type.
    const uint32_t values = leaf.op == FilterOp::kIn ? Below(9) : 1;
    for (uint32_t i = 0; i < values; ++i) leaf.values.push_back(Value(type));
    if (leaf.op == FilterOp::kLike && type == FieldType::kString) {
      leaf.values[0] = Pick<std::string>({"%", "a%", "%1", "_", "", "中%", "中_", "%文%", "a1", "a_", "\\%", "b%2"});
    }
    if (leaf.op == FilterOp::kContains && type == FieldType::kString && Below(2) == 0) {
      leaf.values[0] = Pick<std::string>({"", "1", "a", "文", "zz"});
    }
    std::sort(leaf.values.begin(), leaf.values.end());
    leaf.values.erase(std::unique(leaf.values.begin(), leaf.values.end()), leaf.values.end());
    return leaf;
  }

  template <typename T>
  T Pick(std::vector<T> from) {
    return from[Below(static_cast<uint32_t>(from.size()))];
  }

 private:
  std::string Text(bool special, int64_t number) {
    if (special) return Pick<std::string>({"", "中", "中文", "文", "a", "%", std::string("a\0b", 3), "\xFF"});
    std::string text(1, number % 2 == 0 ? 'a' : 'b');
    text += std::to_string(number);
    return text;
  }

  std::mt19937 random_;
  const int distinct_;
};

inline const FieldValue& ValueIn(const Fields& item, const std::string& field) {
  static const FieldValue kNull;
  const auto found = item.find(field);
  return found == item.end() ? kNull : found->second;
}

inline std::string Describe(const FilterNode& leaf) {
  std::string text = leaf.field + " operator " + std::to_string(static_cast<int>(leaf.op));
  for (const FieldValue& value : leaf.values) {
    text += ' ';
    text += ToString(value);
  }
  return text;
}

// Holds what Match answers against MatchesLeaf.
inline void ExpectMatch(const ItemSet& set, const FilterNode& leaf, const std::vector<Fields>& items) {
  ASSERT_EQ(set.words.size(), (items.size() + 63) / 64);
  const RowBitmap bitmap{set.words};
  uint64_t count = 0;
  for (uint32_t i = 0; i < set.words.size() * 64; ++i) {
    const bool expected = i < items.size() && MatchesLeaf(leaf, ValueIn(items[i], leaf.field));
    ASSERT_EQ(bitmap.Contains(i), expected)
        << Describe(leaf) << " item " << i << " of " << items.size() << ": "
        << (i < items.size() ? ToString(ValueIn(items[i], leaf.field)) : "behind the end");
    count += expected;
  }
  ASSERT_EQ(set.count, count) << Describe(leaf);
}

inline std::vector<uint32_t> ExpectedOrder(const std::vector<Fields>& items, const std::string& field, bool descending,
                                           RowBitmap among, size_t limit) {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < items.size(); ++i) {
    if (among.Contains(i)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const FieldValue& x = ValueIn(items[a], field);
    const FieldValue& y = ValueIn(items[b], field);
    const bool x_null = std::holds_alternative<std::monostate>(x);
    const bool y_null = std::holds_alternative<std::monostate>(y);
    if (x_null || y_null) return !x_null && y_null;
    return descending ? y < x : x < y;
  });
  if (order.size() > limit) order.resize(limit);
  return order;
}

// Bits of random density, some of them behind the last item.
inline std::vector<uint64_t> RandomWords(RandomFields& random, size_t items) {
  std::vector<uint64_t> words(items / 64 + random.Below(3));
  const uint32_t one_in = random.Pick<uint32_t>({1, 2, 20, 200});
  for (uint64_t& word : words) {
    for (int bit = 0; bit < 64; ++bit) word |= uint64_t{random.Below(one_in) == 0} << bit;
  }
  return words;
}

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_COLUMNS_ORACLE_H_
