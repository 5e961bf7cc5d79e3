// SPDX-License-Identifier: Apache-2.0
//
// The two ways to the best rows of one index: SearchBest leaves out what cannot be among them, SearchAll scores every
// row that holds a term, and every row of a short list. Both give the same hits.
//
// Errors: kDataLoss on damaged postings; the context's.
#ifndef RAGTIME_INDEX_BM25_BM25_SEARCH_H_
#define RAGTIME_INDEX_BM25_BM25_SEARCH_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/bm25/postings.h"
#include "ragtime/index.h"

namespace ragtime {

// The formula of include/ragtime/index.h with all put in that is the same for every row.
struct Bm25Formula {
  double length_free = 0;    // k1 * (1 - b)
  double length_factor = 0;  // k1 * b / average_length

  double Part(double gain, double count, double length) const {
    return gain * count / (count + length_free + length_factor * length);
  }
  // No row of the block has more, but for rounding. A count of 0 is damage, and 0 / 0 would have no order.
  double Bound(double gain, uint8_t max_count, uint8_t min_length) const {
    return max_count == kAnyCount ? gain : Part(gain, std::max<uint8_t>(max_count, 1), LengthOfCode(min_length));
  }
  // Whether a part grows with the count and shrinks with the length.
  bool monotonic() const { return length_free >= 0 && length_factor >= 0; }
};

struct TermMatch {
  TermPostings postings;
  double gain = 0;  // weight * idf * (k1 + 1)
};

struct Bm25Query {
  std::span<const TermMatch> terms;  // A row's score is added up in this order.
  Bm25Formula formula;
  RowLengths lengths;
  uint64_t rows = 0;  // Of the index.
  size_t limit = 0;   // At least 1.
  const RowSelection& selection;
};

// Requires a monotonic formula and gains above 0.
Result<std::vector<RowHit>> SearchBest(const Context& context, const Bm25Query& query);
Result<std::vector<RowHit>> SearchAll(const Context& context, const Bm25Query& query);
// A score that `limit` rows of the selection have or exceed, from rows of a rare term; -infinity if none is found soon.
Result<float> ReachedScore(const Bm25Query& query);
// Looks at the rows of selection.listed only, which must be there.
Result<std::vector<RowHit>> SearchListed(const Context& context, const Bm25Query& query);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_BM25_SEARCH_H_
