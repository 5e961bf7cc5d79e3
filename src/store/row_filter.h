// SPDX-License-Identifier: Apache-2.0
//
// What turns a filter into sets of rows: and, or and not by whole words of bits, once each of its leaves is a set.
//
// Threads: functions without state. Errors: those of the leaves.
#ifndef RAGTIME_STORE_ROW_FILTER_H_
#define RAGTIME_STORE_ROW_FILTER_H_

#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/filter.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "ragtime/store.h"
#include "store/segment.h"

namespace ragtime {

// Bits of rows 0 .. rows-1, 64 to a word; those past the end are 0.
using RowWords = std::vector<uint64_t>;

inline void SetRows(RowWords& words, uint32_t first, uint32_t count) {
  for (uint32_t row = first, end = first + count; row < end;) {
    const uint32_t bit = row % 64;
    const uint32_t here = std::min(64 - bit, end - row);
    words[row / 64] |= (here == 64 ? ~uint64_t{0} : (uint64_t{1} << here) - 1) << bit;
    row += here;
  }
}

// Calls `use` for each row of the set, ascending.
template <typename Use>
void ForEachRow(const RowWords& words, Use use) {
  for (size_t w = 0; w < words.size(); ++w) {
    for (uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
      use(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
}

// The rows for which `node` holds, by what `rows_of` says of its leaves.
Result<RowWords> EvaluateFilter(const FilterNode& node, size_t rows,
                                const std::function<Result<RowWords>(const FilterNode& leaf)>& rows_of);

// Whether the field is one of the node itself: "group", "page", "position"; its value.
bool IsRowField(std::string_view field);
FieldValue RowFieldValue(const NodeRow& row, std::string_view field);
bool IsFileField(std::string_view field);

// Finds the rows of segments that match one filter. A leaf on a column of the files table is looked up once for all
// segments.
class SegmentFilter {
 public:
  // The documents for which the leaf holds, ascending.
  using FindDocuments = std::function<Result<std::vector<DocumentId>>(const FilterNode& leaf)>;
  // Both must outlive it.
  SegmentFilter(const Filter& filter, FindDocuments find_documents)
      : filter_(filter), find_documents_(std::move(find_documents)) {}

  Result<RowWords> RowsOf(const Segment& segment);

 private:
  Result<RowWords> RowsOfLeaf(const Segment& segment, const FilterNode& leaf);
  Result<RowWords> RowsOfFiles(const Segment& segment, const FilterNode& leaf);

  const Filter& filter_;
  const FindDocuments find_documents_;
  std::map<const FilterNode*, std::vector<DocumentId>> documents_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_ROW_FILTER_H_
