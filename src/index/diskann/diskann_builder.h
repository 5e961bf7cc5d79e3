// SPDX-License-Identifier: Apache-2.0
//
// WriteDiskann makes the parts of a DISKANN index: the graph of HNSW, laid out in records, and short codes.
//
// Threads: makes its own and ends them; the same bytes come out for any number of them.
#ifndef RAGTIME_INDEX_DISKANN_DISKANN_BUILDER_H_
#define RAGTIME_INDEX_DISKANN_DISKANN_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/diskann/diskann_format.h"
#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/status.h"

namespace ragtime {

// Writes what `layout` says, without the header, into `bytes`, which are 0. Holds the graph of HNSW meanwhile.
Status WriteDiskann(const Context& context, VectorMatrix vectors, Metric metric, double norm_max,
                    const HnswParameters& parameters, uint32_t bits, const DiskannLayout& layout,
                    std::span<std::byte> bytes);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_DISKANN_BUILDER_H_
