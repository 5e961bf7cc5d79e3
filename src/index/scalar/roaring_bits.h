// SPDX-License-Identifier: Apache-2.0
//
// Compressed sets of items: written by CRoaring in its portable format, read in place by code that checks every bound
// (CRoaring trusts the inside of a bitmap), and changed in memory.
//
// Threads: a RoaringBits belongs to one thread at a time.
#ifndef RAGTIME_INDEX_SCALAR_ROARING_BITS_H_
#define RAGTIME_INDEX_SCALAR_ROARING_BITS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

struct roaring_bitmap_s;

namespace ragtime {

// `items` ascending, each once. Equal items give equal bytes.
std::vector<std::byte> WriteRoaring(std::span<const uint32_t> items);
// Adds the set to `words`, which has a bit for each of `items` items. False where the bytes are no set of them; some
// bits may be added then.
bool AddRoaring(std::span<const std::byte> bytes, uint32_t items, std::span<uint64_t> words);

class RoaringBits {
 public:
  RoaringBits();
  void Add(uint32_t item);
  void Remove(uint32_t item);
  bool empty() const;
  // Ascending, until `visit` answers false.
  void ForEach(const std::function<bool(uint32_t)>& visit) const;

 private:
  struct Free {
    void operator()(roaring_bitmap_s* bitmap) const;
  };
  std::unique_ptr<roaring_bitmap_s, Free> bitmap_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_ROARING_BITS_H_
