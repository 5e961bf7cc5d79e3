// SPDX-License-Identifier: Apache-2.0
#include "index/scalar/mutable_columns.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/count_bits.h"
#include "base/str_cat.h"
#include "filter/like.h"
#include "index/scalar/column_match.h"
#include "index/scalar/smallest.h"

namespace ragtime {
namespace {

using List = std::vector<std::string>;

bool IsNullValue(const FieldValue& value) { return std::holds_alternative<std::monostate>(value); }

// What the index of a field holds for a value: itself, or each distinct element of a list.
template <typename Visit>
void ForEachKey(const FieldValue& value, Visit visit) {
  const auto* list = std::get_if<List>(&value);
  if (list == nullptr) {
    visit(value);
    return;
  }
  List elements = *list;
  std::sort(elements.begin(), elements.end());
  elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
  for (std::string& element : elements) visit(FieldValue(std::move(element)));
}

// All texts that start with `prefix`.
ValueRange PrefixRange(const std::string& prefix) {
  ValueRange range;
  if (prefix.empty()) return range;
  range.low = prefix;
  // The next text that is greater than all of them: the last byte that can grow does, and ends it.
  std::string next = prefix;
  while (!next.empty() && next.back() == '\xFF') next.pop_back();
  if (next.empty()) return range;
  next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
  range.high = next;
  range.high_included = false;
  return range;
}

}  // namespace

MutableColumns::MutableColumns(std::vector<FieldSpec> fields) : fields_(std::move(fields)) {
  for (const FieldSpec& field : fields_) {
    Column& column = columns_.emplace_back();
    column.type = field.type;
    column.index = MakeValueIndex(field.index);
  }
}

void MutableColumns::Column::Clear(uint32_t item) {
  if (IsNull(item)) return;
  FieldValue& value = values[item];
  if (index != nullptr) ForEachKey(value, [&](const FieldValue& key) { index->Remove(key, item); });
  present[item / 64] &= ~(uint64_t{1} << item % 64);
  value = FieldValue();
}

void MutableColumns::Column::Set(uint32_t item, const FieldValue& value) {
  Clear(item);
  if (IsNullValue(value)) return;
  if (values.size() <= item) values.resize(size_t{item} + 1);
  if (present.size() <= item / 64) present.resize(item / 64 + 1);
  if (index != nullptr) ForEachKey(value, [&](const FieldValue& key) { index->Add(key, item); });
  present[item / 64] |= uint64_t{1} << item % 64;
  values[item] = value;
}

Status MutableColumns::Put(uint32_t item, const Fields& fields) {
  if (item == UINT32_MAX) return InvalidArgumentError(StrCat("columns cannot number that many items: ", item));
  std::vector<const FieldValue*> values(fields_.size());
  static const FieldValue kNull;
  for (size_t f = 0; f < fields_.size(); ++f) {
    const auto found = fields.find(fields_[f].name);
    values[f] = found != fields.end() ? &found->second : &kNull;
    const auto* number = std::get_if<double>(values[f]);
    if (!HasType(*values[f], fields_[f].type) || (number != nullptr && std::isnan(*number))) {
      return InvalidArgumentError(StrCat("the field \"", fields_[f].name, "\" of type ", FieldTypeName(fields_[f].type),
                                         " cannot hold the value of item ", item, ": ", ToString(*values[f])));
    }
  }
  for (size_t f = 0; f < columns_.size(); ++f) columns_[f].Set(item, *values[f]);
  items_end_ = std::max(items_end_, item + 1);
  return Status();
}

void MutableColumns::Erase(uint32_t item) {
  for (Column& column : columns_) column.Clear(item);
}

const MutableColumns::Column* MutableColumns::Find(std::string_view field) const {
  for (size_t f = 0; f < fields_.size(); ++f) {
    if (fields_[f].name == field) return &columns_[f];
  }
  return nullptr;
}

bool MutableColumns::Column::MatchByIndex(const FilterNode& leaf, ItemBits& bits) const {
  if (index == nullptr) return false;
  const bool list = type == FieldType::kStringList;
  const bool by_element = list && (leaf.op == FilterOp::kContains || leaf.op == FilterOp::kIn);
  const FieldType key_type = list ? FieldType::kString : type;
  for (const FieldValue& value : leaf.values) {
    // Values of other types match nothing, or whole lists: a scan knows.
    if (IsNullValue(value) || !HasType(value, key_type)) return false;
  }
  if (by_element || (!list && (leaf.op == FilterOp::kEqual || leaf.op == FilterOp::kIn))) {
    if (leaf.op != FilterOp::kIn && leaf.values.size() != 1) return false;
    for (const FieldValue& value : leaf.values) index->AddEqual(value, bits);
    return true;
  }
  return !list && leaf.values.size() == 1 && MatchRange(leaf, bits);
}

bool MutableColumns::Column::MatchRange(const FilterNode& leaf, ItemBits& bits) const {
  ValueRange range;
  switch (leaf.op) {
    case FilterOp::kLess:
    case FilterOp::kLessEqual:
      range.high = leaf.values[0];
      range.high_included = leaf.op == FilterOp::kLessEqual;
      return index->AddRange(range, nullptr, bits);
    case FilterOp::kGreater:
    case FilterOp::kGreaterEqual:
      range.low = leaf.values[0];
      range.low_included = leaf.op == FilterOp::kGreaterEqual;
      return index->AddRange(range, nullptr, bits);
    case FilterOp::kContains:
      return index->AddRange(range, [&](const FieldValue& key) { return MatchesLeaf(leaf, key); }, bits);
    case FilterOp::kLike: {
      if (type != FieldType::kString) return false;
      const LikePattern pattern(std::get<std::string>(leaf.values[0]));
      return index->AddRange(
          PrefixRange(pattern.prefix()),
          [&](const FieldValue& key) { return pattern.is_prefix() || pattern.Matches(std::get<std::string>(key)); },
          bits);
    }
    default:
      return false;
  }
}

Result<ItemSet> MutableColumns::Match(const FilterNode& leaf) const {
  ItemBits bits(items_end_);
  const Column* column = Find(leaf.field);
  if (leaf.op == FilterOp::kIsNull) {
    std::fill(bits.words().begin(), bits.words().end(), UINT64_MAX);
    for (size_t w = 0; column != nullptr && w < column->present.size(); ++w) bits.words()[w] &= ~column->present[w];
    return std::move(bits).FinishWords();
  }
  if (column != nullptr && !column->MatchByIndex(leaf, bits)) {
    for (uint32_t item = 0; item < column->values.size(); ++item) {
      if (MatchesLeaf(leaf, column->values[item])) bits.Add(item);
    }
  }
  return std::move(bits).Finish();
}

Result<FieldValue> MutableColumns::Value(std::string_view field, uint32_t item) const {
  if (item >= items_end_) {
    return InvalidArgumentError(StrCat("the columns have no such item: ", item, ", items ", items_end_));
  }
  const Column* column = Find(field);
  return column != nullptr && item < column->values.size() ? column->values[item] : FieldValue();
}

std::vector<uint32_t> MutableColumns::Column::Select(bool descending, RowBitmap among, uint32_t items,
                                                     size_t limit) const {
  const auto less = [&](uint32_t a, uint32_t b) {
    if (values[a] == values[b]) return a < b;
    return descending ? values[b] < values[a] : values[a] < values[b];
  };
  Smallest<uint32_t, decltype(less)> smallest(limit, less);
  TakeAscending(among, items, SIZE_MAX, [&](uint32_t item) {
    if (!IsNull(item)) smallest.Offer(item);
    return false;
  });
  return std::move(smallest).Take();
}

Result<std::vector<uint32_t>> MutableColumns::Ordered(std::string_view field, bool descending, RowBitmap among,
                                                      size_t limit) const {
  const uint64_t wanted = CountBits(among.words);
  limit = std::min<uint64_t>({limit, wanted, items_end_});
  if (limit == 0) return std::vector<uint32_t>();
  const Column* column = Find(field);
  std::vector<uint32_t> order;
  if (column != nullptr) {
    // Walking meets an item of `among` every items / wanted entries; selecting looks at each of `wanted`.
    const bool walk = column->index != nullptr && column->type != FieldType::kStringList &&
                      limit * items_end_ / wanted <= wanted && column->index->Walk(descending, [&](uint32_t item) {
                        if (among.Contains(item)) order.push_back(item);
                        return order.size() < limit;
                      });
    if (!walk) order = column->Select(descending, among, items_end_, limit);
  }
  const std::vector<uint32_t> nulls = TakeAscending(among, items_end_, limit - order.size(), [&](uint32_t item) {
    return column == nullptr || column->IsNull(item);
  });
  order.insert(order.end(), nulls.begin(), nulls.end());
  return order;
}

}  // namespace ragtime
