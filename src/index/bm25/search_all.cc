// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "index/bm25/bm25_search.h"
#include "index/bm25/term_cursor.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

// Rows are scored in windows whose sums stay in the nearest cache: 2,048 doubles are 16 KiB. A whole number of words of
// a RowBitmap.
constexpr size_t kWindowRows = 2048;

// The sums of one window, and which of its rows hold a term: a sum alone cannot say that, since a weight may be 0.
struct Window {
  std::array<double, kWindowRows> sums = {};
  std::array<uint64_t, kWindowRows / 64> touched = {};
};

Status AddTerm(const Bm25Query& query, double gain, uint64_t start, TermCursor& cursor, Window& window) {
  const uint64_t end = start + kWindowRows;
  for (cursor.SkipTo(start); !cursor.at_end() && cursor.first_row() < end; cursor.NextBlock()) {
    RAGTIME_RETURN_IF_ERROR(cursor.Decode());
    const DecodedBlock& block = cursor.decoded();
    cursor.PassBelow(start);
    size_t i = cursor.next();
    for (; i < block.size && block.rows[i] < end; ++i) {
      const size_t slot = block.rows[i] - start;
      window.sums[slot] += query.formula.Part(gain, block.counts[i], query.lengths[block.rows[i]]);
      window.touched[slot / 64] |= uint64_t{1} << (slot % 64);
    }
    if (i < block.size) return Status();
  }
  return Status();
}

// Offers the rows of the window and clears it.
void TakeWindow(uint64_t start, const RowSelection& selection, Window& window, TopHits& top) {
  for (size_t w = 0; w < window.touched.size(); ++w) {
    const size_t word = start / 64 + w;
    const RowBitmap excluded = selection.excluded;
    const uint64_t touched = window.touched[w];
    const uint64_t wanted = word < excluded.words.size() ? touched & ~excluded.words[word] : touched;
    window.touched[w] = 0;
    for (uint64_t bits = touched; bits != 0; bits &= bits - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(bits));
      double& sum = window.sums[w * 64 + bit];
      if (wanted >> bit & 1) top.Offer({static_cast<uint32_t>(start + w * 64 + bit), static_cast<float>(sum)});
      sum = 0;
    }
  }
}

std::vector<TermCursor> Cursors(const Bm25Query& query, std::unique_ptr<DecodedBlock[]>& blocks) {
  blocks.reset(new DecodedBlock[query.terms.size()]);
  std::vector<TermCursor> cursors;
  cursors.reserve(query.terms.size());
  for (const TermMatch& term : query.terms) cursors.emplace_back(term.postings, blocks[cursors.size()]);
  return cursors;
}

}  // namespace

Result<std::vector<RowHit>> SearchAll(const Context& context, const Bm25Query& query) {
  std::unique_ptr<DecodedBlock[]> blocks;
  std::vector<TermCursor> cursors = Cursors(query, blocks);
  TopHits top(query.limit);
  auto window = std::make_unique<Window>();
  for (uint64_t start = 0;; start += kWindowRows) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    uint64_t next_row = UINT64_MAX;
    for (TermCursor& cursor : cursors) {
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t row, cursor.NextRow(start));
      next_row = std::min(next_row, row);
    }
    if (next_row == UINT64_MAX) return top.Take();
    start = next_row / kWindowRows * kWindowRows;  // Windows that hold no term are passed over.
    for (size_t t = 0; t < cursors.size(); ++t) {
      RAGTIME_RETURN_IF_ERROR(AddTerm(query, query.terms[t].gain, start, cursors[t], *window));
    }
    TakeWindow(start, query.selection, *window, top);
  }
}

Result<std::vector<RowHit>> SearchListed(const Context& context, const Bm25Query& query) {
  std::unique_ptr<DecodedBlock[]> blocks;
  std::vector<TermCursor> cursors = Cursors(query, blocks);
  TopHits top(query.limit);
  size_t seen = 0;
  for (const uint32_t row : *query.selection.listed) {
    if (seen++ % 1024 == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
    if (query.selection.excluded.Contains(row)) continue;
    double sum = 0;
    bool found = false;
    for (size_t t = 0; t < cursors.size(); ++t) {
      RAGTIME_ASSIGN_OR_RETURN(const uint32_t count, cursors[t].Count(row));
      if (count == 0) continue;
      found = true;
      sum += query.formula.Part(query.terms[t].gain, count, query.lengths[row]);
    }
    if (found) top.Offer({row, static_cast<float>(sum)});
  }
  return top.Take();
}

}  // namespace ragtime
