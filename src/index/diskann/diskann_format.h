// SPDX-License-Identifier: Apache-2.0
//
// DiskannLayout says where each part of a DISKANN index lies in its bytes. docs/formats/index-diskann.md is the same in
// words.
#ifndef RAGTIME_INDEX_DISKANN_DISKANN_FORMAT_H_
#define RAGTIME_INDEX_DISKANN_DISKANN_FORMAT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "index/diskann/disk_reader.h"
#include "index/diskann/short_codes.h"
#include "index/hnsw/hnsw_format.h"
#include "index/kernels/coded_rows.h"

namespace ragtime {

inline constexpr char kDiskannMagic[8] = {'R', 'T', 'D', 'I', 'S', 'K', '\r', '\n'};
inline constexpr uint32_t kDiskannVersion = 1;

struct DiskannHeader {
  char magic[8];
  uint32_t version;
  uint32_t metric;  // 0 cosine, 1 inner product, 2 l2.
  uint64_t rows;
  uint32_t dimension;
  uint32_t links;            // M: links of a row in an upper level; level 0 has twice as many.
  uint32_t ef_construction;  // What the graph was built with.
  uint32_t has_graph;        // 0: fewer than kHnswGraphRowsMin rows, the header is all.
  double norm_max;           // No vector is longer.
  uint32_t bits;             // Of a dimension in the short codes: 1, 2 or 4.
  uint32_t reserved;         // 0
  uint64_t header_hash;      // Hash64 of the bytes before it.
};
static_assert(sizeof(DiskannHeader) == 64 && std::is_trivially_copyable_v<DiskannHeader>);

// A record holds what a walk reads of a row, in this order; the codes are as in FLAT, one a byte.
struct RecordHead {
  CodedRow coded;
  uint32_t row;  // Whose record it is; they follow each other in the order of rows.
  // uint32[2 * links]: rows linked to, nearest first; a list that is not full ends with kNoRow.
  // int8[CodeStride(dimension)]
};
static_assert(sizeof(RecordHead) == 20 && std::is_trivially_copyable_v<RecordHead>);

// All but the blocks is mapped and stays in memory. Levels and places are those of HNSW.
struct DiskannLayout {
  HnswLayout graph;  // levels, places and links; not its offsets.

  uint64_t mean = 0;                                      // float[dimension]
  uint64_t short_rows = 0;                                // ShortRow[rows]
  uint64_t short_codes = 0;                               // uint8[rows][ShortCodes::Stride]
  uint64_t twins = 0;                                     // uint32[rows]: the next row with the same 8-bit codes.
  uint64_t rows = 0;                                      // uint32[places[0]]: the row of each place.
  std::array<uint64_t, kHnswLevelsMax> level_links = {};  // uint32[places[l]][links]: places linked to.
  uint64_t resident = 0;                                  // Where these end.
  uint64_t blocks = 0;                                    // Whole sectors.
  uint64_t size = 0;

  uint32_t record_bytes = 0;
  uint32_t records_per_block = 0;
  uint32_t block_bytes = 0;
  uint32_t block_count = 0;

  // Cannot overflow: row_count < 2^32, dimension <= kCodesMax, links <= kHnswLinksMax.
  static constexpr DiskannLayout Of(uint64_t row_count, uint64_t dimension, uint32_t links, uint32_t bits) {
    DiskannLayout layout;
    layout.graph = HnswLayout::Of(row_count, dimension, links);
    constexpr auto align = CodedLayout::Align;
    layout.mean = sizeof(DiskannHeader);
    layout.short_rows = align(layout.mean + dimension * sizeof(float));
    layout.short_codes = align(layout.short_rows + row_count * sizeof(ShortRow));
    layout.twins = align(layout.short_codes + row_count * ShortCodes::Stride(dimension, bits));
    layout.rows = align(layout.twins + row_count * sizeof(uint32_t));
    uint64_t end = layout.rows + layout.graph.places[0] * sizeof(uint32_t);
    for (size_t l = 0; l < layout.graph.levels; ++l) {
      layout.level_links[l] = align(end);
      end = layout.level_links[l] + uint64_t{layout.graph.places[l]} * links * sizeof(uint32_t);
    }
    layout.resident = end;
    layout.record_bytes =
        static_cast<uint32_t>(sizeof(RecordHead) + 2 * links * sizeof(uint32_t) + CodedLayout::CodeStride(dimension));
    constexpr uint64_t sector = DiskReader::kSector;
    layout.records_per_block = std::max<uint32_t>(sector / layout.record_bytes, 1);
    layout.block_bytes = static_cast<uint32_t>((uint64_t{layout.records_per_block} * layout.record_bytes + sector - 1) /
                                               sector * sector);
    layout.block_count = static_cast<uint32_t>((row_count + layout.records_per_block - 1) / layout.records_per_block);
    layout.blocks = (end + sector - 1) / sector * sector;
    layout.size = layout.blocks + uint64_t{layout.block_count} * layout.block_bytes;
    return layout;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_DISKANN_FORMAT_H_
