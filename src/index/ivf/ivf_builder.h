// SPDX-License-Identifier: Apache-2.0
//
// FillIvf trains an index of type IVF_FLAT, IVF_SQ8, IVF_PQ or PQ and writes its parts.
//
// Threads: those of FindClusters; the same bytes come out for any number of them.
#ifndef RAGTIME_INDEX_IVF_IVF_BUILDER_H_
#define RAGTIME_INDEX_IVF_IVF_BUILDER_H_

#include <cstddef>
#include <span>

#include "index/ivf/ivf_format.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

// Writes what IvfLayout says of `header`, which is a trained one, into `bytes`. threads 0: one per core.
Status FillIvf(const Context& context, VectorMatrix vectors, Metric metric, const IvfHeader& header, size_t threads,
               std::span<std::byte> bytes);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_IVF_IVF_BUILDER_H_
