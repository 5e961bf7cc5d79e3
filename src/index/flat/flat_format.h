// SPDX-License-Identifier: Apache-2.0
//
// FlatLayout says where each part of a FLAT index lies in its bytes. docs/formats/index-flat.md is the same in words.
#ifndef RAGTIME_INDEX_FLAT_FLAT_FORMAT_H_
#define RAGTIME_INDEX_FLAT_FLAT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "index/kernels/coded_rows.h"

namespace ragtime {

inline constexpr char kFlatMagic[8] = {'R', 'T', 'F', 'L', 'A', 'T', '\r', '\n'};
inline constexpr uint32_t kFlatVersion = 1;
// Fewer rows are scanned exactly: their vectors are read in less time than the bounds take to set up.
inline constexpr uint64_t kFlatCodedRowsMin = 256;

struct FlatHeader {
  char magic[8];
  uint32_t version;
  uint32_t metric;  // 0 cosine, 1 inner product, 2 l2.
  uint64_t rows;
  uint32_t dimension;
  uint32_t code_stride;  // Bytes of one row's codes; 0: no codes, the header is all.
  double norm_max;       // No vector is longer.
  uint64_t reserved[2];  // 0
  uint64_t header_hash;  // Hash64 of the bytes before it.
};
static_assert(sizeof(FlatHeader) == 64 && std::is_trivially_copyable_v<FlatHeader>);

struct FlatLayout {
  static constexpr uint32_t CodeStride(uint64_t rows, uint64_t dimension) {
    return rows < kFlatCodedRowsMin ? 0 : CodedLayout::CodeStride(dimension);
  }
  // Of an index with codes.
  static constexpr CodedLayout Codes(uint64_t rows, uint64_t dimension) {
    return CodedLayout::Of(sizeof(FlatHeader), rows, dimension);
  }
  static constexpr uint64_t Size(uint64_t rows, uint64_t dimension) {
    return CodeStride(rows, dimension) == 0 ? sizeof(FlatHeader) : Codes(rows, dimension).size;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_FLAT_FLAT_FORMAT_H_
