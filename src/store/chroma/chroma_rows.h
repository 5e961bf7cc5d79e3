// SPDX-License-Identifier: Apache-2.0
//
// Rows as Chroma's records, and what a Chroma server answers as rows, ids, hits and counts.
//
// Threads: functions without state. Errors: an answer that is not as asked for is kUnavailable and says what is wrong
// with it; whoever called adds the server, the operation and the collection.
#ifndef RAGTIME_STORE_CHROMA_CHROMA_ROWS_H_
#define RAGTIME_STORE_CHROMA_CHROMA_ROWS_H_

#include <cstdint>
#include <vector>

#include "ragtime/status.h"
#include "store/collection.h"
#include "wire/json.h"

namespace ragtime {

// The key of a record's metadata that holds its id once more as a number, for ranges.
inline constexpr char kChromaIdKey[] = "_id";
// Chroma cuts every document into trigrams and indexes them, which takes longer than all else of a write, and nothing
// here asks for. So the text is metadata too, but for a long one: a hosted Chroma takes 4 KiB of a value.
inline constexpr size_t kChromaTextBytesMax = 4000;

Json ChromaMetadataOf(const CollectionSpec& spec, const CollectionRow& row);

// Of "get". Vectors that are asked for have the collection's dimension, and values the type of their column.
Result<std::vector<CollectionRow>> ChromaRowsOf(const CollectionSpec& spec, const Json& answer, bool with_vectors);
Result<std::vector<int64_t>> ChromaIdsOf(const Json& answer);
// Of "query": the best first; of equal ones the lower id.
Result<std::vector<CollectionHit>> ChromaHitsOf(const CollectionSpec& spec, const Json& answer);
Result<uint64_t> ChromaCountOf(const Json& answer);

}  // namespace ragtime

#endif  // RAGTIME_STORE_CHROMA_CHROMA_ROWS_H_
