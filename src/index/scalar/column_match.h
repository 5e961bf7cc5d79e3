// SPDX-License-Identifier: Apache-2.0
//
// Which items of a column match one operator of a filter, and which come first by value.
#ifndef RAGTIME_INDEX_SCALAR_COLUMN_MATCH_H_
#define RAGTIME_INDEX_SCALAR_COLUMN_MATCH_H_

#include <cstdint>
#include <vector>

#include "index/scalar/column_view.h"
#include "ragtime/filter.h"
#include "ragtime/index.h"

namespace ragtime {

// Exactly the items for which MatchesLeaf holds.
Result<ItemSet> MatchColumn(const ColumnView& column, const FilterNode& leaf);

// At most `limit` items of `among`, as FieldColumns::Ordered has it.
Result<std::vector<uint32_t>> OrderColumn(const ColumnView& column, bool descending, RowBitmap among, size_t limit);

// At most `limit` items of `among` that are below `items`, ascending, if `wanted` holds for them.
template <typename Wanted>
std::vector<uint32_t> TakeAscending(RowBitmap among, uint32_t items, size_t limit, Wanted wanted) {
  std::vector<uint32_t> taken;
  for (size_t w = 0; w < among.words.size() && w * 64 < items; ++w) {
    for (uint64_t word = among.words[w]; word != 0; word &= word - 1) {
      const auto item = static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(word)));
      if (item >= items || taken.size() >= limit) return taken;
      if (wanted(item)) taken.push_back(item);
    }
  }
  return taken;
}

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_COLUMN_MATCH_H_
