// SPDX-License-Identifier: Apache-2.0
//
// HNSW_FAST is an HNSW index (profile: fast) whose rows also keep one bit a dimension of where their links lie: a walk
// reads one block for each row that it follows instead of the codes of 32 others, for four times the memory.
//
// The walk goes by estimates of 1-bit codes; the rows that it follows are scored by their 8-bit codes, and the best of
// them from the exact vectors, as in HNSW. Where fewer than half of the rows are selected the HNSW index within is
// searched. docs/formats/index-hnsw-fast.md has the bytes.
//
// Threads: as include/ragtime/index.h says. Errors: a link that leads nowhere is kDataLoss.
#ifndef RAGTIME_INDEX_HNSW_FAST_HNSW_INDEX_H_
#define RAGTIME_INDEX_HNSW_FAST_HNSW_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "index/hnsw/hnsw_index.h"
#include "ragtime/index.h"

namespace ragtime {

inline constexpr char kFastHnswMagic[8] = {'R', 'T', 'H', 'N', 'F', 'A', '\r', '\n'};
inline constexpr uint32_t kFastHnswVersion = 1;

struct FastHnswHeader {
  char magic[8];
  uint32_t version;
  uint32_t reserved[3];
  uint64_t hnsw_size;  // Bytes of the HNSW index, which follows; then blocks at the next multiple of 64.
  uint64_t more[3];    // 0
  uint64_t header_hash;
};
static_assert(sizeof(FastHnswHeader) == 64);

class FastHnswIndexType final : public VectorIndexType {
 public:
  // `parameters` are within their limits.
  explicit FastHnswIndexType(const HnswParameters& parameters = {}) : parameters_(parameters), hnsw_(parameters, 8) {}
  std::string_view name() const override { return "HNSW_FAST"; }
  uint32_t version() const override { return kFastHnswVersion; }
  // As HnswIndexType.
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> OpenInFile(std::span<const std::byte> bytes, VectorMatrix vectors, Metric metric,
                                                  const IndexFile& file) const override;

 private:
  const HnswParameters parameters_;
  const HnswIndexType hnsw_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_FAST_HNSW_INDEX_H_
