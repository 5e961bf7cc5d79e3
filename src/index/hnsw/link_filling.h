// SPDX-License-Identifier: Apache-2.0
//
// FillLinks gives each row of the lowest level as many links as it has room for: a walk that reads a row's block of 32
// codes whole pays nothing for them.
//
// Threads: makes its own and ends them; the same links come out for any number of them.
#ifndef RAGTIME_INDEX_HNSW_LINK_FILLING_H_
#define RAGTIME_INDEX_HNSW_LINK_FILLING_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/kernels/coded_rows.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

// `bottom` has `links_of_row` links for each row, ended by kNoRow; rows without any keep none. A row keeps those that it
// has and gets, of the rows that its links lead to, those that no link leads to by a much shorter way, then the nearest.
Status FillLinks(const Context& context, const CodedRows& coded, Metric metric, double norm_max, size_t threads,
                 size_t links_of_row, std::span<uint32_t> bottom);

}  // namespace ragtime

#endif  // RAGTIME_INDEX_HNSW_LINK_FILLING_H_
