// SPDX-License-Identifier: Apache-2.0
//
// ColumnLayout says where each part of a column lies in the bytes of COLUMNS. docs/formats/columns.md is the same in
// words.
#ifndef RAGTIME_INDEX_SCALAR_COLUMNS_FORMAT_H_
#define RAGTIME_INDEX_SCALAR_COLUMNS_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/hash.h"
#include "ragtime/field.h"

namespace ragtime {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and read in place");

inline constexpr char kColumnsMagic[8] = {'R', 'T', 'C', 'O', 'L', 'S', '\r', '\n'};
inline constexpr uint32_t kColumnsVersion = 1;

struct ColumnsHeader {
  char magic[8];
  uint32_t version;
  uint32_t fields;
  uint64_t items;           // Below 2^32.
  uint64_t names_size;      // Bytes of the names behind the directory.
  uint64_t size;            // Of all bytes.
  uint64_t reserved;        // 0
  uint64_t directory_hash;  // Hash64 of the directory and the names.
  uint64_t header_hash;     // Hash64 of the bytes before it.
};
static_assert(sizeof(ColumnsHeader) == 64 && std::is_trivially_copyable_v<ColumnsHeader>);

inline uint64_t ColumnsHeaderHash(const ColumnsHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(ColumnsHeader, header_hash)));
}

// One per field, in the order given to Build.
struct ColumnEntry {
  uint64_t start;          // Of the column's parts; 64 divides it.
  uint64_t strings_size;   // Bytes of the dictionary.
  uint64_t bitmaps_size;   // Bytes of all bitmaps.
  uint32_t name;           // Offset in the names.
  uint32_t name_size;      // In bytes.
  uint32_t nulls;          // Items that are null; 0: there is no part for them.
  uint32_t keys;           // Distinct values: of strings and lists always, of numbers where there is an index.
  uint32_t elements;       // Of all lists together.
  uint32_t order_entries;  // Of the order; of a list: an item stands in it once for each of its distinct elements.
  uint32_t slots;          // Of the hash table: 0 or a power of 2.
  uint8_t type;            // 0 int, 1 float, 2 bool, 3 string, 4 datetime, 5 list.
  uint8_t index;           // 0 none, 1 btree, 2 hash, 4 bitmap.
  uint16_t reserved;       // 0
  uint64_t reserved_2;     // 0
};
static_assert(sizeof(ColumnEntry) == 64 && std::is_trivially_copyable_v<ColumnEntry>);
static_assert(static_cast<int>(FieldType::kInt) == 0 && static_cast<int>(FieldType::kStringList) == 5 &&
              static_cast<int>(FieldIndex::kNone) == 0 && static_cast<int>(FieldIndex::kBitmap) == 4);

constexpr uint64_t AlignColumn(uint64_t offset, uint64_t to) { return (offset + to - 1) / to * to; }

// A search in the numbers of a column reads one block of them, and one of each level above, which holds the first
// number of each block below it; the uppermost level is one block.
inline constexpr uint64_t kKeysPerBlock = 16;

// Of all levels above `keys` numbers together.
constexpr uint64_t LevelsSize(uint64_t keys) {
  uint64_t size = 0;
  while (keys > kKeysPerBlock) {
    keys = (keys + kKeysPerBlock - 1) / kKeysPerBlock;
    size += keys;
  }
  return size;
}

// Offsets of a column's parts. A part that a column does not have is empty.
struct ColumnLayout {
  uint64_t nulls = 0;          // uint64[words]: bit set where null.
  uint64_t values = 0;         // 8 bytes each: int, float, datetime; uint64[words]: bool; uint32 codes: string.
  uint64_t list_starts = 0;    // uint32[items + 1]: where each item's codes start.
  uint64_t list_codes = 0;     // uint32[elements]
  uint64_t string_starts = 0;  // uint32[keys + 1]
  uint64_t strings = 0;        // The dictionary, in ascending order.
  uint64_t keys = 0;           // int64[keys]: the distinct numbers, ascending; floats as OrderedBits.
  uint64_t levels = 0;         // int64[LevelsSize(keys)]: the level just above the keys first.
  uint64_t starts = 0;         // uint32[keys + 1]: where each key's items start in the order.
  uint64_t order = 0;          // uint32[order_entries]: items by key, then item.
  uint64_t slots = 0;          // uint32[slots]: 0 or 1 + a key's number.
  uint64_t bitmap_starts = 0;  // uint64[keys + 1]
  uint64_t bitmaps = 0;        // One roaring bitmap for each key, portable format.
  uint64_t end = 0;

  // Cannot overflow: the counts have 32 bits, and Open compares the sizes of 64 bits with that of all bytes first.
  static constexpr ColumnLayout Of(const ColumnEntry& entry, uint64_t items) {
    const auto type = static_cast<FieldType>(entry.type);
    const auto index = static_cast<FieldIndex>(entry.index);
    const bool list = type == FieldType::kStringList;
    const bool text = list || type == FieldType::kString;
    const bool number = !text && type != FieldType::kBool;
    const bool sorted = type != FieldType::kBool && (index == FieldIndex::kBtree || index == FieldIndex::kHash);
    const bool bitmap = type != FieldType::kBool && index == FieldIndex::kBitmap;
    const uint64_t words = (items + 63) / 64;
    const uint64_t keys = entry.keys;
    uint64_t next = entry.start;
    const auto take = [&next](uint64_t size) {
      const uint64_t start = AlignColumn(next, 8);
      next = start + size;
      return start;
    };
    ColumnLayout layout;
    layout.nulls = take(entry.nulls > 0 ? words * 8 : 0);
    layout.values = take(number ? items * 8 : type == FieldType::kBool ? words * 8 : list ? 0 : items * 4);
    layout.list_starts = take(list ? (items + 1) * 4 : 0);
    layout.list_codes = take(list ? uint64_t{entry.elements} * 4 : 0);
    layout.string_starts = take(text ? (keys + 1) * 4 : 0);
    layout.strings = take(text ? entry.strings_size : 0);
    layout.keys = take(number && (sorted || bitmap) ? keys * 8 : 0);
    layout.levels = take(number && (sorted || bitmap) ? LevelsSize(keys) * 8 : 0);
    layout.starts = take(sorted ? (keys + 1) * 4 : 0);
    layout.order = take(sorted ? uint64_t{entry.order_entries} * 4 : 0);
    layout.slots = take(sorted && index == FieldIndex::kHash ? uint64_t{entry.slots} * 4 : 0);
    layout.bitmap_starts = take(bitmap ? (keys + 1) * 8 : 0);
    layout.bitmaps = take(bitmap ? entry.bitmaps_size : 0);
    layout.end = next;
    return layout;
  }
};

// A float as an integer of the same order; -0.0 becomes 0.0.
inline int64_t OrderedBits(double number) {
  const auto bits = std::bit_cast<int64_t>(number + 0.0);
  return bits ^ ((bits >> 63) & INT64_MAX);
}

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_COLUMNS_FORMAT_H_
