// SPDX-License-Identifier: Apache-2.0
#include "index/scalar/column_scan.h"

#include <cstring>

#include "index/scalar/columns_format.h"

#if defined(__x86_64__)
#define RAGTIME_AVX2 __attribute__((target("avx2")))
#endif
#define RAGTIME_INLINE inline __attribute__((always_inline))

namespace ragtime {
namespace {

// 64 flags of a byte each as 64 bits. The product moves the lowest bit of each byte into the highest byte.
RAGTIME_INLINE uint64_t PackFlags(const uint8_t* flags) {
  uint64_t word = 0;
  for (size_t i = 0; i < 8; ++i) {
    uint64_t eight;
    std::memcpy(&eight, flags + i * 8, sizeof(eight));
    word |= (eight * 0x0102040810204080u >> 56) << (i * 8);
  }
  return word;
}

// Written for the compiler: the inner loop has a fixed length and no branches.
template <typename Value, typename Test>
RAGTIME_INLINE void Scan(std::span<const Value> values, std::span<uint64_t> words, Test test) {
  const size_t whole = values.size() / 64;
  for (size_t w = 0; w < whole; ++w) {
    const Value* block = values.data() + w * 64;
    alignas(64) uint8_t flags[64];
    for (size_t i = 0; i < 64; ++i) flags[i] = test(block[i]);
    words[w] |= PackFlags(flags);
  }
  for (size_t i = whole * 64; i < values.size(); ++i) words[i / 64] |= uint64_t{test(values[i])} << (i % 64);
}

RAGTIME_INLINE void Ints(std::span<const int64_t> values, int64_t low, int64_t high, std::span<uint64_t> words) {
  Scan(values, words, [=](int64_t value) -> uint8_t { return (value >= low) & (value <= high); });
}
RAGTIME_INLINE void Floats(std::span<const double> values, int64_t low, int64_t high, std::span<uint64_t> words) {
  Scan(values, words, [=](double value) -> uint8_t {
    const int64_t bits = OrderedBits(value);
    return (bits >= low) & (bits <= high);
  });
}
RAGTIME_INLINE void Codes(std::span<const uint32_t> codes, uint32_t low, uint32_t high, std::span<uint64_t> words) {
  Scan(codes, words, [=](uint32_t code) -> uint8_t { return (code >= low) & (code <= high); });
}

#if defined(__x86_64__)
RAGTIME_AVX2 void IntsAvx2(std::span<const int64_t> v, int64_t low, int64_t high, std::span<uint64_t> words) {
  Ints(v, low, high, words);
}
RAGTIME_AVX2 void FloatsAvx2(std::span<const double> v, int64_t low, int64_t high, std::span<uint64_t> words) {
  Floats(v, low, high, words);
}
RAGTIME_AVX2 void CodesAvx2(std::span<const uint32_t> v, uint32_t low, uint32_t high, std::span<uint64_t> words) {
  Codes(v, low, high, words);
}
bool HasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}
#endif

}  // namespace

void ScanInts(std::span<const int64_t> values, int64_t low, int64_t high, std::span<uint64_t> words) {
#if defined(__x86_64__)
  if (HasAvx2()) return IntsAvx2(values, low, high, words);
#endif
  Ints(values, low, high, words);
}

void ScanFloats(std::span<const double> values, int64_t low, int64_t high, std::span<uint64_t> words) {
#if defined(__x86_64__)
  if (HasAvx2()) return FloatsAvx2(values, low, high, words);
#endif
  Floats(values, low, high, words);
}

void ScanCodes(std::span<const uint32_t> codes, uint32_t low, uint32_t high, std::span<uint64_t> words) {
#if defined(__x86_64__)
  if (HasAvx2()) return CodesAvx2(codes, low, high, words);
#endif
  Codes(codes, low, high, words);
}

}  // namespace ragtime
