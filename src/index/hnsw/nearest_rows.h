// SPDX-License-Identifier: Apache-2.0
//
// NearestRows is a Frontier with eight bytes a row: the best rows that a walk has met, and which of them it has not
// followed yet.
//
// Threads: one thread.
#ifndef RAGTIME_INDEX_HNSW_NEAREST_ROWS_H_
#define RAGTIME_INDEX_HNSW_NEAREST_ROWS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace ragtime {

struct NearRow {
  uint32_t row = 0;
  float score = 0;
};

class NearestRows {
 public:
  static constexpr uint32_t kRowsMax = uint32_t{1} << 31;

  // Keeps `size` rows from now on, at least 1; none is met yet.
  void Clear(size_t size) {
    size_ = size;
    count_ = next_ = 0;
    bar_ = -std::numeric_limits<float>::infinity();
    if (keys_.size() <= size) keys_.resize(size + 1);
  }
  // Rows with a score up to this one are not kept.
  float bar() const { return bar_; }

  size_t count() const { return count_; }
  // The i-th best of those that are kept.
  NearRow At(size_t i) const { return NearRowOf(keys_[i]); }

  // The row is below kRowsMax, and its score above bar().
  void Offer(uint32_t row, float score) {
    const uint64_t key = KeyOf(row, score);
    // The keys before `at` are larger. A branch would be mistaken half of the time.
    const uint64_t* at = keys_.data();
    for (size_t left = count_; left > 0;) {
      const size_t half = (left + 1) / 2;
      at += half & (size_t{0} - static_cast<size_t>(at[half - 1] > key));
      left -= half;
    }
    const auto low = static_cast<size_t>(at - keys_.data());
    std::memmove(&keys_[low + 1], &keys_[low], (count_ - low) * sizeof(uint64_t));
    keys_[low] = key;
    count_ += count_ < size_ ? 1 : 0;
    if (count_ == size_) bar_ = NearRowOf(keys_[count_ - 1]).score;
    next_ = std::min(next_, low);
  }

  // The best row that was not given yet; false if there is none.
  bool Next(NearRow& row) {
    while (next_ < count_ && (keys_[next_] & kOpen) == 0) ++next_;
    if (next_ == count_) return false;
    row = NearRowOf(keys_[next_]);
    keys_[next_++] ^= kOpen;
    return true;
  }

 private:
  static constexpr uint64_t kOpen = 1;
  static constexpr uint32_t kSign = uint32_t{1} << 31;

  // Higher scores are larger numbers, then lower rows; the last bit says that the row was not given yet.
  static uint64_t KeyOf(uint32_t row, float score) {
    const auto bits = std::bit_cast<uint32_t>(score);
    const uint32_t ordered = (bits & kSign) != 0 ? ~bits : bits | kSign;
    return uint64_t{ordered} << 32 | (kRowsMax - 1 - row) << 1 | kOpen;
  }
  static NearRow NearRowOf(uint64_t key) {
    const auto ordered = static_cast<uint32_t>(key >> 32);
    const uint32_t bits = (ordered & kSign) != 0 ? ordered & ~kSign : ~ordered;
    return {kRowsMax - 1 - (static_cast<uint32_t>(key) >> 1), std::bit_cast<float>(bits)};
  }

  size_t size_ = 1;
  std::vector<uint64_t> keys_;  // Best first. One more than are kept, for the one that falls out.
  size_t count_ = 0;
  size_t next_ = 0;  // All before it were given.
  float bar_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_NEAREST_ROWS_H_
