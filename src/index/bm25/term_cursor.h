// SPDX-License-Identifier: Apache-2.0
//
// TermCursor goes forward through the postings of one term and decodes only the blocks that are asked for.
#ifndef RAGTIME_INDEX_BM25_TERM_CURSOR_H_
#define RAGTIME_INDEX_BM25_TERM_CURSOR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/bm25/block_kernels.h"
#include "index/bm25/postings.h"

namespace ragtime {

class TermCursor {
 public:
  // `decoded` is the cursor's alone for as long as it lives.
  TermCursor(const TermPostings& postings, DecodedBlock& decoded)
      : postings_(postings), blocks_(postings.blocks()), decoded_(decoded), kernels_(BestBlockKernels()) {}

  const TermPostings& postings() const { return postings_; }
  bool at_end() const { return block_ == blocks_; }
  // The block that the cursor stands at. Requires !at_end(), as everything below.
  size_t block() const { return block_; }
  size_t blocks() const { return blocks_; }
  uint64_t first_row() const { return postings_.first_row(block_); }

  // To the first block, from here on, that could hold `row` or one behind it.
  void SkipTo(uint64_t row) {
    if (at_end() || postings_.last_row(block_) >= row) return;
    size_t below = block_;  // Ends before `row`.
    size_t step = 1;
    while (below + step < blocks_ && postings_.last_row(below + step) < row) {
      below += step;
      step *= 2;
    }
    size_t high = std::min(below + step, blocks_);
    while (below + 1 < high) {
      const size_t middle = below + (high - below) / 2;
      (postings_.last_row(middle) < row ? below : high) = middle;
    }
    block_ = high;
  }
  void NextBlock() { ++block_; }

  // The rows of this block; `next` is the first one that was not passed.
  Status Decode() {
    if (block_ == decoded_block_) return Status();
    next_ = 0;
    decoded_block_ = block_;
    return postings_.Decode(block_, decoded_);
  }
  const DecodedBlock& decoded() const { return decoded_; }
  size_t next() const { return next_; }

  // Passes the rows of the decoded block below `row`. False if there is none left.
  bool PassBelow(uint64_t row) {
    next_ = row <= std::numeric_limits<uint32_t>::max()
                ? kernels_.count_below(decoded_.rows, static_cast<uint32_t>(row))
                : decoded_.size;
    return next_ < decoded_.size;
  }

  // How often `row` holds the term. Rows must be asked for in ascending order.
  Result<uint32_t> Count(uint32_t row) {
    SkipTo(row);
    if (at_end() || first_row() > row) return 0u;
    RAGTIME_RETURN_IF_ERROR(Decode());
    return PassBelow(row) && decoded_.rows[next_] == row ? decoded_.counts[next_] : 0u;
  }

  // The first row from `row` on; UINT64_MAX if there is none.
  Result<uint64_t> NextRow(uint64_t row) {
    for (SkipTo(row); !at_end(); NextBlock()) {
      RAGTIME_RETURN_IF_ERROR(Decode());
      if (PassBelow(row)) return uint64_t{decoded_.rows[next_]};
    }
    return std::numeric_limits<uint64_t>::max();
  }

 private:
  const TermPostings& postings_;
  size_t blocks_;
  size_t block_ = 0;
  size_t decoded_block_ = std::numeric_limits<size_t>::max();
  size_t next_ = 0;
  DecodedBlock& decoded_;
  const BlockKernels& kernels_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_TERM_CURSOR_H_
