// SPDX-License-Identifier: Apache-2.0
//
// DiskWalk goes over the graph of a DISKANN index: by short codes from place to place in the upper levels, then in the
// lowest from record to record, of which it reads as many at once as the beam is wide.
//
// Threads: immutable; Run may be called concurrently. Errors: a link or record that leads nowhere is kDataLoss; those
// of reading. The rows that it meets do not depend on what is cached.
#ifndef RAGTIME_INDEX_DISKANN_DISK_WALK_H_
#define RAGTIME_INDEX_DISKANN_DISK_WALK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index/diskann/diskann_format.h"
#include "index/diskann/record_source.h"
#include "index/diskann/short_codes.h"
#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/status.h"

namespace ragtime {

// A row whose exact score lies between two numbers.
struct BoundedRow {
  uint32_t row;
  float lower;
  float upper;
};

struct DiskWalkRequest {
  uint64_t ef = 0;    // How many of the nearest rows are followed, at least.
  uint32_t beam = 1;  // Blocks read at once, at most.
  uint64_t selected = 0;
  RowBitmap excluded;
  float score_min = 0;
};

class DiskWalk {
 public:
  // What it goes over; all must outlive it.
  struct Graph {
    std::span<const std::byte> bytes;
    const DiskannLayout& layout;
    uint32_t rows;
    double norm_max;
    Metric metric;
    size_t dimension;
    const ShortCodes& codes;
    const RecordSource& source;
  };
  explicit DiskWalk(const Graph& graph) : graph_(graph) {}

  // The rows of all records that were read, but for those excluded; none where a scan is cheaper after all.
  Result<std::optional<std::vector<BoundedRow>>> Run(const Context& context, std::span<const float> query,
                                                     const DiskWalkRequest& request) const;

 private:
  Result<uint32_t> Entry(ShortQuery& query) const;

  const Graph graph_;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_DISK_WALK_H_
