// SPDX-License-Identifier: Apache-2.0
//
// Deletions are the rows of one segment that are no longer live; as bytes, a checksum and a Roaring bitmap.
//
// Threads: immutable once shared. Errors: Parse answers kDataLoss on bytes that Serialize cannot have written.
#ifndef RAGTIME_STORE_DELETIONS_H_
#define RAGTIME_STORE_DELETIONS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ragtime/index.h"
#include "ragtime/status.h"

namespace ragtime {

class Deletions {
 public:
  explicit Deletions(uint32_t rows) : words_((size_t{rows} + 63) / 64) {}
  static Result<Deletions> Parse(std::span<const std::byte> bytes, uint32_t rows);
  Result<std::vector<std::byte>> Serialize() const;

  // True if the row, which must be one of the segment's, was live until now.
  bool Add(uint32_t row);
  bool Contains(uint32_t row) const { return bitmap().Contains(row); }
  RowBitmap bitmap() const { return {words_}; }
  std::span<const uint64_t> words() const { return words_; }
  uint64_t count() const { return count_; }

 private:
  std::vector<uint64_t> words_;
  uint64_t count_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_DELETIONS_H_
