// SPDX-License-Identifier: Apache-2.0
//
// HnswLayout says where each part of an HNSW index lies in its bytes. docs/formats/index-hnsw.md is the same in words.
#ifndef RAGTIME_INDEX_HNSW_HNSW_FORMAT_H_
#define RAGTIME_INDEX_HNSW_HNSW_FORMAT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "index/kernels/coded_rows.h"

namespace ragtime {

inline constexpr char kHnswMagic[8] = {'R', 'T', 'H', 'N', 'S', 'W', '\r', '\n'};
inline constexpr uint32_t kHnswVersion = 2;
// Has codes of 8 bits. HNSW_FAST holds an index of this version, and so do vectors of few dimensions, whose codes of 4
// bits would be no smaller.
inline constexpr uint32_t kHnswVersionOf8Bits = 1;
inline constexpr uint32_t kHnsw8BitDimensionsMax = 64;
// Fewer rows have no graph: they are scanned exactly.
inline constexpr uint64_t kHnswGraphRowsMin = 256;
inline constexpr uint32_t kHnswLinksMin = 4;
inline constexpr uint32_t kHnswLinksMax = 128;
inline constexpr size_t kHnswLevelsMax = 16;
// Ends a list of links that is not full, and a chain of twins.
inline constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

inline constexpr uint32_t HnswBitsOf(uint32_t version) { return version == kHnswVersionOf8Bits ? 8 : 4; }

struct HnswHeader {
  char magic[8];
  uint32_t version;
  uint32_t metric;  // 0 cosine, 1 inner product, 2 l2.
  uint64_t rows;
  uint32_t dimension;
  uint32_t links;            // M: links of a row in an upper level; level 0 has twice as many.
  uint32_t ef_construction;  // What the graph was built with.
  uint32_t has_graph;        // 0: fewer than kHnswGraphRowsMin rows, the header is all.
  double norm_max;           // No vector is longer.
  uint64_t reserved;         // 0
  uint64_t header_hash;      // Hash64 of the bytes before it.
};
static_assert(sizeof(HnswHeader) == 64 && std::is_trivially_copyable_v<HnswHeader>);

// The places of level l are the first upper_rows[l - 1] of the order in which rows were linked, so that a row has the
// same place in every upper level.
struct HnswLayout {
  uint32_t links = 0;
  size_t levels = 0;                                 // Above level 0; at least 1.
  std::array<uint32_t, kHnswLevelsMax> places = {};  // places[l]: how many places level l + 1 has; falling.

  uint64_t bottom = 0;                                    // uint32[rows][2 * links]: rows linked to, nearest first.
  uint64_t twins = 0;                                     // uint32[rows]: the next row with the same codes of 8 bits.
  uint64_t rows = 0;                                      // uint32[places[0]]: the row of each place.
  std::array<uint64_t, kHnswLevelsMax> level_links = {};  // uint32[places[l]][links]: places linked to.
  CodedLayout codes;
  uint64_t size = 0;

  // Cannot overflow: row_count < 2^32, dimension <= kCodesMax, links <= kHnswLinksMax.
  static constexpr HnswLayout Of(uint64_t row_count, uint64_t dimension, uint32_t links, uint32_t bits = 8) {
    HnswLayout layout;
    layout.links = links;
    uint64_t places = std::max<uint64_t>(row_count / links, 1);
    do {
      layout.places[layout.levels++] = static_cast<uint32_t>(places);
      places /= links;
    } while (layout.places[layout.levels - 1] > links && layout.levels < kHnswLevelsMax);
    layout.bottom = sizeof(HnswHeader);
    layout.twins = CodedLayout::Align(layout.bottom + row_count * 2 * links * sizeof(uint32_t));
    layout.rows = CodedLayout::Align(layout.twins + row_count * sizeof(uint32_t));
    uint64_t end = layout.rows + layout.places[0] * sizeof(uint32_t);
    for (size_t l = 0; l < layout.levels; ++l) {
      layout.level_links[l] = CodedLayout::Align(end);
      end = layout.level_links[l] + uint64_t{layout.places[l]} * links * sizeof(uint32_t);
    }
    layout.codes = CodedLayout::Of(CodedLayout::Align(end), row_count, dimension, bits);
    layout.size = layout.codes.size;
    return layout;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_HNSW_FORMAT_H_
