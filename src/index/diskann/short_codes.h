// SPDX-License-Identifier: Apache-2.0
//
// ShortCodes are codes of 1, 2 or 4 bits for each dimension of a segment's vectors: few enough to stay in memory, and
// good enough to say which rows are worth reading.
//
// A vector less the mean is rotated, so that all dimensions weigh about the same, and each dimension is rounded to one
// of 2^bits odd numbers times a scale. What is lost lies across the vector (Gao and Long, RaBitQ, 2024), so that the
// estimate is right on average, and its error has a known standard deviation for a direction taken at random.
//
// Threads: immutable; every method may be called concurrently. Bytes that are damaged make answers wrong, but nothing
// outside of them is read.
#ifndef RAGTIME_INDEX_DISKANN_SHORT_CODES_H_
#define RAGTIME_INDEX_DISKANN_SHORT_CODES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "index/kernels/coded_rows.h"
#include "index/kernels/rotation.h"
#include "ragtime/index.h"

namespace ragtime {

// What is known of a row besides its code; x is the vector, m the mean, c the code.
struct ShortRow {
  float scale;   // x - m, rotated, is about scale * c.
  float offset;  // <m, x - m>; for l2 -|x - m|^2.
  float error;   // |x - m - scale * c| / sqrt(dimension).
};
static_assert(sizeof(ShortRow) == 12 && std::is_trivially_copyable_v<ShortRow>);

// A query in the terms of the codes, for one search.
struct ShortQuery {
  std::vector<int8_t> codes;
  float offset = 0;
  float factor = 0;
  float margin = 0;              // A score is hardly ever further from its estimate than this times the row's error.
  std::vector<int8_t> unpacked;  // Room for codes of rows.
};

class ShortCodes {
 public:
  static constexpr bool IsKnown(uint32_t bits) { return bits == 1 || bits == 2 || bits == 4; }
  // Bytes of the code of one row.
  static constexpr uint32_t Stride(uint64_t dimension, uint32_t bits) {
    return CodedLayout::CodeStride(dimension) * bits / 8;
  }

  // Nothing is read before a search. All must outlive it.
  ShortCodes(const ShortRow* rows, const uint8_t* codes, std::span<const float> mean, Metric metric, uint32_t bits)
      : rows_(rows),
        codes_(codes),
        mean_(mean),
        metric_(metric),
        bits_(bits),
        stride_(CodedLayout::CodeStride(mean.size())),
        rotation_(mean.size()) {}

  static void Write(VectorMatrix vectors, std::span<const float> mean, Metric metric, uint32_t bits, ShortRow* rows,
                    uint8_t* codes);

  ShortQuery Code(std::span<const float> query) const;
  // estimates[i] is about the score of rows[i].
  void Estimate(ShortQuery& query, std::span<const uint32_t> rows, float* estimates) const;
  // Whether all that is known of both is the same, as of equal vectors.
  bool AreEqual(uint32_t a, uint32_t b) const;
  float MarginOf(const ShortQuery& query, uint32_t row) const { return query.margin * rows_[row].error; }

 private:
  const ShortRow* const rows_;
  const uint8_t* const codes_;
  const std::span<const float> mean_;
  const Metric metric_;
  const uint32_t bits_;
  const uint32_t stride_;  // Of unpacked codes.
  const Rotation rotation_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_SHORT_CODES_H_
