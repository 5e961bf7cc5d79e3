// SPDX-License-Identifier: Apache-2.0
//
// FLAT finds the nearest rows by looking at every row: exactly those that a plain scan of the exact vectors finds, in
// its order.
//
// A first pass over 8-bit codes bounds every row's score from both sides; only rows whose upper bound reaches the
// limit-th best lower bound are scored from their exact vectors. docs/formats/index-flat.md has the bytes and the proof
// of the bounds.
//
// Threads: as include/ragtime/index.h says. Cost: a search reads dimension bytes a row, and a few exact vectors.
#ifndef RAGTIME_INDEX_FLAT_FLAT_INDEX_H_
#define RAGTIME_INDEX_FLAT_FLAT_INDEX_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

class FlatIndexType final : public VectorIndexType {
 public:
  std::string_view name() const override { return "FLAT"; }
  uint32_t version() const override;
  // kInvalidArgument for a vector that is not finite or longer than 1e15.
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_FLAT_FLAT_INDEX_H_
