// SPDX-License-Identifier: Apache-2.0
//
// MaxScore in windows of rows, with block maxima. In each window every term has a bound, and the terms with the least
// bounds are set aside as long as they could not lift a row over the threshold by themselves; the others are added up
// term by term, leaving out blocks that could not either. What is left over the threshold is then looked up in the
// terms that were set aside. Where the terms have few rows, one window holds all of them.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "index/bm25/block_kernels.h"
#include "index/bm25/bm25_search.h"
#include "index/bm25/rising_sums.h"
#include "index/bm25/term_cursor.h"
#include "index/bm25/window_sums.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

// A window holds about this many rows of the terms that a row must have one of, unless it is of the least or the most
// rows. Without a threshold the first ones are smaller, so that there is one soon.
constexpr uint64_t kWindowPostings = 512;
constexpr size_t kFirstWindows = 8;
// Looking up this many rows takes as long as adding a block; a term with no more blocks in a window is sparse.
constexpr size_t kLookUpsPerBlock = 8;
constexpr size_t kSparseBlocks = 2;
// The bound of a term with more blocks in a window is that of all its rows.
constexpr size_t kBoundBlocks = 24;
// Bounds and sums in another order than the terms' are off by less than this, for any number of terms below 2^22.
constexpr double kSlack = 1e-9;
constexpr size_t kTermsMax = size_t{1} << 22;

struct Term {
  TermCursor cursor;
  double gain;
  double bound;             // Of every row.
  double others = 0;        // The most that a row can get from all other terms.
  double window_bound = 0;  // Of the rows in the window.
  size_t window_blocks = 0;
};

// What a thread needs for its searches, made once: clearing it takes longer than many a search.
struct Scratch {
  WindowSums sums;
  RisingSums rising;
  Candidates candidates;
};

Scratch& ScratchOfThread() {
  thread_local const std::unique_ptr<Scratch> scratch(new Scratch);
  return *scratch;
}

class BestSearch {
 public:
  BestSearch(const Context& context, const Bm25Query& query, Scratch& scratch)
      : context_(context),
        query_(query),
        kernels_(BestBlockKernels()),
        blocks_(new DecodedBlock[query.terms.size() + 1]),
        top_(query.limit),
        sums_(scratch.sums),
        rising_(scratch.rising),
        candidates_(scratch.candidates) {
    terms_.reserve(query.terms.size());
    for (const TermMatch& term : query.terms) {
      const TermPostings& postings = term.postings;
      terms_.push_back({TermCursor(postings, blocks_[terms_.size()]), term.gain,
                        query.formula.Bound(term.gain, postings.max_count(), postings.min_length())});
    }
    double all = 0;
    for (const Term& term : terms_) all += term.bound;
    for (Term& term : terms_) term.others = Without(all, term.bound);
    by_bound_.resize(terms_.size());
    std::iota(by_bound_.begin(), by_bound_.end(), 0);
    std::sort(by_bound_.begin(), by_bound_.end(),
              [this](uint32_t a, uint32_t b) { return terms_[a].bound < terms_[b].bound; });
    if (const float least = query.selection.least_score; least > -std::numeric_limits<float>::infinity()) {
      RaiseThreshold(std::nextafter(least, -std::numeric_limits<float>::infinity()));
    }
  }

  Result<std::vector<RowHit>> Run() {
    if (HasFewPostings()) {
      RAGTIME_RETURN_IF_ERROR(SearchAtOnce());
      return top_.Take();
    }
    if (threshold_ <= 0) {
      RAGTIME_ASSIGN_OR_RETURN(const float reached, ReachedScore(query_));
      RaiseThreshold(std::nextafter(reached, -std::numeric_limits<float>::infinity()));
    }
    uint64_t part = threshold_ > 0 ? 1 : kFirstWindows;
    for (uint64_t start = 0;; part = std::max<uint64_t>(part / 2, 1)) {
      RAGTIME_RETURN_IF_ERROR(context_.Check());
      RAGTIME_ASSIGN_OR_RETURN(start, NextStart(start));
      if (start == kNoRow) return top_.Take();
      const uint64_t size = wanted_rows_ / part;
      RAGTIME_RETURN_IF_ERROR(SearchWindow(start, start + size));
      start += size;
    }
  }

 private:
  static constexpr uint64_t kNoRow = std::numeric_limits<uint64_t>::max();

  // Only rows with more are wanted.
  void RaiseThreshold(double score) { threshold_ = std::max(threshold_, score * (1 - kSlack)); }

  // all - one, and not less for rounding.
  static double Without(double all, double one) { return all * (1 + 1e-12) - one; }

  double BlockBound(const Term& term, size_t block) const {
    const Bm25Block here = term.cursor.postings().block(block);
    return query_.formula.Bound(term.gain, here.max_count, here.min_length);
  }

  bool HasFewPostings() const {
    if (query_.rows > RisingSums::kRowsMax || query_.limit > RisingSums::kLimitMax || !rising_.ready()) return false;
    uint64_t postings = 0;
    for (const Term& term : terms_) postings += term.cursor.postings().rows();
    return postings <= RisingSums::kPostingsMax;
  }

  // The first row from `start` on that could be wanted: one that holds a term without which the threshold is out of
  // reach. Sets how many rows the window that starts there should have.
  Result<uint64_t> NextStart(uint64_t start) {
    double sum = 0;  // Of the terms that cannot reach the threshold together.
    size_t first = 0;
    for (; first < by_bound_.size(); ++first) {
      const double more = sum + terms_[by_bound_[first]].bound;
      if (more > threshold_) break;
      sum = more;
    }
    uint64_t rows = 1;
    for (size_t i = first; i < by_bound_.size(); ++i) rows += terms_[by_bound_[i]].cursor.postings().rows();
    wanted_rows_ = std::clamp<uint64_t>(kWindowPostings * query_.rows / rows, kWindowRowsMin, kWindowRowsMax);
    uint64_t next = kNoRow;
    for (size_t i = first; i < by_bound_.size() && next > start; ++i) {
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t row, NextRow(terms_[by_bound_[i]], start));
      next = std::min(next, row);
    }
    return next;
  }

  // The first row from `start` on of those blocks of the term that can reach the threshold.
  Result<uint64_t> NextRow(Term& term, uint64_t start) {
    TermCursor& cursor = term.cursor;
    for (cursor.SkipTo(start); !cursor.at_end(); cursor.NextBlock()) {
      if (BlockBound(term, cursor.block()) + term.others <= threshold_) continue;
      RAGTIME_RETURN_IF_ERROR(cursor.Decode());
      if (cursor.PassBelow(start)) return uint64_t{cursor.decoded().rows[cursor.next()]};
    }
    return kNoRow;
  }

  // Sets the window's bounds and its terms by ascending bound.
  void BoundTerms(uint64_t start, uint64_t end) {
    window_terms_.clear();
    for (uint32_t t = 0; t < terms_.size(); ++t) {
      Term& term = terms_[t];
      term.window_bound = 0;
      term.window_blocks = 0;
      term.cursor.SkipTo(start);
      for (size_t b = term.cursor.block(); b < term.cursor.blocks() && term.cursor.postings().first_row(b) < end; ++b) {
        term.window_bound = std::max(term.window_bound, BlockBound(term, b));
        if (++term.window_blocks < kBoundBlocks) continue;
        term.window_bound = term.bound;
        term.window_blocks += term.cursor.postings().rows() * (end - start) / query_.rows / kBlockRows;
        break;
      }
      if (term.window_bound > 0) window_terms_.push_back(t);
    }
    std::sort(window_terms_.begin(), window_terms_.end(),
              [this](uint32_t a, uint32_t b) { return terms_[a].window_bound < terms_[b].window_bound; });
    below_.assign(1, 0.0);
    for (const uint32_t t : window_terms_) below_.push_back(below_.back() + terms_[t].window_bound);
  }

  Status SearchWindow(uint64_t start, uint64_t end) {
    const auto add = [this](const uint32_t* rows, const double* parts, size_t count) { sums_.Add(rows, parts, count); };
    BoundTerms(start, end);
    if (below_.back() <= threshold_) return Status();
    size_t aside = 0;
    while (below_[aside + 1] <= threshold_) ++aside;
    added_in_order_ = aside == 0;
    sums_.Start(start, end - start, std::max(0.0, threshold_ - below_[aside]));
    const Term& last = terms_[window_terms_.back()];
    if (aside + 1 == window_terms_.size() && last.window_blocks <= kSparseBlocks) {
      return SearchOneTerm(terms_[window_terms_[aside]], start, end, aside);
    }
    // In the order of the question, so that the sums are final where no term is aside.
    std::sort(window_terms_.begin() + static_cast<ptrdiff_t>(aside), window_terms_.end());
    for (size_t i = aside; i < window_terms_.size(); ++i) {
      RAGTIME_RETURN_IF_ERROR(AddTerm(terms_[window_terms_[i]], start, end, add));
    }
    // Many candidates are cheaper to complete by adding all rows of a term.
    for (; aside > 0; --aside) {
      Term& term = terms_[window_terms_[aside - 1]];
      const double least = std::max(0.0, threshold_ - below_[aside]);
      if (!sums_.HasAbove(least, term.window_blocks * kLookUpsPerBlock)) break;
      RAGTIME_RETURN_IF_ERROR(AddTerm(term, start, end, add));
    }
    sums_.TakeAbove(std::max(0.0, threshold_ - below_[aside]), candidates_);
    return Offer(aside);
  }

  // All rows in one window. The terms are added by descending bound, and the threshold follows what the sums reach,
  // until rows that have only what is left cannot be wanted and few others need to be looked up in it.
  Status SearchAtOnce() {
    const auto add = [this](const uint32_t* rows, const double* parts, size_t count) {
      rising_.Add(rows, parts, count, query_.selection.excluded);
    };
    constexpr float kBelow = -std::numeric_limits<float>::infinity();
    BoundTerms(0, query_.rows);
    added_in_order_ = false;
    size_t aside = window_terms_.size();
    for (; aside > 0; --aside) {
      Term& term = terms_[window_terms_[aside - 1]];
      if (below_[aside] <= threshold_ &&
          rising_.Select(threshold_ - below_[aside]) <= term.window_blocks * kLookUpsPerBlock) {
        break;
      }
      RAGTIME_RETURN_IF_ERROR(AddTerm(term, 0, query_.rows, add));
      const double least = std::max(threshold_, below_[aside - 1]);
      if (!rising_.Reaches(query_.limit, least)) continue;
      // The sum in the order of the question may round to the number below, and one that rounds alike is wanted too.
      const auto reached = static_cast<float>(rising_.Reached(query_.limit, least));
      RaiseThreshold(std::nextafter(std::nextafter(reached, kBelow), kBelow));
    }
    if (aside == 0) rising_.Select(std::max(0.0, threshold_));
    rising_.TakeSelected(candidates_);
    return Offer(aside);
  }

  // Scores the rows of the cursor's block and gives back which of them lie in the window.
  struct Range {
    size_t begin;
    size_t end;
  };
  Result<Range> ScoreBlock(Term& term, uint64_t start, uint64_t end) {
    RAGTIME_RETURN_IF_ERROR(term.cursor.Decode());
    term.cursor.PassBelow(start);
    const DecodedBlock& block = term.cursor.decoded();
    Range range = {term.cursor.next(), block.size};
    if (block.size > 0 && block.rows[block.size - 1] >= end) {
      range.end = static_cast<size_t>(
          std::lower_bound(block.rows + range.begin, block.rows + block.size, static_cast<uint32_t>(end)) - block.rows);
    }
    const size_t count = range.end - range.begin;
    query_.lengths.Gather(block.rows + range.begin, count, row_lengths_.data());
    kernels_.score(block.counts + range.begin, row_lengths_.data(), count, term.gain, query_.formula.length_free,
                   query_.formula.length_factor, parts_.data());
    return range;
  }

  // Adds the term to the sums of the window by `add`, but for blocks of rows that cannot reach the threshold.
  template <typename Add>
  Status AddTerm(Term& term, uint64_t start, uint64_t end, const Add& add) {
    TermCursor& cursor = term.cursor;
    const double others = Without(below_.back(), term.window_bound);
    for (; !cursor.at_end() && cursor.first_row() < end; cursor.NextBlock()) {
      if (BlockBound(term, cursor.block()) + others > threshold_) {
        RAGTIME_ASSIGN_OR_RETURN(const Range range, ScoreBlock(term, start, end));
        add(cursor.decoded().rows + range.begin, parts_.data(), range.end - range.begin);
      }
      if (cursor.postings().last_row(cursor.block()) >= end) return Status();
    }
    return Status();
  }

  // All other terms of the window are aside: the candidates come from the term's blocks directly.
  Status SearchOneTerm(Term& term, uint64_t start, uint64_t end, size_t aside) {
    TermCursor& cursor = term.cursor;
    for (; !cursor.at_end() && cursor.first_row() < end; cursor.NextBlock()) {
      if (BlockBound(term, cursor.block()) + below_[aside] > threshold_) {
        RAGTIME_ASSIGN_OR_RETURN(const Range range, ScoreBlock(term, start, end));
        const double least = threshold_ - below_[aside];
        candidates_.size = 0;
        for (size_t i = range.begin; i < range.end; ++i) {
          candidates_.rows[candidates_.size] = cursor.decoded().rows[i];
          candidates_.sums[candidates_.size] = parts_[i - range.begin];
          candidates_.size += parts_[i - range.begin] > least;
        }
        RAGTIME_RETURN_IF_ERROR(Offer(aside));
      }
      if (cursor.postings().last_row(cursor.block()) >= end) return Status();
    }
    return Status();
  }

  // Completes the candidates by the first `aside` terms of the window, most points first, and keeps the best.
  Status Offer(size_t aside) {
    for (size_t i = aside; i-- > 0 && candidates_.size > 0;) {
      candidates_.KeepAbove(threshold_ - below_[i + 1]);
      RAGTIME_RETURN_IF_ERROR(LookUp(terms_[window_terms_[i]], threshold_ - below_[i]));
    }
    for (size_t i = 0; i < candidates_.size; ++i) {
      const uint32_t row = candidates_.rows[i];
      if (candidates_.sums[i] <= threshold_ || query_.selection.excluded.Contains(row)) continue;
      RAGTIME_ASSIGN_OR_RETURN(const float score, Round(row, candidates_.sums[i]));
      if (score < query_.selection.least_score) continue;
      top_.Offer({row, score});
      if (top_.full()) RaiseThreshold(top_.worst().score);
    }
    return Status();
  }

  // Adds the term to the candidates. With the term they must have more than `least`.
  Status LookUp(Term& term, double least) {
    TermCursor& cursor = term.cursor;
    const uint32_t* rows = candidates_.rows.data();
    for (size_t begin = 0; begin < candidates_.size;) {
      cursor.SkipTo(rows[begin]);
      if (cursor.at_end()) return Status();
      const uint64_t first_row = cursor.first_row();
      const uint32_t last_row = cursor.postings().last_row(cursor.block());
      while (begin < candidates_.size && rows[begin] < first_row) ++begin;
      size_t end = begin;
      const size_t end_max = std::min(candidates_.size, begin + kBlockRows);
      double most = 0;
      for (; end < end_max && rows[end] <= last_row; ++end) most = std::max(most, candidates_.sums[end]);
      if (begin < end && most + BlockBound(term, cursor.block()) > least) {
        RAGTIME_RETURN_IF_ERROR(cursor.Decode());
        AddBlock(term, begin, end);
      }
      begin = end;
    }
    return Status();
  }

  // Adds the cursor's block to the candidates [begin, end), at most kBlockRows of them.
  void AddBlock(const Term& term, size_t begin, size_t end) {
    const DecodedBlock& block = term.cursor.decoded();
    std::array<uint32_t, kBlockRows> counts;
    std::array<bool, kBlockRows> found;
    for (size_t i = begin; i < end; ++i) {
      const uint32_t row = candidates_.rows[i];
      const size_t at = std::min(kernels_.count_below(block.rows, row), kBlockRows - 1);
      found[i - begin] = block.rows[at] == row;
      counts[i - begin] = found[i - begin] ? block.counts[at] : 1;
    }
    query_.lengths.Gather(candidates_.rows.data() + begin, end - begin, row_lengths_.data());
    kernels_.score(counts.data(), row_lengths_.data(), end - begin, term.gain, query_.formula.length_free,
                   query_.formula.length_factor, parts_.data());
    for (size_t i = begin; i < end; ++i) candidates_.sums[i] += found[i - begin] ? parts_[i - begin] : 0.0;
  }

  // The sum in the order of the terms, rounded. Another order differs in the last bits of the double, which seldom
  // reach the float.
  Result<float> Round(uint32_t row, double sum) {
    const auto score = static_cast<float>(sum);
    if (added_in_order_) return score;
    const double error = sum * static_cast<double>(terms_.size()) * std::numeric_limits<double>::epsilon();
    if (static_cast<float>(sum - error) == static_cast<float>(sum + error)) return score;
    return ScoreInOrder(row);
  }

  Result<float> ScoreInOrder(uint32_t row) {
    double sum = 0;
    for (const TermMatch& term : query_.terms) {
      TermCursor cursor(term.postings, blocks_[query_.terms.size()]);
      RAGTIME_ASSIGN_OR_RETURN(const uint32_t count, cursor.Count(row));
      if (count > 0) sum += query_.formula.Part(term.gain, count, query_.lengths[row]);
    }
    return static_cast<float>(sum);
  }

  const Context& context_;
  const Bm25Query& query_;
  const BlockKernels& kernels_;
  std::unique_ptr<DecodedBlock[]> blocks_;  // One for each term, and one for ScoreInOrder.
  std::vector<Term> terms_;
  std::vector<uint32_t> by_bound_;  // Terms by ascending bound.
  TopHits top_;
  uint64_t wanted_rows_ = kWindowRowsMin;
  double threshold_ = -1;  // Rows that cannot have more are left out. Below every score at first.

  // Of the window.
  std::vector<uint32_t> window_terms_;  // Those aside first, by ascending bound.
  std::vector<double> below_;           // below_[i]: the bounds of the first i of window_terms_, by ascending bound.
  bool added_in_order_ = true;
  WindowSums& sums_;
  RisingSums& rising_;
  Candidates& candidates_;
  std::array<double, kBlockRows> parts_;
  std::array<uint32_t, kBlockRows> row_lengths_;
};

}  // namespace

Result<std::vector<RowHit>> SearchBest(const Context& context, const Bm25Query& query) {
  if (query.terms.size() > kTermsMax) return SearchAll(context, query);
  Scratch& scratch = ScratchOfThread();
  Result<std::vector<RowHit>> hits = BestSearch(context, query, scratch).Run();
  if (!hits.ok()) {
    scratch.sums.Clear();
    scratch.rising.Clear();
  }
  return hits;
}

}  // namespace ragtime
