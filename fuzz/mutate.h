// SPDX-License-Identifier: Apache-2.0
//
// Mutations of bytes for tests that run without a fuzzing compiler: flips, overwrites, cuts, growth, moved pieces.
//
// Threads: one thread.
#ifndef RAGTIME_FUZZ_MUTATE_H_
#define RAGTIME_FUZZ_MUTATE_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <random>
#include <span>
#include <vector>

namespace ragtime {

using Bytes = std::vector<std::byte>;

inline void MutateOnce(std::mt19937& random, Bytes& bytes) {
  if (bytes.empty()) return;
  // The header and what follows it decide most; half of the changes go there.
  const size_t at = random() % (random() % 2 == 0 ? std::min<size_t>(bytes.size(), 128) : bytes.size());
  switch (random() % 6) {
    case 0:
      bytes[at] ^= std::byte{1} << (random() % 8);
      break;
    case 1:
      bytes[at] = static_cast<std::byte>(random());
      break;
    case 2:  // An extreme number.
      std::fill(bytes.begin() + at, bytes.begin() + std::min(at + 4, bytes.size()),
                random() % 2 == 0 ? std::byte{0xFF} : std::byte{0});
      break;
    case 3:
      bytes.resize(random() % 4 == 0 ? at : bytes.size());
      break;
    case 4:
      if (random() % 4 == 0) bytes.resize(bytes.size() + random() % 100, static_cast<std::byte>(random()));
      break;
    default: {
      const size_t from = random() % bytes.size();
      const size_t size = std::min({random() % 64, bytes.size() - from, bytes.size() - at});
      const Bytes piece(bytes.begin() + from, bytes.begin() + from + size);
      std::copy(piece.begin(), piece.end(), bytes.begin() + at);
    }
  }
}

// Returns how many mutations could still be opened.
inline int UseMutations(const Bytes& seed, int rounds, const std::function<bool(std::span<const std::byte>)>& use) {
  std::mt19937 random(1);
  int opened = 0;
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = seed;
    for (size_t n = 1 + random() % 4; n > 0; --n) MutateOnce(random, bytes);
    opened += use(bytes);
  }
  return opened;
}

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_MUTATE_H_
