// SPDX-License-Identifier: Apache-2.0
//
// Smallest keeps the first `limit` of the entries offered to it, by a strict order. One thread at a time.
#ifndef RAGTIME_INDEX_SCALAR_SMALLEST_H_
#define RAGTIME_INDEX_SCALAR_SMALLEST_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace ragtime {

// `limit` is at least 1, and twice as much does not overflow.
template <typename Entry, typename Less>
class Smallest {
 public:
  Smallest(size_t limit, Less less) : limit_(limit), less_(less) {}

  void Offer(const Entry& entry) {
    if (has_bound_ && !less_(entry, bound_)) return;
    kept_.push_back(entry);
    // Twice the limit, so that each cut is paid for by as many offers.
    if (kept_.size() >= std::max<size_t>(limit_ * 2, 1024)) Cut();
  }
  std::vector<Entry> Take() && {
    if (kept_.size() > limit_) Cut();
    std::sort(kept_.begin(), kept_.end(), less_);
    return std::move(kept_);
  }

 private:
  void Cut() {
    std::nth_element(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(limit_ - 1), kept_.end(), less_);
    kept_.resize(limit_);
    bound_ = kept_.back();
    has_bound_ = true;
  }

  const size_t limit_;
  const Less less_;
  std::vector<Entry> kept_;
  Entry bound_ = {};
  bool has_bound_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_SMALLEST_H_
