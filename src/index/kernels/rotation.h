// SPDX-License-Identifier: Apache-2.0
//
// A rotation without a pattern, after which all dimensions of a vector weigh about the same: codes of few bits then
// lose equally little of each. By signs and the fast Hadamard transform, as in RaBitQ's library (Gao and Long, 2024).
//
// Threads: immutable.
#ifndef RAGTIME_INDEX_KERNELS_ROTATION_H_
#define RAGTIME_INDEX_KERNELS_ROTATION_H_

#include <cstddef>
#include <span>
#include <vector>

namespace ragtime {

// Turns vectors, always in the same way: lengths and angles stay.
class Rotation {
 public:
  explicit Rotation(size_t dimension);
  // `values` are as many as dimensions.
  void Apply(std::span<float> values) const;

 private:
  const size_t dimension_;
  size_t block_ = 1;          // The largest power of 2 that is not above the dimension.
  std::vector<float> signs_;  // Of each round.
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_KERNELS_ROTATION_H_
