// SPDX-License-Identifier: Apache-2.0
//
// WindowSums adds up what the rows of a window get from one term after the other and gives out the rows with enough.
//
// Where few rows got anything they are listed and only they are looked at; otherwise every sum of the groups of rows
// that were touched. All sums are 0 when a window starts, so that starting one costs nothing.
#ifndef RAGTIME_INDEX_BM25_WINDOW_SUMS_H_
#define RAGTIME_INDEX_BM25_WINDOW_SUMS_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "index/bm25/block_kernels.h"

namespace ragtime {

// The largest window. The sums of the smallest, 16 KiB, stay in the nearest cache; few rows are added to of larger
// ones.
inline constexpr size_t kWindowRowsMin = 2048;
inline constexpr size_t kWindowRowsMax = 16384;

// Rows that may be among the best, with what they have so far. Ascending.
struct Candidates {
  size_t size = 0;
  std::array<uint32_t, kWindowRowsMax + 8> rows;  // The kernels write 8 at a time.
  std::array<double, kWindowRowsMax + 8> sums;

  // Keeps those with more than `least`.
  void KeepAbove(double least) {
    size_t kept = 0;
    for (size_t i = 0; i < size; ++i) {
      rows[kept] = rows[i];
      sums[kept] = sums[i];
      kept += sums[i] > least;
    }
    size = kept;
  }
};

class WindowSums {
 public:
  // Starts the window [first_row, first_row + rows), at most kWindowRowsMax. The last one must have been taken or
  // cleared. Only rows with more than `least`, at least 0, will be asked for.
  void Start(uint64_t first_row, size_t rows, double least) {
    first_row_ = static_cast<uint32_t>(first_row);
    least_ = least;
    listed_max_ = rows / kListedShare;
  }

  // Adds parts[i] to rows[i], which ascend and lie in the window.
  void Add(const uint32_t* rows, const double* parts, size_t count) {
    if (count == 0) return;
    const size_t first_group = (rows[0] - first_row_) / kGroupRows;
    const size_t last_group = (rows[count - 1] - first_row_) / kGroupRows;
    std::fill_n(touched_.data() + first_group, last_group - first_group + 1, uint8_t{1});
    end_group_ = std::max(end_group_, last_group + 1);
    if (listed_ + count > listed_max_) {
      listed_max_ = 0;  // Neither will others be.
      for (size_t i = 0; i < count; ++i) sums_[rows[i] - first_row_] += parts[i];
      return;
    }
    // Whatever has enough in the end has it when its last term is added.
    size_t enough = enough_;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t slot = rows[i] - first_row_;
      const double sum = sums_[slot] + parts[i];
      sums_[slot] = sum;
      list_[listed_ + i] = slot;
      enough_list_[enough] = slot;
      enough += sum > least_;
    }
    enough_ = enough;
    listed_ += count;
  }

  // Whether more than `limit` rows have more than `least`; a listed one may count several times.
  bool HasAbove(double least, size_t limit) const {
    size_t count = 0;
    if (listed_max_ > 0) {
      for (size_t i = 0; i < enough_; ++i) count += sums_[enough_list_[i]] > least;
      return count > limit;
    }
    for (size_t group = 0; group < end_group_ && count <= limit; ++group) {
      if (touched_[group] == 0) continue;
      count += static_cast<size_t>(std::popcount(kernels_.above(sums_.data() + group * kGroupRows, least)));
    }
    return count > limit;
  }

  // Takes the rows with more than `least` and clears the sums.
  void TakeAbove(double least, Candidates& taken) {
    taken.size = 0;
    if (listed_max_ > 0) {
      TakeListed(least, taken);
      for (size_t i = 0; i < listed_; ++i) sums_[list_[i]] = 0;
    } else {
      TakeGroups(least, taken);
    }
    Forget();
  }

  void Clear() {
    std::fill_n(sums_.data(), end_group_ * kGroupRows, 0.0);
    Forget();
  }

 private:
  // Sums are looked through in groups of rows.
  static constexpr size_t kGroupRows = 64;
  // Looking at a listed row takes as long as at this many sums side by side.
  static constexpr size_t kListedShare = 4;
  static constexpr size_t kInsertedMax = 48;

  void Forget() {
    std::fill_n(touched_.data(), end_group_, uint8_t{0});
    end_group_ = 0;
    listed_ = 0;
    enough_ = 0;
  }

  void TakeListed(double least, Candidates& taken) {
    size_t size = 0;
    for (size_t i = 0; i < enough_; ++i) {
      const uint32_t slot = enough_list_[i];
      const double sum = sums_[slot];
      if (sum <= least) continue;
      sums_[slot] = 0;  // So that it is not taken again.
      taken.rows[size] = slot;
      taken.sums[size++] = sum;
    }
    taken.size = size;
    size <= kInsertedMax ? Insert(taken) : Mark(taken);
  }

  // Sorts few, of which those of each term are in order already.
  void Insert(Candidates& taken) const {
    for (size_t i = 0; i < taken.size; ++i) {
      const uint32_t row = first_row_ + taken.rows[i];
      const double sum = taken.sums[i];
      size_t at = i;
      for (; at > 0 && taken.rows[at - 1] > row; --at) {
        taken.rows[at] = taken.rows[at - 1];
        taken.sums[at] = taken.sums[at - 1];
      }
      taken.rows[at] = row;
      taken.sums[at] = sum;
    }
  }

  // Sorts many: a bit for each brings them into order.
  void Mark(Candidates& taken) {
    for (size_t i = 0; i < taken.size; ++i) {
      const uint32_t slot = taken.rows[i];
      sums_[slot] = taken.sums[i];
      marks_[slot / kGroupRows] |= uint64_t{1} << (slot % kGroupRows);
    }
    taken.size = 0;
    for (size_t group = 0; group < end_group_; ++group) {
      for (uint64_t bits = marks_[group]; bits != 0; bits &= bits - 1) {
        const size_t slot = group * kGroupRows + static_cast<size_t>(std::countr_zero(bits));
        taken.rows[taken.size] = first_row_ + static_cast<uint32_t>(slot);
        taken.sums[taken.size++] = sums_[slot];
      }
      marks_[group] = 0;
    }
  }

  void TakeGroups(double least, Candidates& taken) {
    for (size_t group = 0; group < end_group_; ++group) {
      if (touched_[group] == 0) continue;
      taken.size += kernels_.take_above(sums_.data() + group * kGroupRows, least,
                                        first_row_ + static_cast<uint32_t>(group * kGroupRows),
                                        taken.rows.data() + taken.size, taken.sums.data() + taken.size);
    }
  }

  const BlockKernels& kernels_ = BestBlockKernels();
  uint32_t first_row_ = 0;
  double least_ = 0;
  size_t listed_max_ = 0;  // 0 if there are too many to list.
  size_t listed_ = 0;      // Of list_: every row for each of its terms.
  size_t enough_ = 0;      // Of enough_list_: those that had more than least_ then.
  size_t end_group_ = 0;   // Of those touched, the last + 1.
  std::array<double, kWindowRowsMax> sums_ = {};
  std::array<uint8_t, kWindowRowsMax / kGroupRows> touched_ = {};
  std::array<uint64_t, kWindowRowsMax / kGroupRows> marks_ = {};
  std::array<uint32_t, kWindowRowsMax / kListedShare> list_;
  std::array<uint32_t, kWindowRowsMax / kListedShare + 1> enough_list_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_WINDOW_SUMS_H_
