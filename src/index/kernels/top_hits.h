// SPDX-License-Identifier: Apache-2.0
//
// TopHits keeps the best `limit` of the rows offered to it: higher scores first, equal ones by ascending row.
#ifndef RAGTIME_INDEX_KERNELS_TOP_HITS_H_
#define RAGTIME_INDEX_KERNELS_TOP_HITS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

class TopHits {
 public:
  explicit TopHits(size_t limit) : limit_(limit) {}

  bool full() const { return keys_.size() >= limit_; }
  // The hit that the next better one would replace. Requires full() and a limit above 0.
  RowHit worst() const { return HitOf(keys_.front()); }

  void Offer(RowHit hit) {
    const uint64_t key = KeyOf(hit);
    if (!full()) {
      keys_.push_back(key);
      if (full()) std::make_heap(keys_.begin(), keys_.end(), std::greater<>());
    } else if (limit_ > 0 && key > keys_.front()) {
      ReplaceWorst(key);
    }
  }

  // Best first; the collection is empty afterwards.
  std::vector<RowHit> Take() {
    std::sort(keys_.begin(), keys_.end(), std::greater<>());
    std::vector<RowHit> hits;
    hits.reserve(keys_.size());
    for (const uint64_t key : keys_) hits.push_back(HitOf(key));
    keys_.clear();
    return hits;
  }

  static bool IsBetter(const RowHit& a, const RowHit& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  }

 private:
  // A hit as one number, greater for better: floats are ordered as their bits are, once those of negative ones are
  // turned round.
  static uint64_t KeyOf(RowHit hit) {
    const auto bits = std::bit_cast<uint32_t>(hit.score + 0.0f);  // -0 is 0.
    const uint32_t ordered = bits >> 31 != 0 ? ~bits : bits | kSign;
    return uint64_t{ordered} << 32 | ~hit.row;
  }
  static RowHit HitOf(uint64_t key) {
    const auto ordered = static_cast<uint32_t>(key >> 32);
    const uint32_t bits = (ordered & kSign) != 0 ? ordered & ~kSign : ~ordered;
    return {~static_cast<uint32_t>(key), std::bit_cast<float>(bits)};
  }

  // One way down, where popping and pushing would go down and up again.
  void ReplaceWorst(uint64_t key) {
    size_t at = 0;
    for (size_t child = 1; child < keys_.size(); child = 2 * at + 1) {
      child += child + 1 < keys_.size() && keys_[child + 1] < keys_[child];
      if (keys_[child] >= key) break;
      keys_[at] = keys_[child];
      at = child;
    }
    keys_[at] = key;
  }

  static constexpr uint32_t kSign = 0x80000000u;

  size_t limit_;
  std::vector<uint64_t> keys_;  // Once full, a heap with the worst in front.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_TOP_HITS_H_
