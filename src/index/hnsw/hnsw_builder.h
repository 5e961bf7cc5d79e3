// SPDX-License-Identifier: Apache-2.0
//
// LinkRows makes the graph of an HNSW index: which rows are linked to which, level by level.
//
// Threads: makes its own and ends them; the same links come out for any number of them.
#ifndef RAGTIME_INDEX_HNSW_HNSW_BUILDER_H_
#define RAGTIME_INDEX_HNSW_HNSW_BUILDER_H_

#include <cstddef>
#include <span>

#include "index/hnsw/hnsw_format.h"
#include "index/hnsw/hnsw_index.h"
#include "index/kernels/coded_rows.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

// Writes the links, twins and places of `layout` into `bytes`, whose codes are those of `coded`.
Status LinkRows(const Context& context, const CodedRows& coded, Metric metric, double norm_max,
                const HnswParameters& parameters, const HnswLayout& layout, std::span<std::byte> bytes);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_HNSW_BUILDER_H_
