// SPDX-License-Identifier: Apache-2.0
//
// CodedRows is the codes of a segment's vectors, of 8 or 4 bits a dimension, with bounds on every score that they give
// and the exact vectors behind them. FLAT scans them, HNSW walks over them. docs/formats/index-flat.md has the bytes
// and the proof of the bounds, docs/formats/index-hnsw.md what is different with 4 bits.
//
// Threads: immutable; every method may be called concurrently. Errors: those of the context. Bytes that are damaged
// make answers wrong, but nothing outside of them is read.
#ifndef RAGTIME_INDEX_KERNELS_CODED_ROWS_H_
#define RAGTIME_INDEX_KERNELS_CODED_ROWS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "index/kernels/half_codes.h"
#include "index/kernels/kernels.h"
#include "index/kernels/rotation.h"
#include "ragtime/index.h"

namespace ragtime {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and read in place");

// What is known of a row besides its codes; x is the vector, m the mean, c the codes. With 4 bits x - m is rotated.
struct CodedRow {
  float scale;      // x - m is about scale * c.
  float error;      // At least |x - m - scale * c|.
  float code_norm;  // At least |scale * c|.
  float offset;     // <m, x - m>; for l2 -|x - m|^2.
};
static_assert(sizeof(CodedRow) == 16 && std::is_trivially_copyable_v<CodedRow>);

// Where each part lies, from the start of the index's bytes. `start` is a multiple of 64.
struct CodedLayout {
  uint64_t mean = 0;   // float[dimension]
  uint64_t rows = 0;   // CodedRow[rows]
  uint64_t codes = 0;  // int8[rows][CodeStride(dimension)], or half as many bytes of half codes (half_codes.h).
  uint64_t size = 0;   // Where the codes end.
  uint32_t bits = 8;   // Of a code: 8 or 4.

  static constexpr uint64_t Align(uint64_t offset) { return (offset + 63) / 64 * 64; }
  // The codes of a row, those behind the dimensions included.
  static constexpr uint32_t CodeStride(uint64_t dimension, uint32_t bits = 8) {
    const uint64_t block = bits == 4 ? kHalfCodeBlock : kCodeStride;
    return static_cast<uint32_t>((dimension + block - 1) / block * block);
  }
  // Cannot overflow: rows < 2^32, dimension <= kCodesMax, and `start` below 2^48.
  static constexpr CodedLayout Of(uint64_t start, uint64_t row_count, uint64_t dimension, uint32_t bits = 8) {
    CodedLayout layout;
    layout.mean = start;
    layout.rows = Align(layout.mean + dimension * sizeof(float));
    layout.codes = Align(layout.rows + row_count * sizeof(CodedRow));
    layout.size = layout.codes + row_count * (CodeStride(dimension, bits) * bits / 8);
    layout.bits = bits;
    return layout;
  }
};

// A query in the terms of the codes: for every row, with 4 bits for all but about one in 30,000,
//   |exact score - (offset + query_offset + factor * scale * <codes, row's codes>)| <= norm * error + code_error *
//   code_norm + slack.
struct CodedQuery {
  std::vector<int8_t> codes;
  float query_offset = 0;
  float factor = 0;
  float norm = 0;
  float code_error = 0;
  float slack = 0;
};

// With a rotation for codes of 4 bits.
CodedQuery CodeQuery(std::span<const float> query, std::span<const float> mean, Metric metric, double norm_max,
                     const Rotation* rotation = nullptr);
// What the codes say of a row's score, from the inner product of both codes, and how far off that can be.
inline float EstimateOf(const CodedQuery& query, const CodedRow& row, int32_t product) {
  return row.offset + query.query_offset + query.factor * row.scale * static_cast<float>(product);
}
inline float BoundOf(const CodedQuery& query, const CodedRow& row) {
  return query.norm * row.error + query.code_error * row.code_norm + query.slack;
}

struct Candidate {
  uint32_t row;
  float upper;  // No exact score of the row is larger.
};

class CodedRows {
 public:
  // `bytes` hold what `layout` says; none is read before a search. Both must outlive it.
  CodedRows(std::span<const std::byte> bytes, const CodedLayout& layout, VectorMatrix vectors, Metric metric,
            double norm_max)
      : vectors_(vectors),
        metric_(metric),
        norm_max_(norm_max),
        bits_(layout.bits),
        code_count_(CodedLayout::CodeStride(vectors.dimension, layout.bits)),
        stride_(code_count_ * layout.bits / 8),
        mean_(reinterpret_cast<const float*>(bytes.data() + layout.mean)),
        rows_(reinterpret_cast<const CodedRow*>(bytes.data() + layout.rows)),
        codes_(reinterpret_cast<const int8_t*>(bytes.data() + layout.codes)) {
    if (bits_ == 4) rotation_.emplace(vectors.dimension);
  }

  // Writes what `layout` says into `bytes`. The vectors are those that CheckVectors let pass.
  static void Write(VectorMatrix vectors, Metric metric, const CodedLayout& layout, std::span<std::byte> bytes);

  const VectorMatrix& vectors() const { return vectors_; }
  std::span<const float> mean() const { return {mean_, vectors_.dimension}; }
  const CodedRow& row(uint32_t r) const { return rows_[r]; }
  // Those of 8 bits; of 4 bits the first byte.
  const int8_t* codes(uint32_t r) const { return codes_ + size_t{r} * stride_; }

  // Has the codes of a row read before they are needed.
  void ReadCodesSoon(uint32_t r) const;

  // Has what Estimate reads of the row on its way to the caches. Inlined, since GCC 12 takes a function that only
  // prefetches for one without effect and drops the call.
  [[gnu::always_inline]] void PrefetchCodes(uint32_t r) const {
    __builtin_prefetch(rows_ + r);
    const int8_t* codes_of_row = codes(r);
    for (size_t i = 0; i < stride_; i += 64) __builtin_prefetch(codes_of_row + i);
  }

  CodedQuery Code(std::span<const float> query) const {
    return CodeQuery(query, {mean_, vectors_.dimension}, metric_, norm_max_, rotation_ ? &*rotation_ : nullptr);
  }
  // estimates[i] is about the score of rows[i], which are below vectors().rows; at most kBatchRows of them.
  static constexpr size_t kBatchRows = 1024;
  void Estimate(const CodedQuery& query, std::span<const uint32_t> rows, float* estimates) const;
  float BoundOf(const CodedQuery& query, uint32_t row) const { return ragtime::BoundOf(query, rows_[row]); }

  // The best `limit` of the selection, exactly as ScanExactly finds them (with 4 bits nearly always), but for those
  // with a lower score than `score_min`, which may be missing. A listed row that is not below vectors().rows is
  // kInvalidArgument. The query has passed CheckQuery.
  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection, float score_min) const;

  // All rows of the selection that can be among its best `limit`: at least `limit` rows have an exact score that no
  // other row's reaches. Those with a lower score than `score_min` may be missing.
  Result<std::vector<Candidate>> Scan(const Context& context, const CodedQuery& query, size_t limit,
                                      const RowSelection& selection, float score_min) const;
  // The best `limit` of the candidates by exact score, for which it reads no more vectors than it must; those below
  // `score_min` may be missing. With `from_disk` it has the vectors of all candidates read at once.
  Result<std::vector<RowHit>> ScoreExactly(const Context& context, std::span<const float> query, size_t limit,
                                           std::vector<Candidate> candidates, float score_min,
                                           bool from_disk = false) const;

 private:
  // The inner products of the query's codes with those of rows that follow each other, or are listed.
  void Products(const CodedQuery& query, uint32_t first, size_t count, int32_t* products) const;
  void Products(const CodedQuery& query, std::span<const uint32_t> rows, int32_t* products) const;

  const VectorMatrix vectors_;
  const Metric metric_;
  const double norm_max_;
  const uint32_t bits_;
  const uint32_t code_count_;
  const uint32_t stride_;             // Bytes.
  std::optional<Rotation> rotation_;  // Of 4 bits.
  const float* const mean_;
  const CodedRow* const rows_;
  const int8_t* const codes_;
};

// Scores every row of the selection from its exact vector.
Result<std::vector<RowHit>> ScanExactly(const Context& context, VectorMatrix vectors, Metric metric,
                                        std::span<const float> query, size_t limit, const RowSelection& selection);

// What an index can hold: at most 2^32 - 1 rows of 1 to kCodesMax dimensions. `type` is for the message.
Status CheckShape(VectorMatrix vectors, std::string_view type);
// The length of the longest vector, a little more; kInvalidArgument for one that is not finite or longer than 1e15.
Result<double> CheckVectors(VectorMatrix vectors);
// kInvalidArgument for another dimension, and for a query that is not finite or longer than 1e15.
Status CheckQuery(VectorMatrix vectors, std::span<const float> query);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_CODED_ROWS_H_
