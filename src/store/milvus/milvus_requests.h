// SPDX-License-Identifier: Apache-2.0
//
// The requests of MilvusServer and its collections as messages, apart from those that carry rows (milvus_rows.h).
//
// Threads: functions without state.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_REQUESTS_H_
#define RAGTIME_STORE_MILVUS_MILVUS_REQUESTS_H_

#include <milvus_proto/milvus.pb.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/status.h"
#include "store/collection.h"

namespace ragtime {

// Strong, Bounded, Session, Eventually. kInvalidArgument names what else was said.
Result<milvus::proto::common::ConsistencyLevel> ConsistencyLevelOf(std::string_view name);
// How fresh an answer must be, as pymilvus says it.
struct Consistency {
  Consistency(milvus::proto::common::ConsistencyLevel of_level, uint64_t last_write = 0)
      : level(of_level), written(last_write) {}
  milvus::proto::common::ConsistencyLevel level;
  uint64_t written;  // The server's time of our last write; 0: none. Only Session looks at it.
};

// "COSINE", "IP", "L2"
std::string_view MilvusMetric(Metric metric);

milvus::proto::milvus::CreateCollectionRequest CreateRequest(const CollectionSpec& spec,
                                                             milvus::proto::common::ConsistencyLevel level);
milvus::proto::milvus::CreateIndexRequest IndexRequest(const CollectionSpec& spec);
milvus::proto::milvus::QueryRequest QueryRequestOf(const std::string& collection, std::string expression,
                                                   std::vector<std::string> output_fields,
                                                   const Consistency& consistency);
// At most `limit` rows, those with the lowest ids: what pymilvus' iterators ask for.
milvus::proto::milvus::QueryRequest LowestRequestOf(const std::string& collection, std::string expression,
                                                    std::vector<std::string> output_fields, size_t limit,
                                                    const Consistency& consistency);
milvus::proto::milvus::SearchRequest SearchRequestOf(const CollectionSpec& spec, std::span<const float> query,
                                                     size_t limit, std::string expression,
                                                     const Consistency& consistency);

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_REQUESTS_H_
