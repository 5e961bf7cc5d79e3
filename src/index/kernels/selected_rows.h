// SPDX-License-Identifier: Apache-2.0
//
// CountSelected says how many rows a selection leaves, which decides how they are searched; ScannedIndex scores all of
// them, where an index has too few rows for more.
#ifndef RAGTIME_INDEX_KERNELS_SELECTED_ROWS_H_
#define RAGTIME_INDEX_KERNELS_SELECTED_ROWS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/count_bits.h"
#include "index/kernels/coded_rows.h"
#include "ragtime/index.h"

namespace ragtime {

inline uint64_t CountSelected(size_t rows, const RowSelection& selection) {
  if (selection.listed) return selection.listed->size();
  const std::span<const uint64_t> words = selection.excluded.words;
  const size_t whole = std::min(words.size(), rows / 64);
  uint64_t excluded = CountBits(words.first(whole));
  if (whole < words.size() && rows % 64 != 0) {
    excluded += static_cast<uint64_t>(std::popcount(words[whole] & ((uint64_t{1} << rows % 64) - 1)));
  }
  return rows - excluded;
}

class ScannedIndex final : public VectorIndex {
 public:
  ScannedIndex(VectorMatrix vectors, Metric metric) : vectors_(vectors), metric_(metric) {}

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& /*parameters*/) const override {
    RAGTIME_RETURN_IF_ERROR(CheckQuery(vectors_, query));
    RAGTIME_RETURN_IF_ERROR(context.Check());
    return ScanExactly(context, vectors_, metric_, query, limit, selection);
  }

 private:
  const VectorMatrix vectors_;
  const Metric metric_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_SELECTED_ROWS_H_
