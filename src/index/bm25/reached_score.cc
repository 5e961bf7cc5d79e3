// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "index/bm25/bm25_search.h"
#include "index/bm25/term_cursor.h"

namespace ragtime {
namespace {

constexpr float kUnknown = -std::numeric_limits<float>::infinity();
// So many rows of the rarest term are looked up in the next one for each hit, and a few more than there are hits, those
// that have both first, in all others.
constexpr size_t kRowsPerHit = 4;
constexpr size_t kHitsPerMore = 4;
// For more hits it takes longer than it saves.
constexpr size_t kLimitMax = 32;

struct Row {
  uint32_t row;
  double sum;
  bool both = false;
};

// Keeps `count` rows, those that have both terms first, in their order.
void KeepBoth(std::vector<Row>& rows, size_t count) {
  if (rows.size() <= count) return;
  size_t with = 0;
  for (const Row& row : rows) with += row.both;
  with = std::min(with, count);
  size_t without = count - with;
  std::erase_if(rows, [&](const Row& row) {
    size_t& left = row.both ? with : without;
    if (left == 0) return true;
    --left;
    return false;
  });
}

}  // namespace

Result<float> ReachedScore(const Bm25Query& query) {
  if (query.limit > kLimitMax) return kUnknown;
  std::vector<const TermMatch*> terms;
  terms.reserve(query.terms.size());
  for (const TermMatch& term : query.terms) terms.push_back(&term);
  std::sort(terms.begin(), terms.end(), [](const TermMatch* a, const TermMatch* b) { return a->gain > b->gain; });
  const auto first = std::find_if(terms.begin(), terms.end(),
                                  [&](const TermMatch* term) { return term->postings.rows() >= query.limit; });
  if (first == terms.end()) return kUnknown;
  std::iter_swap(terms.begin(), first);

  const size_t rows_max = kRowsPerHit * query.limit;
  std::vector<Row> rows;
  rows.reserve(std::min<size_t>(rows_max, terms[0]->postings.rows()));
  DecodedBlock decoded;
  for (size_t b = 0; b < terms[0]->postings.blocks() && rows.size() < rows_max; ++b) {
    RAGTIME_RETURN_IF_ERROR(terms[0]->postings.Decode(b, decoded));
    for (size_t i = 0; i < decoded.size && rows.size() < rows_max; ++i) {
      const uint32_t row = decoded.rows[i];
      if (query.selection.excluded.Contains(row)) continue;
      rows.push_back({row, query.formula.Part(terms[0]->gain, decoded.counts[i], query.lengths[row])});
    }
  }
  if (rows.size() < query.limit) return kUnknown;
  for (size_t t = 1; t < terms.size(); ++t) {
    if (t == 2) KeepBoth(rows, query.limit + query.limit / kHitsPerMore);
    TermCursor cursor(terms[t]->postings, decoded);
    for (Row& row : rows) {
      RAGTIME_ASSIGN_OR_RETURN(const uint32_t count, cursor.Count(row.row));
      row.both = count > 0;
      if (count > 0) row.sum += query.formula.Part(terms[t]->gain, count, query.lengths[row.row]);
    }
  }
  const auto last = rows.begin() + static_cast<std::ptrdiff_t>(query.limit - 1);
  std::nth_element(rows.begin(), last, rows.end(), [](const Row& a, const Row& b) { return a.sum > b.sum; });
  // The sum in the order of the question may round to the number below.
  return std::nextafter(static_cast<float>(last->sum), kUnknown);
}

}  // namespace ragtime
