// SPDX-License-Identifier: Apache-2.0
#include "index/scalar/column_view.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/scalar/roaring_bits.h"

namespace ragtime {
namespace {

template <typename Value>
std::span<const Value> Part(std::span<const std::byte> bytes, uint64_t start, uint64_t end) {
  return {reinterpret_cast<const Value*>(bytes.data() + start), (end - start) / sizeof(Value)};
}

}  // namespace

ColumnView::ColumnView(std::span<const std::byte> bytes, const ColumnEntry& entry, uint32_t items, std::string name)
    : spec_{std::move(name), static_cast<FieldType>(entry.type), static_cast<FieldIndex>(entry.index)},
      items_(items),
      keys_count_(entry.keys) {
  const ColumnLayout layout = ColumnLayout::Of(entry, items);
  const uint64_t words = (uint64_t{items} + 63) / 64;
  const auto part_of = [&]<typename Value>(std::span<const Value>& part, uint64_t start, uint64_t count) {
    part = Part<Value>(bytes, start, start + count * sizeof(Value));
  };
  const bool text = spec_.type == FieldType::kString || spec_.type == FieldType::kStringList;
  if (entry.nulls > 0) part_of(nulls_, layout.nulls, words);
  switch (spec_.type) {
    case FieldType::kInt:
    case FieldType::kDatetime:
      part_of(numbers_, layout.values, items);
      break;
    case FieldType::kFloat:
      part_of(floats_, layout.values, items);
      break;
    case FieldType::kBool:
      part_of(truths_, layout.values, words);
      return;
    case FieldType::kString:
      part_of(codes_, layout.values, items);
      break;
    case FieldType::kStringList:
      part_of(list_starts_, layout.list_starts, uint64_t{items} + 1);
      part_of(list_codes_, layout.list_codes, entry.elements);
      break;
  }
  if (text) {
    part_of(string_starts_, layout.string_starts, uint64_t{entry.keys} + 1);
    strings_ = {reinterpret_cast<const char*>(bytes.data() + layout.strings), entry.strings_size};
  } else if (spec_.index != FieldIndex::kNone) {
    part_of(levels_.emplace_back(), layout.keys, entry.keys);
    for (uint64_t start = layout.levels; levels_.back().size() > kKeysPerBlock;) {
      const uint64_t size = (levels_.back().size() + kKeysPerBlock - 1) / kKeysPerBlock;
      part_of(levels_.emplace_back(), start, size);
      start += size * sizeof(int64_t);
    }
  }
  if (spec_.index == FieldIndex::kBtree || spec_.index == FieldIndex::kHash) {
    part_of(starts_, layout.starts, uint64_t{entry.keys} + 1);
    part_of(order_, layout.order, entry.order_entries);
  }
  if (spec_.index == FieldIndex::kHash) part_of(slots_, layout.slots, entry.slots);
  if (spec_.index == FieldIndex::kBitmap) {
    part_of(bitmap_starts_, layout.bitmap_starts, uint64_t{entry.keys} + 1);
    part_of(bitmaps_, layout.bitmaps, entry.bitmaps_size);
  }
}

Status ColumnView::Damaged() const {
  return DataLossError(StrCat("the column of a field is damaged: \"", spec_.name, "\""),
                       "Restore the knowledge base from a backup, or ingest the documents into a new one.");
}

Result<FieldValue> ColumnView::Value(uint32_t item) const {
  if (IsNull(item)) return FieldValue();
  switch (spec_.type) {
    case FieldType::kInt:
      return FieldValue(numbers_[item]);
    case FieldType::kDatetime:
      return FieldValue(Datetime{numbers_[item]});
    case FieldType::kFloat:
      return FieldValue(floats_[item]);
    case FieldType::kBool:
      return FieldValue((truths_[item / 64] >> (item % 64) & 1) != 0);
    case FieldType::kString: {
      RAGTIME_ASSIGN_OR_RETURN(const std::string_view text, Text(codes_[item]));
      return FieldValue(std::string(text));
    }
    case FieldType::kStringList:
      break;
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::span<const uint32_t> codes, ListCodes(item));
  std::vector<std::string> list;
  for (const uint32_t code : codes) {
    RAGTIME_ASSIGN_OR_RETURN(const std::string_view text, Text(code));
    list.emplace_back(text);
  }
  return FieldValue(std::move(list));
}

Result<std::span<const uint32_t>> ColumnView::ListCodes(uint32_t item) const {
  const uint32_t start = list_starts_[item];
  const uint32_t end = list_starts_[size_t{item} + 1];
  if (start > end || end > list_codes_.size()) return Damaged();
  return list_codes_.subspan(start, end - start);
}

Result<std::string_view> ColumnView::Text(uint32_t code) const {
  if (code >= keys_count_) return Damaged();
  const uint32_t start = string_starts_[code];
  const uint32_t end = string_starts_[size_t{code} + 1];
  if (start > end || end > strings_.size()) return Damaged();
  return strings_.substr(start, end - start);
}

Result<uint32_t> ColumnView::LowerBound(std::string_view text, bool after) const {
  uint32_t low = 0;
  uint32_t high = keys_count_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    RAGTIME_ASSIGN_OR_RETURN(const std::string_view here, Text(middle));
    if (here < text || (after && here == text)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t ColumnView::LowerBoundNumber(int64_t number, bool after) const {
  // A block below a level is never behind the end of its own level, whatever the numbers are.
  size_t block = 0;
  for (size_t level = levels_.size(); level-- > 0;) {
    const std::span<const int64_t> keys = levels_[level];
    const size_t start = block * kKeysPerBlock;
    const size_t end = std::min<size_t>(start + kKeysPerBlock, keys.size());
    size_t before = 0;
    for (size_t i = start; i < end; ++i) before += after ? keys[i] <= number : keys[i] < number;
    if (level == 0) return static_cast<uint32_t>(start + before);
    block = start + (before > 0 ? before - 1 : 0);
  }
  return 0;
}

template <typename IsKey>
Result<std::optional<uint32_t>> ColumnView::FindSlot(uint64_t hash, IsKey is_key) const {
  for (size_t probe = 0; probe < slots_.size(); ++probe) {
    const uint32_t slot = slots_[(hash + probe) & (slots_.size() - 1)];
    if (slot == 0) return std::optional<uint32_t>();
    if (slot > keys_count_) return Damaged();
    RAGTIME_ASSIGN_OR_RETURN(const bool equal, is_key(slot - 1));
    if (equal) return std::optional<uint32_t>(slot - 1);
  }
  return std::optional<uint32_t>();
}

Result<std::optional<uint32_t>> ColumnView::FindText(std::string_view text) const {
  if (!slots_.empty()) {
    return FindSlot(Hash64(text), [&](uint32_t key) -> Result<bool> {
      RAGTIME_ASSIGN_OR_RETURN(const std::string_view here, Text(key));
      return here == text;
    });
  }
  RAGTIME_ASSIGN_OR_RETURN(const uint32_t key, LowerBound(text));
  if (key == keys_count_) return std::optional<uint32_t>();
  RAGTIME_ASSIGN_OR_RETURN(const std::string_view here, Text(key));
  return here == text ? std::optional<uint32_t>(key) : std::nullopt;
}

Result<std::optional<uint32_t>> ColumnView::FindNumber(int64_t number) const {
  if (!slots_.empty()) {
    return FindSlot(Hash64(std::as_bytes(std::span(&number, 1))),
                    [&](uint32_t key) -> Result<bool> { return levels_[0][key] == number; });
  }
  const uint32_t key = LowerBoundNumber(number);
  return key < keys_count_ && levels_[0][key] == number ? std::optional<uint32_t>(key) : std::nullopt;
}

Result<std::span<const uint32_t>> ColumnView::ItemsOf(KeyRange keys) const {
  const uint32_t start = starts_[keys.start];
  const uint32_t end = starts_[keys.end];
  if (start > end || end > order_.size()) return Damaged();
  return order_.subspan(start, end - start);
}

Status ColumnView::AddBitmap(uint32_t key, ItemBits& bits) const {
  const uint64_t start = bitmap_starts_[key];
  const uint64_t end = bitmap_starts_[size_t{key} + 1];
  if (start > end || end > bitmaps_.size()) return Damaged();
  if (!AddRoaring(bitmaps_.subspan(start, end - start), items_, bits.words())) return Damaged();
  return Status();
}

}  // namespace ragtime
