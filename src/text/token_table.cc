// SPDX-License-Identifier: Apache-2.0
#include "text/token_table.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/hash.h"

namespace ragtime {
namespace {

constexpr uint32_t kEmpty = std::numeric_limits<uint32_t>::max();
constexpr size_t kChunkBytes = 64 << 10;

}  // namespace

TokenTable::TokenTable() : slots_(1 << 12, Slot{0, kEmpty}) {}

TokenTable::TokenTable(std::span<const std::vector<std::string>> rows) : TokenTable() {
  for (const std::vector<std::string>& row : rows) {
    for (const std::string& token : row) Add(token);
    EndRow();
  }
}

void TokenTable::Add(std::string_view token) {
  const uint64_t hash = Hash64(token);
  const auto upper = static_cast<uint32_t>(hash >> 32);
  for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
    const Slot slot = slots_[i];
    if (slot.number == kEmpty) {
      tokens_.push_back(Insert(token, hash, i));
      return;
    }
    if (slot.hash == upper && terms_[slot.number] == token) {
      tokens_.push_back(slot.number);
      return;
    }
  }
}

void TokenTable::EndRow() {
  lengths_.push_back(static_cast<uint32_t>(tokens_.size() - row_start_));
  row_start_ = tokens_.size();
}

uint32_t TokenTable::Insert(std::string_view term, uint64_t hash, size_t slot) {
  const auto number = static_cast<uint32_t>(terms_.size());
  terms_.push_back(Keep(term));
  slots_[slot] = {static_cast<uint32_t>(hash >> 32), number};
  if (terms_.size() * 2 > slots_.size()) Grow();
  return number;
}

void TokenTable::Grow() {
  slots_.assign(slots_.size() * 2, Slot{0, kEmpty});
  for (uint32_t number = 0; number < terms_.size(); ++number) {
    const uint64_t hash = Hash64(terms_[number]);
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].number != kEmpty) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {static_cast<uint32_t>(hash >> 32), number};
  }
}

std::string_view TokenTable::Keep(std::string_view term) {
  if (term.size() > chunk_left_) {
    chunk_left_ = std::max(kChunkBytes, term.size());
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_left_));
    chunk_next_ = chunks_.back().get();
  }
  char* const start = chunk_next_;
  if (!term.empty()) std::memcpy(start, term.data(), term.size());
  chunk_next_ += term.size();
  chunk_left_ -= term.size();
  return {start, term.size()};
}

}  // namespace ragtime
