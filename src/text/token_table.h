// SPDX-License-Identifier: Apache-2.0
//
// A TokenTable holds the tokens of rows as numbers of distinct terms: what a keyword index is built from, in a fraction
// of the memory that a string for each would take.
//
// Threads: one thread. Ownership: keeps copies; rows() points into it until the next Add.
#ifndef RAGTIME_TEXT_TOKEN_TABLE_H_
#define RAGTIME_TEXT_TOKEN_TABLE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

class TokenTable {
 public:
  TokenTable();
  // rows[r] are the tokens of row r.
  explicit TokenTable(std::span<const std::vector<std::string>> rows);
  TokenTable(TokenTable&&) = default;
  TokenTable& operator=(TokenTable&&) = default;

  // The next token of the row that the next EndRow ends.
  void Add(std::string_view token);
  void EndRow();
  uint64_t tokens() const { return tokens_.size(); }
  TokenRows rows() const { return {.terms = terms_, .tokens = tokens_, .lengths = lengths_}; }

 private:
  uint32_t Insert(std::string_view term, uint64_t hash, size_t slot);
  void Grow();
  std::string_view Keep(std::string_view term);

  struct Slot {
    uint32_t hash = 0;  // Its upper half, so that most terms that differ are told apart without a look at them.
    uint32_t number = 0;
  };
  std::vector<Slot> slots_;  // A power of two, at most half of them taken; linear probing.
  std::vector<std::string_view> terms_;
  std::vector<std::unique_ptr<char[]>> chunks_;  // The bytes of terms_.
  size_t chunk_left_ = 0;
  char* chunk_next_ = nullptr;
  std::vector<uint32_t> tokens_;
  std::vector<uint32_t> lengths_;
  size_t row_start_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_TEXT_TOKEN_TABLE_H_
