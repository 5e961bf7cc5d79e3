// SPDX-License-Identifier: Apache-2.0
//
// Bm25Layout says where each part of a BM25 index lies in its bytes. docs/formats/index-bm25.md is the same in words.
#ifndef RAGTIME_INDEX_BM25_BM25_FORMAT_H_
#define RAGTIME_INDEX_BM25_BM25_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/hash.h"

namespace ragtime {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and read in place");

inline constexpr char kBm25Magic[8] = {'R', 'T', 'B', 'M', '2', '5', '\r', '\n'};
inline constexpr uint32_t kBm25Version = 1;

struct Bm25Header {
  char magic[8];
  uint32_t version;
  uint32_t reserved;       // 0
  uint64_t rows;           // Below 2^32.
  uint64_t terms;          // Below 2^32.
  uint64_t strings_size;   // Below 2^32, in bytes.
  uint64_t postings_size;  // In bytes, with kPostingsPadding.
  uint64_t tokens;         // Sum of the lengths.
  uint64_t header_hash;    // Hash64 of the bytes before it.
};
static_assert(sizeof(Bm25Header) == 64 && std::is_trivially_copyable_v<Bm25Header>);

inline uint64_t Bm25HeaderHash(const Bm25Header& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(Bm25Header, header_hash)));
}

// One per term in ascending order of the terms' bytes, and one behind the last that holds the ends.
struct Bm25Entry {
  uint64_t postings;  // Offset of the term's first block in the postings.
  uint32_t string;    // Offset of the term in the strings; it ends where the next one starts.
  uint32_t rows;      // That hold the term.
};
static_assert(sizeof(Bm25Entry) == 16 && std::is_trivially_copyable_v<Bm25Entry>);

// Postings of a term: blocks of up to 128 rows, each
//   uint8 row_bits, uint8 count_bits, then the packed gaps between rows, then the packed counts less 1.
// The packed values follow each other from the lowest bit on, each list padded to a whole byte.
inline constexpr size_t kPostingsBlockRows = 128;
// Behind the last block, so that 8 bytes can be read wherever a value starts.
inline constexpr size_t kPostingsPadding = 8;

struct Bm25Layout {
  uint64_t lengths = 0;   // uint32[rows]: tokens of each row.
  uint64_t entries = 0;   // Bm25Entry[terms + 1]
  uint64_t strings = 0;   // The terms, one behind the other.
  uint64_t postings = 0;  // Blocks, term by term.
  uint64_t size = 0;

  static constexpr uint64_t Align(uint64_t offset) { return (offset + 63) / 64 * 64; }
  // Cannot overflow: rows, terms and strings_size are below 2^32 and postings_size below 2^62.
  static constexpr Bm25Layout Of(const Bm25Header& header) {
    Bm25Layout layout;
    layout.lengths = sizeof(Bm25Header);
    layout.entries = Align(layout.lengths + header.rows * sizeof(uint32_t));
    layout.strings = Align(layout.entries + (header.terms + 1) * sizeof(Bm25Entry));
    layout.postings = Align(layout.strings + header.strings_size);
    layout.size = layout.postings + header.postings_size;
    return layout;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_BM25_FORMAT_H_
