// SPDX-License-Identifier: Apache-2.0
//
// RisingSums adds up what all rows of an index get from few postings and knows a sum that enough of them have reached.
//
// The rows that were added to are listed: what lies between them is neither looked at nor touched. All sums are 0 when
// a search starts.
#ifndef RAGTIME_INDEX_BM25_RISING_SUMS_H_
#define RAGTIME_INDEX_BM25_RISING_SUMS_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "index/bm25/block_kernels.h"
#include "index/bm25/window_sums.h"
#include "ragtime/index.h"

namespace ragtime {

class RisingSums {
 public:
  static constexpr size_t kRowsMax = 65536;
  static constexpr size_t kPostingsMax = 8192;  // That may be added in all.
  static constexpr size_t kLimitMax = 128;      // Of Reaches: with more, several of the best rows share a lane.

  // False where memory was short: nothing may be added then.
  bool ready() const { return sums_ != nullptr; }

  // Adds parts[i], at least 0, to rows[i], which ascend; 0 to those in `excluded`.
  void Add(const uint32_t* rows, const double* parts, size_t count, RowBitmap excluded) {
    excluded.words.empty() ? AddIf(rows, parts, count, [](uint32_t) { return true; })
                           : AddIf(rows, parts, count, [&](uint32_t row) { return !excluded.Contains(row); });
  }

  // Whether at least `limit` rows have more than `sum`, as far as the lanes tell, each of which has a row with its
  // most.
  bool Reaches(size_t limit, double sum) const {
    size_t lanes = 0;
    for (size_t lane = 0; lane < kLanes && lanes < limit; lane += kGroup) {
      lanes += static_cast<size_t>(std::popcount(kernels_.above(most_.data() + lane, sum)));
    }
    return lanes >= limit;
  }

  // Close to the greatest sum that Reaches() is true of, and one of these; so must `sum` be.
  double Reached(size_t limit, double sum) const {
    double above = *std::max_element(most_.begin(), most_.end());
    for (int halving = 0; halving < kHalvings; ++halving) {
      const double middle = sum + (above - sum) / 2;
      (Reaches(limit, middle) ? sum : above) = middle;
    }
    return sum;
  }

  // Selects the rows with more than `least`, at least 0. Returns how many they are; one may count once for each term.
  size_t Select(double least) {
    size_t selected = 0;
    for (size_t i = 0; i < listed_; ++i) {
      const uint32_t row = list_[i];
      chosen_[selected] = row;
      selected += sums_[row] > least;
    }
    return selected_ = selected;
  }

  // Takes the rows that were selected, ascending, and clears the sums.
  void TakeSelected(Candidates& taken) {
    size_t end = 0;  // Of the marks.
    for (size_t i = 0; i < selected_; ++i) {
      const uint32_t row = chosen_[i];
      marks_[row / 64] |= uint64_t{1} << (row % 64);
      end = std::max<size_t>(end, row / 64 + 1);
    }
    size_t size = 0;
    for (size_t word = 0; word < end; ++word) {
      for (uint64_t bits = marks_[word]; bits != 0; bits &= bits - 1) {
        const size_t row = word * 64 + static_cast<size_t>(std::countr_zero(bits));
        taken.rows[size] = static_cast<uint32_t>(row);
        taken.sums[size++] = sums_[row];
      }
      marks_[word] = 0;
    }
    taken.size = size;
    Clear();
  }

  void Clear() {
    for (size_t i = 0; i < listed_; ++i) sums_[list_[i]] = 0;
    listed_ = 0;
    selected_ = 0;
    most_.fill(0);
  }

 private:
  static constexpr size_t kLanes = 256;
  static constexpr size_t kGroup = 64;  // What the kernel compares at once.
  static constexpr int kHalvings = 8;

  struct Free {
    void operator()(double* sums) const { std::free(sums); }
  };

  template <typename Wanted>
  void AddIf(const uint32_t* rows, const double* parts, size_t count, Wanted wanted) {
    for (size_t i = 0; i < count; ++i) {
      const uint32_t row = rows[i];
      const double sum = sums_[row] + (wanted(row) ? parts[i] : 0.0);
      sums_[row] = sum;
      list_[listed_ + i] = row;
      double& most = most_[row % kLanes];
      most = std::max(most, sum);
    }
    listed_ += count;
  }

  const BlockKernels& kernels_ = BestBlockKernels();
  // From calloc, which leaves it to the system to clear the pages that are touched: a search touches few.
  const std::unique_ptr<double[], Free> sums_{static_cast<double*>(std::calloc(kRowsMax, sizeof(double)))};
  std::array<double, kLanes> most_ = {};  // Of the rows that leave the same rest.
  size_t listed_ = 0;                     // Of list_: every row for each of its terms.
  size_t selected_ = 0;                   // Of chosen_.
  std::array<uint64_t, kRowsMax / 64> marks_ = {};
  std::array<uint32_t, kPostingsMax> list_;
  std::array<uint32_t, kPostingsMax + 1> chosen_;
};
static_assert(RisingSums::kPostingsMax <= kWindowRowsMax, "what is taken must have room among the candidates");

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_RISING_SUMS_H_
