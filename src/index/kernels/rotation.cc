// SPDX-License-Identifier: Apache-2.0
#include "index/kernels/rotation.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "index/kernels/kernels.h"

namespace ragtime {
namespace {

constexpr size_t kRounds = 4;

// The next of a fixed sequence of numbers without a pattern (Steele, Lea and Flood, SplitMix64, 2014).
uint64_t NextMixed(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Rotation::Rotation(size_t dimension) : dimension_(dimension), block_(std::bit_floor(dimension)) {
  signs_.resize(kRounds * dimension);
  uint64_t state = dimension;
  for (float& sign : signs_) sign = (NextMixed(state) & 1) != 0 ? 1.0f : -1.0f;
}

// Each round changes signs, then turns a block of dimensions by the matrix of Hadamard: by turns the first and the
// last, so that all mix.
void Rotation::Apply(std::span<float> values) const {
  const float norm = 1 / std::sqrt(static_cast<float>(block_));
  for (size_t round = 0; round < kRounds; ++round) {
    const float* signs = signs_.data() + round * dimension_;
    for (size_t i = 0; i < dimension_; ++i) values[i] *= signs[i];
    float* block = values.data() + (round % 2 == 0 ? 0 : dimension_ - block_);
    BestKernels().hadamard(block, block_);
    for (size_t i = 0; i < block_; ++i) block[i] *= norm;
  }
}

}  // namespace ragtime
