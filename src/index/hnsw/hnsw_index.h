// SPDX-License-Identifier: Apache-2.0
//
// HNSW finds the nearest rows by walking over a graph of near rows, from level to level (Malkov and Yashunin, 2016):
// nearly always those that a scan finds, in a time that hardly grows with the rows.
//
// The walk goes by codes of 4 bits, or 8; what it has met is then scored from the exact vectors, as far as the bounds
// of the codes leave it open. Excluded rows are walked over, but not kept. Where a scan is cheaper than a walk (few
// rows are left, or many are wanted) the codes are scanned, and the result is exact. docs/formats/index-hnsw.md has the
// bytes.
//
// Threads: as include/ragtime/index.h says. Errors: a link that leads nowhere is kDataLoss.
#ifndef RAGTIME_INDEX_HNSW_HNSW_INDEX_H_
#define RAGTIME_INDEX_HNSW_HNSW_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

// Fewer rows are scanned as fast as they are walked over (docs/formats/index-hnsw.md has the numbers).
inline constexpr uint64_t kHnswRowsMin = 8192;

// What a search keeps where nothing says it: enough up to kHnswRowsMeasured rows, and beyond them more with the root of
// the rows, so that making one graph of several finds as much (docs/internals/vector.md has the numbers).
inline constexpr uint32_t kHnswEf = 96;
inline constexpr uint64_t kHnswRowsMeasured = 65536;
uint32_t HnswEfFor(uint64_t rows);

class HnswIndexType final : public VectorIndexType {
 public:
  // `parameters` are within their limits. `bits` are those of the codes that are built, 4 or 8; 0 has 4 where those are
  // smaller.
  explicit HnswIndexType(const HnswParameters& parameters = {}, uint32_t bits = 0)
      : parameters_(parameters), bits_(bits) {}
  std::string_view name() const override { return "HNSW"; }
  uint32_t version() const override;
  uint32_t version_min() const override;
  // kInvalidArgument for a vector that is not finite or longer than 1e15. The bytes do not depend on the threads.
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> OpenInFile(std::span<const std::byte> bytes, VectorMatrix vectors, Metric metric,
                                                  const IndexFile& file) const override;

 private:
  const HnswParameters parameters_;
  const uint32_t bits_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_HNSW_INDEX_H_
