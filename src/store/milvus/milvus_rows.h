// SPDX-License-Identifier: Apache-2.0
//
// Rows of a Collection as the columns of Milvus' messages, both ways.
//
// Of a text longer than Milvus' VARCHAR (65,535 bytes) the beginning lies in the column `text`, the rest as an array in
// `text_rest`, cut between characters. So do payloads.
//
// Threads: functions without state. Errors: kInvalidArgument names the row and the column that is too long; kDataLoss
// the answer that has not the columns that were asked for.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_ROWS_H_
#define RAGTIME_STORE_MILVUS_MILVUS_ROWS_H_

#include <milvus_proto/milvus.pb.h>

#include <span>
#include <string>
#include <vector>

#include "ragtime/status.h"
#include "store/collection.h"

namespace ragtime {

inline constexpr size_t kVarcharBytesMax = 65535;
inline constexpr int kListValuesMax = 4096;  // Milvus' own limit of an array.

// The dimension on the server: Milvus takes none below 2, so that a vector of one number gets a 0.
size_t MilvusDimension(const CollectionSpec& spec);
milvus::proto::schema::CollectionSchema SchemaOf(const CollectionSpec& spec);

Result<milvus::proto::milvus::UpsertRequest> UpsertOf(const CollectionSpec& spec, std::span<const CollectionRow> rows);
// Roughly what a row takes in a message.
size_t SizeBytesOf(const CollectionRow& row);

// The columns to ask for, all of them or all but the vector.
std::vector<std::string> OutputFields(const CollectionSpec& spec, bool with_vectors);
Result<std::vector<CollectionRow>> RowsOf(const CollectionSpec& spec,
                                          const milvus::proto::milvus::QueryResults& results, bool with_vectors);
// The best first; of equal ones the lower id. Milvus answers with squared distances for L2, which become negative
// scores, and with similarities for the other metrics.
Result<std::vector<CollectionHit>> HitsOf(const CollectionSpec& spec,
                                          const milvus::proto::schema::SearchResultData& results);

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_ROWS_H_
