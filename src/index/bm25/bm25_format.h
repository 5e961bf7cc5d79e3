// SPDX-License-Identifier: Apache-2.0
//
// Bm25Layout says where each part of a BM25 index lies in its bytes. docs/formats/index-bm25.md is the same in words.
#ifndef RAGTIME_INDEX_BM25_BM25_FORMAT_H_
#define RAGTIME_INDEX_BM25_BM25_FORMAT_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/hash.h"

namespace ragtime {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and read in place");

inline constexpr char kBm25Magic[8] = {'R', 'T', 'B', 'M', '2', '5', '\r', '\n'};
inline constexpr uint32_t kBm25Version = 2;

struct Bm25Header {
  char magic[8];
  uint32_t version;
  uint16_t length_bytes;  // Of each row's length: 1, 2 or 4.
  uint16_t slot_bytes;    // Of each slot: 4 or 8.
  uint64_t rows;          // Below 2^32.
  uint64_t terms;         // Below `slots`.
  uint64_t slots;         // At least 1, below 2^32.
  uint64_t records_size;  // In bytes, with kRecordsPadding; below 2^40.
  uint64_t tokens;        // Sum of the lengths.
  uint64_t header_hash;   // Hash64 of the bytes before it.
};
static_assert(sizeof(Bm25Header) == 64 && std::is_trivially_copyable_v<Bm25Header>);

inline constexpr uint64_t kRecordsSizeMax = uint64_t{1} << 40;

inline uint64_t Bm25HeaderHash(const Bm25Header& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(Bm25Header, header_hash)));
}

// A slot of the hash table is 0, or the offset of a term's record + 1 below the lowest bits of the term's hash, as many
// as there is room for. A term lies in the first free slot from FirstSlot on, the first slot following the last.
class Bm25Slots {
 public:
  Bm25Slots(uint64_t records_size, uint32_t slot_bytes)
      : offset_bits_(static_cast<unsigned>(std::bit_width(records_size))), unused_bits_(64 - 8 * slot_bytes) {}

  // The narrowest slots that keep at least 6 bits of the hash.
  static constexpr uint16_t BytesFor(uint64_t records_size) { return std::bit_width(records_size) <= 26 ? 4 : 8; }
  static uint64_t FirstSlot(uint64_t hash, uint64_t slots) { return (hash >> 32) * slots >> 32; }

  uint64_t Value(uint64_t hash, uint64_t offset) const {
    return hash << offset_bits_ << unused_bits_ >> unused_bits_ | (offset + 1);
  }
  // Whether the slot could be of a term with that hash.
  bool Fits(uint64_t value, uint64_t hash) const { return value >> offset_bits_ == Value(hash, 0) >> offset_bits_; }
  uint64_t Offset(uint64_t value) const { return (value & ((uint64_t{1} << offset_bits_) - 1)) - 1; }

 private:
  unsigned offset_bits_;  // At most 41.
  unsigned unused_bits_;
};

// The rows of a term come in blocks of this many, the last one shorter.
inline constexpr size_t kBlockRows = 128;
// Behind the last record, so that a register can be filled wherever a value starts.
inline constexpr size_t kRecordsPadding = 64;

// One per block of a term with more than one.
struct Bm25Block {
  uint32_t last_row;
  uint32_t end;        // Of the block's bytes, from the start of the first block's.
  uint8_t row_bits;    // Of each packed gap.
  uint8_t count_bits;  // Of each packed count.
  uint8_t max_count;   // CountCode of the largest count.
  uint8_t min_length;  // LengthCode of the shortest row.
};
static_assert(sizeof(Bm25Block) == 12 && std::is_trivially_copyable_v<Bm25Block>);

// 255 stands for any larger count too.
inline constexpr uint8_t kAnyCount = 255;
constexpr uint8_t CountCode(uint32_t count) { return static_cast<uint8_t>(std::min<uint32_t>(count, kAnyCount)); }

// A length in 8 bits, rounded down: below 32 exact, then 4 bits behind the leading one.
constexpr uint8_t LengthCode(uint32_t length) {
  if (length < 16) return static_cast<uint8_t>(length);
  const unsigned shift = static_cast<unsigned>(std::bit_width(length)) - 5;
  if (shift > 14) return 255;
  return static_cast<uint8_t>(16 * (shift + 1) + (length >> shift & 15));
}
constexpr uint32_t LengthOfCode(uint8_t code) {
  if (code < 16) return code;
  return (16u + code % 16u) << (code / 16 - 1);
}

struct Bm25Layout {
  uint64_t slots = 0;    // slot_bytes each.
  uint64_t lengths = 0;  // Of each row, length_bytes each.
  uint64_t records = 0;  // Of the terms, one behind the other.
  uint64_t size = 0;

  static constexpr uint64_t Align(uint64_t offset) { return (offset + 63) / 64 * 64; }
  // Cannot overflow within the limits of Bm25Header.
  static constexpr Bm25Layout Of(const Bm25Header& header) {
    Bm25Layout layout;
    layout.slots = sizeof(Bm25Header);  // Where opening touched the page already.
    layout.lengths = Align(layout.slots + header.slots * header.slot_bytes);
    layout.records = Align(layout.lengths + header.rows * header.length_bytes);
    layout.size = layout.records + header.records_size;
    return layout;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_BM25_FORMAT_H_
