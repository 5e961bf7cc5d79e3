// SPDX-License-Identifier: Apache-2.0
//
// A Frontier is the best rows that a walk over a graph has met, and which of them it has not followed yet;
// VisitedRows are all rows that it has met.
//
// Threads: one thread.
#ifndef RAGTIME_INDEX_HNSW_FRONTIER_H_
#define RAGTIME_INDEX_HNSW_FRONTIER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ragtime {

struct MetRow {
  float score = 0;
  uint32_t row = 0;
  bool followed = false;
};

class Frontier {
 public:
  // Keeps `size` rows, at least 1.
  explicit Frontier(size_t size) : size_(size), rows_(size + 1) {}

  void Clear() { count_ = next_ = 0; }
  bool full() const { return count_ == size_; }
  // Best first; equal scores in the order in which they came.
  std::span<const MetRow> rows() const { return {rows_.data(), count_}; }
  // Whether a row with this score would be kept. Never one that is not a number.
  bool Takes(float score) const { return full() ? score > worst_ : score == score; }

  void Offer(uint32_t row, float score) {
    if (!Takes(score)) return;
    // Not a library's search: whatever the scores are, it stays within the rows.
    size_t low = 0;
    for (size_t high = count_; low < high;) {
      const size_t middle = (low + high) / 2;
      if (rows_[middle].score >= score) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    std::copy_backward(rows_.begin() + static_cast<std::ptrdiff_t>(low),
                       rows_.begin() + static_cast<std::ptrdiff_t>(count_),
                       rows_.begin() + static_cast<std::ptrdiff_t>(count_ + 1));
    rows_[low] = {score, row, false};
    if (count_ < size_) ++count_;
    worst_ = rows_[count_ - 1].score;
    next_ = std::min(next_, low);
  }

  // The best row that was not given yet; false if there is none.
  bool Next(uint32_t& row) {
    while (next_ < count_ && rows_[next_].followed) ++next_;
    if (next_ == count_) return false;
    rows_[next_].followed = true;
    row = rows_[next_].row;
    return true;
  }

 private:
  const size_t size_;
  std::vector<MetRow> rows_;  // One more than are kept, for the one that falls out.
  size_t count_ = 0;
  size_t next_ = 0;  // All before it were followed.
  float worst_ = 0;  // The score of the last.
};

class VisitedRows {
 public:
  explicit VisitedRows(size_t rows) { Fit(rows); }
  // Takes so many rows from now on, or more.
  void Fit(size_t rows) {
    if (words_.size() < (rows + 63) / 64) words_.resize((rows + 63) / 64);
  }

  // False if it was visited before.
  bool Insert(uint32_t row) {
    uint64_t& word = words_[row / 64];
    const uint64_t bit = uint64_t{1} << (row % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    rows_.push_back(row);
    return true;
  }
  size_t count() const { return rows_.size(); }
  // Costs as much as there are rows in it.
  void Clear() {
    for (const uint32_t row : rows_) words_[row / 64] = 0;
    rows_.clear();
  }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> rows_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_FRONTIER_H_
