// SPDX-License-Identifier: Apache-2.0
//
// RecordSource gives the blocks of records and the exact vectors of one DISKANN index, from its file, or from memory
// where it has none.
//
// Threads: every method may be called concurrently. Errors: those of DiskReader.
#ifndef RAGTIME_INDEX_DISKANN_RECORD_SOURCE_H_
#define RAGTIME_INDEX_DISKANN_RECORD_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/diskann/block_cache.h"
#include "index/diskann/disk_reader.h"
#include "index/diskann/diskann_format.h"
#include "ragtime/index.h"
#include "ragtime/status.h"

namespace ragtime {

struct DiskannShared {
  explicit DiskannShared(bool io_uring) : reader(io_uring) {}
  DiskReader reader;
  BlockCache cache;
};

class RecordSource {
 public:
  // `room` is added to the capacity of the cache for as long as this lives.
  RecordSource(std::shared_ptr<DiskannShared> shared, const DiskannLayout& layout, std::span<const std::byte> bytes,
               VectorMatrix vectors, std::optional<DiskFile> file, const IndexFile& where, int64_t room);
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;
  ~RecordSource();

  // The blocks with these numbers, which are below layout.block_count, all at once.
  Status ReadBlocks(std::span<const uint32_t> numbers, std::vector<Block>& blocks) const;
  // The vectors of these rows, which are in range, one behind the other. Neighbours are read together.
  Status ReadVectors(std::span<const uint32_t> rows, std::vector<float>& vectors) const;

 private:
  const std::shared_ptr<DiskannShared> shared_;
  const DiskannLayout& layout_;
  const std::span<const std::byte> bytes_;
  const VectorMatrix vectors_;
  const std::optional<DiskFile> file_;
  const uint64_t blocks_offset_;   // In the file.
  const uint64_t vectors_offset_;  // In the file.
  const int64_t room_;
  const uint32_t owner_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_RECORD_SOURCE_H_
