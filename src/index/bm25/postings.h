// SPDX-License-Identifier: Apache-2.0
//
// AppendPostings writes the rows of one term, PostingsReader reads them block by block.
//
// Errors: a reader answers kDataLoss where the bytes end early or name a row that does not exist.
#ifndef RAGTIME_INDEX_BM25_POSTINGS_H_
#define RAGTIME_INDEX_BM25_POSTINGS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/bm25/bm25_format.h"
#include "ragtime/status.h"

namespace ragtime {

// `rows` ascend; counts[i] >= 1 says how often rows[i] holds the term.
void AppendPostings(std::span<const uint32_t> rows, std::span<const uint32_t> counts, std::vector<std::byte>& out);

class PostingsReader {
 public:
  // `bytes` start with the term's first block and end with at least kPostingsPadding bytes that are not the term's.
  // `count` is the number of rows that hold the term; each is below `row_limit`.
  PostingsReader(std::span<const std::byte> bytes, uint32_t count, uint64_t row_limit)
      : bytes_(bytes), left_(count), row_limit_(row_limit) {}

  // Decodes the next block; size() is 0 when there is none left.
  Status Next();

  size_t size() const { return size_; }
  uint32_t row(size_t i) const { return rows_[i]; }
  uint32_t count(size_t i) const { return counts_[i]; }

 private:
  std::span<const std::byte> bytes_;  // What was not decoded yet.
  uint64_t left_;                     // Rows not decoded yet.
  uint64_t row_limit_;
  uint64_t next_row_ = 0;  // The least row that can come.
  size_t size_ = 0;
  uint32_t rows_[kPostingsBlockRows];
  uint32_t counts_[kPostingsBlockRows];
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_POSTINGS_H_
