// SPDX-License-Identifier: Apache-2.0
#include "index/scalar/roaring_bits.h"

#include <roaring/roaring.h>

#include <cstring>
#include <new>

namespace ragtime {
namespace {

// The portable format: https://github.com/RoaringBitmap/RoaringFormatSpec.
constexpr uint32_t kCookieNoRuns = 12346;
constexpr uint32_t kCookieRuns = 12347;
constexpr uint32_t kOffsetsContainersMin = 4;  // With runs, fewer containers have no offsets.
constexpr uint32_t kArrayMax = 4096;
constexpr size_t kBitsetWords = 1024;

class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : rest_(bytes) {}
  // Null where less is left.
  const std::byte* Take(size_t size) {
    if (size > rest_.size()) return nullptr;
    const std::byte* start = rest_.data();
    rest_ = rest_.subspan(size);
    return start;
  }
  template <typename Number>
  bool Read(Number& number) {
    const std::byte* start = Take(sizeof(Number));
    if (start != nullptr) std::memcpy(&number, start, sizeof(Number));
    return start != nullptr;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

uint16_t Number16(const std::byte* at) {
  uint16_t number;
  std::memcpy(&number, at, sizeof(number));
  return number;
}

// Containers set bits of `window`: up to 65,536 items from a multiple of that on.
class Window {
 public:
  Window(std::span<uint64_t> words, uint64_t items) : words_(words), items_(items) {}

  bool AddArray(Bytes& bytes, size_t size) const {
    const std::byte* values = bytes.Take(size * 2);
    if (values == nullptr) return false;
    for (size_t i = 0; i < size; ++i) {
      const uint16_t value = Number16(values + i * 2);
      if (value >= items_) return false;
      words_[value / 64] |= uint64_t{1} << (value % 64);
    }
    return true;
  }

  bool AddBitset(Bytes& bytes) const {
    const std::byte* start = bytes.Take(kBitsetWords * 8);
    if (start == nullptr) return false;
    uint64_t outside = 0;
    for (size_t i = 0; i < kBitsetWords; ++i) {
      uint64_t word;
      std::memcpy(&word, start + i * 8, sizeof(word));
      if (i < words_.size()) {
        words_[i] |= word;
        if ((i + 1) * 64 > items_) outside |= word >> (items_ - i * 64);
      } else {
        outside |= word;
      }
    }
    return outside == 0;
  }

  bool AddRuns(Bytes& bytes) const {
    uint16_t runs = 0;
    if (!bytes.Read(runs)) return false;
    const std::byte* values = bytes.Take(size_t{runs} * 4);
    if (values == nullptr) return false;
    for (size_t i = 0; i < runs; ++i) {
      const size_t first = Number16(values + i * 4);
      const size_t last = first + Number16(values + i * 4 + 2);
      if (last >= items_ || last > 65535) return false;
      AddRun(first, last);
    }
    return true;
  }

 private:
  void AddRun(size_t first, size_t last) const {
    const uint64_t head = UINT64_MAX << (first % 64);
    const uint64_t tail = UINT64_MAX >> (63 - last % 64);
    if (first / 64 == last / 64) {
      words_[first / 64] |= head & tail;
      return;
    }
    words_[first / 64] |= head;
    for (size_t w = first / 64 + 1; w < last / 64; ++w) words_[w] = UINT64_MAX;
    words_[last / 64] |= tail;
  }

  const std::span<uint64_t> words_;
  const uint64_t items_;  // From the start of the window; at most 65,536 count.
};

}  // namespace

std::vector<std::byte> WriteRoaring(std::span<const uint32_t> items) {
  roaring_bitmap_t* bitmap = roaring_bitmap_of_ptr(items.size(), items.data());
  if (bitmap == nullptr) throw std::bad_alloc();
  roaring_bitmap_run_optimize(bitmap);
  std::vector<std::byte> bytes(roaring_bitmap_portable_size_in_bytes(bitmap));
  roaring_bitmap_portable_serialize(bitmap, reinterpret_cast<char*>(bytes.data()));
  roaring_bitmap_free(bitmap);
  return bytes;
}

bool AddRoaring(std::span<const std::byte> data, uint32_t items, std::span<uint64_t> words) {
  Bytes bytes(data);
  uint32_t cookie = 0;
  uint32_t containers = 0;
  if (!bytes.Read(cookie)) return false;
  const bool runs = (cookie & 0xFFFF) == kCookieRuns;
  if (runs) {
    containers = (cookie >> 16) + 1;
  } else if (cookie != kCookieNoRuns || !bytes.Read(containers) || containers > 65536) {
    return false;
  }
  const std::byte* is_run = runs ? bytes.Take((containers + 7) / 8) : nullptr;
  const std::byte* heads = bytes.Take(size_t{containers} * 4);
  if ((runs && is_run == nullptr) || heads == nullptr) return false;
  // The offsets follow from the sizes.
  if ((!runs || containers >= kOffsetsContainersMin) && bytes.Take(size_t{containers} * 4) == nullptr) return false;
  for (uint32_t c = 0; c < containers; ++c) {
    const uint64_t start = uint64_t{Number16(heads + c * 4)} * 65536;
    const uint32_t size = Number16(heads + c * 4 + 2) + 1u;
    if (start >= items) return false;
    const Window window(words.subspan(start / 64), items - start);
    const bool run = runs && (std::to_integer<unsigned>(is_run[c / 8]) >> (c % 8) & 1) != 0;
    const bool added = run                 ? window.AddRuns(bytes)
                       : size <= kArrayMax ? window.AddArray(bytes, size)
                                           : window.AddBitset(bytes);
    if (!added) return false;
  }
  return bytes.at_end();
}

RoaringBits::RoaringBits() : bitmap_(roaring_bitmap_create()) {
  if (bitmap_ == nullptr) throw std::bad_alloc();
}
void RoaringBits::Free::operator()(roaring_bitmap_s* bitmap) const { roaring_bitmap_free(bitmap); }
void RoaringBits::Add(uint32_t item) { roaring_bitmap_add(bitmap_.get(), item); }
void RoaringBits::Remove(uint32_t item) { roaring_bitmap_remove(bitmap_.get(), item); }
bool RoaringBits::empty() const { return roaring_bitmap_is_empty(bitmap_.get()); }

void RoaringBits::ForEach(const std::function<bool(uint32_t)>& visit) const {
  roaring_iterate(
      bitmap_.get(),
      [](uint32_t item, void* to) { return (*static_cast<const std::function<bool(uint32_t)>*>(to))(item); },
      const_cast<void*>(static_cast<const void*>(&visit)));
}

}  // namespace ragtime
