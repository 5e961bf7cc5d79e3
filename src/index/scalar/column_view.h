// SPDX-License-Identifier: Apache-2.0
//
// A ColumnView reads one column in place. Every method checks what it reads against the column's bounds; damaged bytes
// give kDataLoss, or a wrong answer where they look right.
//
// Threads: immutable. The bytes must outlive it.
#ifndef RAGTIME_INDEX_SCALAR_COLUMN_VIEW_H_
#define RAGTIME_INDEX_SCALAR_COLUMN_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/scalar/columns_format.h"
#include "index/scalar/item_bits.h"
#include "ragtime/field.h"
#include "ragtime/status.h"

namespace ragtime {

// Numbers of keys (codes of strings) from `start` to before `end`.
struct KeyRange {
  uint32_t start = 0;
  uint32_t end = 0;
};

class ColumnView {
 public:
  // `bytes` hold the parts that ColumnLayout gives for `entry`.
  ColumnView(std::span<const std::byte> bytes, const ColumnEntry& entry, uint32_t items, std::string name);

  const FieldSpec& spec() const { return spec_; }
  uint32_t items() const { return items_; }
  uint32_t keys() const { return keys_count_; }
  bool has_nulls() const { return !nulls_.empty(); }
  bool has_order() const { return !starts_.empty(); }
  bool has_bitmaps() const { return !bitmap_starts_.empty(); }
  bool has_number_keys() const { return has_order() || has_bitmaps(); }

  std::span<const uint64_t> nulls() const { return nulls_; }
  std::span<const int64_t> numbers() const { return numbers_; }  // int, datetime
  std::span<const double> floats() const { return floats_; }
  std::span<const uint64_t> truths() const { return truths_; }
  std::span<const uint32_t> codes() const { return codes_; }  // string
  std::span<const uint32_t> order() const { return order_; }

  bool IsNull(uint32_t item) const { return has_nulls() && (nulls_[item / 64] >> (item % 64) & 1) != 0; }
  Result<FieldValue> Value(uint32_t item) const;
  // The codes of one list.
  Result<std::span<const uint32_t>> ListCodes(uint32_t item) const;

  Result<std::string_view> Text(uint32_t code) const;
  // The first code whose text is not less than `text`, or, with `after`, is greater.
  Result<uint32_t> LowerBound(std::string_view text, bool after = false) const;
  // Of the distinct numbers, which has_number_keys() columns have; floats as OrderedBits.
  uint32_t LowerBoundNumber(int64_t number, bool after = false) const;
  // The key that is equal, by the hash table where there is one.
  Result<std::optional<uint32_t>> FindText(std::string_view text) const;
  Result<std::optional<uint32_t>> FindNumber(int64_t number) const;

  // The items of the keys, by key and then item. Only where has_order().
  Result<std::span<const uint32_t>> ItemsOf(KeyRange keys) const;
  // Only where has_bitmaps().
  Status AddBitmap(uint32_t key, ItemBits& bits) const;

  Status Damaged() const;

 private:
  template <typename IsKey>
  Result<std::optional<uint32_t>> FindSlot(uint64_t hash, IsKey is_key) const;

  const FieldSpec spec_;
  const uint32_t items_;
  const uint32_t keys_count_;
  std::span<const uint64_t> nulls_;
  std::span<const int64_t> numbers_;
  std::span<const double> floats_;
  std::span<const uint64_t> truths_;
  std::span<const uint32_t> codes_;
  std::span<const uint32_t> list_starts_;
  std::span<const uint32_t> list_codes_;
  std::span<const uint32_t> string_starts_;
  std::string_view strings_;
  std::vector<std::span<const int64_t>> levels_;  // The keys, and the levels above them.
  std::span<const uint32_t> starts_;
  std::span<const uint32_t> order_;
  std::span<const uint32_t> slots_;
  std::span<const uint64_t> bitmap_starts_;
  std::span<const std::byte> bitmaps_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_COLUMN_VIEW_H_
