// SPDX-License-Identifier: Apache-2.0
#include "store/deletions.h"

#include <roaring/roaring.h>

#include <bit>
#include <cstring>
#include <memory>

#include "base/hash.h"

namespace ragtime {
namespace {

struct FreeBitmap {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<roaring_bitmap_t, FreeBitmap>;

}  // namespace

bool Deletions::Add(uint32_t row) {
  uint64_t& word = words_[row / 64];
  const uint64_t bit = uint64_t{1} << (row % 64);
  if ((word & bit) != 0) return false;
  word |= bit;
  ++count_;
  return true;
}

Result<std::vector<std::byte>> Deletions::Serialize() const {
  const Bitmap bitmap(roaring_bitmap_create());
  if (bitmap == nullptr) return ResourceExhaustedError("no memory for a bitmap of deletions", "free some memory");
  for (size_t i = 0; i < words_.size(); ++i) {
    for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
      roaring_bitmap_add(bitmap.get(), static_cast<uint32_t>(i * 64 + static_cast<size_t>(std::countr_zero(word))));
    }
  }
  roaring_bitmap_run_optimize(bitmap.get());
  std::vector<std::byte> bytes(sizeof(uint64_t) + roaring_bitmap_portable_size_in_bytes(bitmap.get()));
  roaring_bitmap_portable_serialize(bitmap.get(), reinterpret_cast<char*>(bytes.data() + sizeof(uint64_t)));
  const uint64_t checksum = Hash64(std::span<const std::byte>(bytes).subspan(sizeof(uint64_t)));
  std::memcpy(bytes.data(), &checksum, sizeof(checksum));
  return bytes;
}

Result<Deletions> Deletions::Parse(std::span<const std::byte> bytes, uint32_t rows) {
  const Status damaged =
      DataLossError("a bitmap of deletions is damaged",
                    "restore the knowledge base from a copy, or ingest the documents into a new one");
  uint64_t checksum = 0;
  if (bytes.size() < sizeof(checksum)) return damaged;
  std::memcpy(&checksum, bytes.data(), sizeof(checksum));
  const auto body = bytes.subspan(sizeof(checksum));
  // The library trusts the inside of a bitmap, so that nothing may reach it that Serialize has not written.
  if (Hash64(body) != checksum) return damaged;
  const Bitmap bitmap(
      roaring_bitmap_portable_deserialize_safe(reinterpret_cast<const char*>(body.data()), body.size()));
  if (bitmap == nullptr) return damaged;
  Deletions deletions(rows);
  if (roaring_bitmap_is_empty(bitmap.get())) return deletions;
  if (roaring_bitmap_maximum(bitmap.get()) >= rows) return damaged;
  std::vector<uint32_t> values(roaring_bitmap_get_cardinality(bitmap.get()));
  roaring_bitmap_to_uint32_array(bitmap.get(), values.data());
  for (const uint32_t row : values) deletions.Add(row);
  return deletions;
}

}  // namespace ragtime
