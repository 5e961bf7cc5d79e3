// SPDX-License-Identifier: Apache-2.0
//
// ItemBits is an ItemSet while it is filled. One thread at a time.
#ifndef RAGTIME_INDEX_SCALAR_ITEM_BITS_H_
#define RAGTIME_INDEX_SCALAR_ITEM_BITS_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/count_bits.h"
#include "ragtime/index.h"

namespace ragtime {

class ItemBits {
 public:
  explicit ItemBits(uint32_t items) : items_(items), words_((uint64_t{items} + 63) / 64) {}

  uint32_t items() const { return items_; }
  std::span<uint64_t> words() { return words_; }

  // `item` must be below items().
  void Add(uint32_t item) {
    uint64_t& word = words_[item / 64];
    added_ += ~word >> (item % 64) & 1;
    word |= uint64_t{1} << (item % 64);
  }
  // False where one is not below items(); those before it are added.
  bool AddAll(std::span<const uint32_t> items) {
    for (const uint32_t item : items) {
      if (item >= items_) return false;
      Add(item);
    }
    return true;
  }

  // The count where nothing was written but by Add.
  ItemSet Finish() && { return {std::move(words_), added_}; }
  // Clears the bits past the end, and counts.
  ItemSet FinishWords() && {
    if (items_ % 64 != 0) words_.back() &= (uint64_t{1} << (items_ % 64)) - 1;
    const uint64_t count = CountBits(words_);
    return {std::move(words_), count};
  }

 private:
  const uint32_t items_;
  std::vector<uint64_t> words_;
  uint64_t added_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_ITEM_BITS_H_
