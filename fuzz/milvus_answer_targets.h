// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers and the mutation test of Milvus' answers do with arbitrary bytes: take them as what a server answers
// to a query and to a search.
#ifndef RAGTIME_FUZZ_MILVUS_ANSWER_TARGETS_H_
#define RAGTIME_FUZZ_MILVUS_ANSWER_TARGETS_H_

#include <cstddef>
#include <span>
#include <vector>

namespace ragtime {

// Whether rows were read, as rows of a collection of ours and as those of another program's.
bool UseAsMilvusRows(std::span<const std::byte> bytes);
// Whether hits were read. Aborts where they are not in order.
bool UseAsMilvusHits(std::span<const std::byte> bytes);

// Two rows with a column of each kind, one of them null in some.
std::vector<std::byte> MilvusRowsSeed();
// Forty hits, more than a sort takes one by one.
std::vector<std::byte> MilvusHitsSeed();

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_MILVUS_ANSWER_TARGETS_H_
