// SPDX-License-Identifier: Apache-2.0
//
// TopHits keeps the best `limit` of the rows offered to it: higher scores first, equal ones by ascending row.
#ifndef RAGTIME_INDEX_KERNELS_TOP_HITS_H_
#define RAGTIME_INDEX_KERNELS_TOP_HITS_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

class TopHits {
 public:
  explicit TopHits(size_t limit) : limit_(limit) {}

  bool full() const { return hits_.size() >= limit_; }
  // The hit that the next better one would replace. Requires full() and a limit above 0.
  const RowHit& worst() const { return hits_.front(); }

  void Offer(RowHit hit) {
    if (!full()) {
      hits_.push_back(hit);
      std::push_heap(hits_.begin(), hits_.end(), IsBetter);
    } else if (limit_ > 0 && IsBetter(hit, worst())) {
      std::pop_heap(hits_.begin(), hits_.end(), IsBetter);
      hits_.back() = hit;
      std::push_heap(hits_.begin(), hits_.end(), IsBetter);
    }
  }

  // Best first; the collection is empty afterwards.
  std::vector<RowHit> Take() {
    std::sort_heap(hits_.begin(), hits_.end(), IsBetter);
    return std::exchange(hits_, {});
  }

  static bool IsBetter(const RowHit& a, const RowHit& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  }

 private:
  size_t limit_;
  std::vector<RowHit> hits_;  // A heap with the worst in front.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_TOP_HITS_H_
