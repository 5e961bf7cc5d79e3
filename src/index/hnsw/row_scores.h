// SPDX-License-Identifier: Apache-2.0
//
// RowScores says how near two rows are, as building a graph needs it.
//
// Threads: immutable; every method may be called concurrently.
#ifndef RAGTIME_INDEX_HNSW_ROW_SCORES_H_
#define RAGTIME_INDEX_HNSW_ROW_SCORES_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/hnsw/walk.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/kernels.h"
#include "ragtime/index.h"

namespace ragtime {

// Scores between two rows as the walk needs them: higher is nearer. For kInnerProduct every vector is taken to have one
// more dimension that makes all of them equally long, so that near has one meaning for all pairs; a query has 0 there,
// and so its order of the rows is that of the inner products.
class RowScores {
 public:
  RowScores(const CodedRows& coded, Metric metric, double norm_max)
      : coded_(coded), stride_(CodedLayout::CodeStride(coded.vectors().dimension)), l2_(metric == Metric::kL2) {
    if (!l2_) {
      double square = 0;
      for (const float value : coded.mean()) square += double{value} * value;
      zero_ = static_cast<float>(norm_max * norm_max - square);
    }
    if (metric != Metric::kInnerProduct) return;
    const VectorMatrix& vectors = coded.vectors();
    heights_.resize(vectors.rows);
    for (size_t r = 0; r < vectors.rows; ++r) {
      double square = 0;
      for (const float value : vectors.row(r)) square += double{value} * value;
      heights_[r] = static_cast<float>(std::sqrt(std::max(0.0, norm_max * norm_max - square)));
    }
  }

  // The score of no distance: what is missing to it is half the square of the distance.
  float zero() const { return zero_; }

  // At most kLinksOfRowMax rows.
  void Of(uint32_t row, std::span<const uint32_t> others, float* scores) const {
    int32_t products[kLinksOfRowMax];
    BestKernels().dot_listed_codes(coded_.codes(row), coded_.codes(0), stride_, others.data(), others.size(), products);
    for (size_t i = 0; i < others.size(); ++i) scores[i] = Score(row, others[i], products[i]);
  }

 private:
  float Score(uint32_t a, uint32_t b, int32_t product) const {
    const CodedRow& x = coded_.row(a);
    const CodedRow& y = coded_.row(b);
    const float inner = x.scale * y.scale * static_cast<float>(product);
    const float offsets = x.offset + y.offset;
    if (l2_) return 0.5f * offsets + inner;
    return heights_.empty() ? offsets + inner : offsets + inner + heights_[a] * heights_[b];
  }

  const CodedRows& coded_;
  const uint32_t stride_;
  const bool l2_;
  float zero_ = 0;
  std::vector<float> heights_;  // Of kInnerProduct.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_ROW_SCORES_H_
