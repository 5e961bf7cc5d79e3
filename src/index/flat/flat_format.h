// SPDX-License-Identifier: Apache-2.0
//
// FlatLayout says where each part of a FLAT index lies in its bytes. docs/formats/index-flat.md is the same in words.
#ifndef RAGTIME_INDEX_FLAT_FLAT_FORMAT_H_
#define RAGTIME_INDEX_FLAT_FLAT_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "index/kernels/kernels.h"

namespace ragtime {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and read in place");

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

// What the first pass knows of a row besides its codes; x is the vector, m the mean, c the codes.
struct FlatRow {
  float scale;      // x - m is about scale * c.
  float error;      // At least |x - m - scale * c|.
  float code_norm;  // At least |scale * c|.
  float offset;     // <m, x - m>; for l2 -|x - m|^2.
};
static_assert(sizeof(FlatRow) == 16 && std::is_trivially_copyable_v<FlatRow>);

struct FlatLayout {
  uint64_t mean = 0;   // float[dimension]
  uint64_t rows = 0;   // FlatRow[rows]
  uint64_t codes = 0;  // int8[rows][code_stride]
  uint64_t size = 0;

  static constexpr uint64_t Align(uint64_t offset) { return (offset + 63) / 64 * 64; }
  static constexpr uint32_t CodeStride(uint64_t rows, uint64_t dimension) {
    return rows < kFlatCodedRowsMin ? 0
                                    : static_cast<uint32_t>((dimension + kCodeStride - 1) / kCodeStride * kCodeStride);
  }
  // Cannot overflow: rows < 2^32 and dimension <= kCodesMax.
  static constexpr FlatLayout Of(uint64_t row_count, uint64_t dimension) {
    FlatLayout layout;
    layout.mean = sizeof(FlatHeader);
    const uint32_t stride = CodeStride(row_count, dimension);
    if (stride == 0) {
      layout.rows = layout.codes = layout.size = layout.mean;
      return layout;
    }
    layout.rows = Align(layout.mean + dimension * sizeof(float));
    layout.codes = Align(layout.rows + row_count * sizeof(FlatRow));
    layout.size = layout.codes + row_count * stride;
    return layout;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_FLAT_FLAT_FORMAT_H_
