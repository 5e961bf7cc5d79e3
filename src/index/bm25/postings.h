// SPDX-License-Identifier: Apache-2.0
//
// AppendTerm writes the record of one term, TermPostings reads it in place, block by block.
//
// Errors: kDataLoss where a record ends early, contradicts itself or names a row that does not exist.
#ifndef RAGTIME_INDEX_BM25_POSTINGS_H_
#define RAGTIME_INDEX_BM25_POSTINGS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "index/bm25/bm25_format.h"
#include "ragtime/status.h"

namespace ragtime {

// How many tokens each row has, in place.
class RowLengths {
 public:
  RowLengths(const std::byte* data, uint32_t bytes_each) : data_(data), bytes_each_(bytes_each) {}
  uint32_t operator[](uint32_t row) const {
    if (bytes_each_ == 1) return At<uint8_t>(row);
    return bytes_each_ == 2 ? At<uint16_t>(row) : At<uint32_t>(row);
  }
  // lengths[i] = that of rows[i].
  void Gather(const uint32_t* rows, size_t count, uint32_t* lengths) const {
    if (bytes_each_ == 1) return GatherAs<uint8_t>(rows, count, lengths);
    bytes_each_ == 2 ? GatherAs<uint16_t>(rows, count, lengths) : GatherAs<uint32_t>(rows, count, lengths);
  }

 private:
  template <typename T>
  uint32_t At(uint32_t row) const {
    return reinterpret_cast<const T*>(data_)[row];
  }
  template <typename T>
  void GatherAs(const uint32_t* rows, size_t count, uint32_t* lengths) const {
    for (size_t i = 0; i < count; ++i) lengths[i] = At<T>(rows[i]);
  }

  const std::byte* data_;
  uint32_t bytes_each_;
};

// Writes the record of `term`. `rows` ascend and are not empty; counts[i] >= 1 says how often rows[i] holds the term,
// lengths[r] how many tokens row r has. kResourceExhausted if the rows take more than 4 GiB.
Status AppendTerm(std::string_view term, std::span<const uint32_t> rows, std::span<const uint32_t> counts,
                  std::span<const uint32_t> lengths, std::vector<std::byte>& records);

// The rows of a block, decoded.
struct DecodedBlock {
  size_t size = 0;
  uint32_t rows[kBlockRows];    // Ascending; behind the last one the greatest number.
  uint32_t counts[kBlockRows];  // As many as rows.
};

class TermPostings {
 public:
  // The record at `offset` of `records`, which end with kRecordsPadding bytes that belong to no record. Each row is
  // below `row_limit`.
  static Result<TermPostings> Read(std::span<const std::byte> records, uint64_t offset, uint64_t row_limit);

  std::string_view term() const { return term_; }
  uint32_t rows() const { return rows_; }  // At least 1.
  size_t blocks() const { return (rows_ + kBlockRows - 1) / kBlockRows; }
  // That of the largest count and of the shortest row of the whole term.
  uint8_t max_count() const { return max_count_; }
  uint8_t min_length() const { return min_length_; }

  // For a term of one block last_row is only the last row that there could be.
  Bm25Block block(size_t i) const {
    if (blocks_ == nullptr) return only_;
    Bm25Block block;
    std::memcpy(&block, blocks_ + i * sizeof(block), sizeof(block));
    return block;
  }
  uint32_t last_row(size_t i) const {
    if (blocks_ == nullptr) return only_.last_row;
    uint32_t row;
    std::memcpy(&row, blocks_ + i * sizeof(Bm25Block), sizeof(row));
    return row;
  }
  // The least row that block i could hold.
  uint64_t first_row(size_t i) const { return i == 0 ? 0 : uint64_t{last_row(i - 1)} + 1; }

  Status Decode(size_t i, DecodedBlock& decoded) const;

 private:
  std::string_view term_;
  uint32_t rows_ = 0;
  uint8_t max_count_ = 0;
  uint8_t min_length_ = 0;
  uint64_t row_limit_ = 0;
  Bm25Block only_ = {};                // Of a term of one block.
  const std::byte* blocks_ = nullptr;  // Of a term of more: Bm25Block[blocks()], unaligned.
  std::span<const std::byte> packed_;  // What the blocks' ends count in, up to the end of all records.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_POSTINGS_H_
