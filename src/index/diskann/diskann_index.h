// SPDX-License-Identifier: Apache-2.0
//
// DISKANN finds the nearest rows by the graph that HNSW has, of which only short codes and the upper levels are in
// memory: links and 8-bit codes of the lowest level are read from disk, as many rows at once as the beam is wide
// (Subramanya et al., DiskANN, 2019), and exact vectors only for the last few candidates.
//
// What is read goes past the page cache, into a cache of blocks that keeps to memory_bytes_max. Excluded rows are
// walked over, but not kept. Where few rows are left their vectors are read instead, and the result is exact; where
// some are left their short codes are scanned. docs/formats/index-diskann.md has the bytes, docs/internals/vector.md
// the numbers.
//
// Threads: as include/ragtime/index.h says. Errors: a link that leads nowhere is kDataLoss; a read that fails names the
// file and the byte.
#ifndef RAGTIME_INDEX_DISKANN_DISKANN_INDEX_H_
#define RAGTIME_INDEX_DISKANN_DISKANN_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

struct DiskannShared;  // The cache and the rings of all indexes of one type.

// How it is read; all but tests and benches take what the system gives.
struct DiskannReading {
  bool io_uring = true;
  bool direct = true;
  uint32_t bits = 0;  // Of a dimension in the short codes that are built: 1, 2 or 4. 0: what suits the dimension.
};

struct DiskannStatistics {
  uint64_t reads = 0;  // From files, since the type was made.
  uint64_t cached_bytes = 0;
  bool io_uring = false;
};

class DiskannIndexType final : public VectorIndexType {
 public:
  // Parameters are within their limits. Of `graph`, ef is not used.
  explicit DiskannIndexType(const HnswParameters& graph = {}, const DiskannParameters& parameters = {},
                            const DiskannReading& reading = {});
  std::string_view name() const override { return "DISKANN"; }
  uint32_t version() const override;
  // kInvalidArgument for a vector that is not finite or longer than 1e15. The bytes do not depend on the threads.
  // Building takes memory for the graph and the codes of all rows, whatever memory_bytes_max says.
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override;
  // Everything is read from `bytes` and `vectors`.
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override;
  Result<std::unique_ptr<VectorIndex>> OpenInFile(std::span<const std::byte> bytes, VectorMatrix vectors, Metric metric,
                                                  const IndexFile& file) const override;

  DiskannStatistics statistics() const;

 private:
  const HnswParameters graph_;
  const DiskannParameters parameters_;
  const DiskannReading reading_;
  const std::shared_ptr<DiskannShared> shared_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_DISKANN_INDEX_H_
