// SPDX-License-Identifier: Apache-2.0
//
// SearchVectors asks the vector index of one segment: that of all rows, or that of the rows with a vector of a key.
//
// Threads: may be called concurrently. Errors: those of the index; kDataLoss where the column is not as it was written.
#ifndef RAGTIME_STORE_EMBEDDED_SEGMENT_SEARCH_H_
#define RAGTIME_STORE_EMBEDDED_SEGMENT_SEARCH_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/status.h"
#include "store/segment.h"

namespace ragtime {

// `key` is that of a VectorQuery. The hits' rows are those of the segment.
Result<std::vector<RowHit>> SearchVectors(const Context& context, const Segment& segment, const std::string& key,
                                          std::span<const float> vector, size_t limit, const RowSelection& selection,
                                          const VectorSearchParameters& parameters);

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_SEGMENT_SEARCH_H_
