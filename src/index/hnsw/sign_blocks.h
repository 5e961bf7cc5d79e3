// SPDX-License-Identifier: Apache-2.0
//
// SignBlocks keep, at each row of the graph, one bit a dimension of where each of its links lies from there, so that
// one look at the row says which links lead towards a query (RaBitQ codes at the vertices, as SymphonyQG has them).
//
// A random rotation R spreads every difference over all dimensions. With s the signs of r = R(n - v), the inner product
// of r with any other vector y is about |r|^2 / |r|_1 * <s, y>; <s, R q> is a sum of tables of the query alone.
// docs/formats/index-hnsw-fast.md has the bytes.
//
// Threads: immutable once made. Errors: none; damaged bytes give wrong scores.
#ifndef RAGTIME_INDEX_HNSW_SIGN_BLOCKS_H_
#define RAGTIME_INDEX_HNSW_SIGN_BLOCKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/kernels/fast_scan.h"
#include "index/kernels/rotation.h"
#include "ragtime/index.h"

namespace ragtime {

// A row has a block for each 32 of its links.
struct SignLayout {
  size_t dimensions = 0;  // Of the rotated vectors, a multiple of 16.
  size_t blocks = 0;      // Of a row.
  size_t block_size = 0;  // Bytes: factors, then codes.

  static constexpr SignLayout Of(size_t dimension, size_t links_of_row) {
    // In fewer than 64 dimensions signs say little.
    const size_t padded = std::max<size_t>((dimension + kScanDimensions - 1) / kScanDimensions * kScanDimensions, 64);
    return {padded, (links_of_row + kScanRows - 1) / kScanRows, sizeof(ScanFactors) + padded / 4 * kScanTable};
  }
  size_t groups() const { return dimensions / 4; }
  size_t row_size() const { return blocks * block_size; }
};

// out = R(x - mean), with zeros behind the dimensions of x; `out` has the dimensions of the rotation.
void RotateFromMean(const Rotation& rotation, std::span<const float> x, std::span<const float> mean,
                    std::span<float> out);

// The tables of one query.
class SignQuery {
 public:
  SignQuery(const SignLayout& layout, const Rotation& rotation, std::span<const float> query,
            std::span<const float> mean);
  FastScanQuery scan() const { return {tables_.data(), groups_, unit_, shift_}; }

 private:
  const size_t groups_;
  std::vector<uint8_t> tables_;
  float unit_ = 0;
  float shift_ = 0;
};

// Writes the blocks of every row. `bottom` are its links, `links_of_row` of each row; ended by kNoRow.
Status WriteSignBlocks(const Context& context, VectorMatrix vectors, Metric metric, std::span<const float> mean,
                       std::span<const uint32_t> bottom, size_t links_of_row, size_t threads, std::byte* blocks);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_SIGN_BLOCKS_H_
