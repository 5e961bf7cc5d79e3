// SPDX-License-Identifier: Apache-2.0
//
// What a store refuses, the same for every backend: batches and queries that break the contract of ragtime/store.h.
//
// Threads: may be called concurrently. Errors: kInvalidArgument names the file and the position of the node.
#ifndef RAGTIME_STORE_BATCH_CHECK_H_
#define RAGTIME_STORE_BATCH_CHECK_H_

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

inline constexpr size_t kCommitNodesMax = 65536;
inline constexpr size_t kNodeTextBytesMax = size_t{1} << 20;
inline constexpr size_t kNodeHeadingBytesMax = size_t{64} << 10;
inline constexpr size_t kGroupBytesMax = 256;
inline constexpr size_t kFilePathBytesMax = 4096;
inline constexpr size_t kDimensionMax = 65536;
inline constexpr size_t kFieldsMax = 256;
// The setting that keeps the declarations of fields, as EncodeFieldSpecs writes them.
inline constexpr char kFieldsSetting[] = "doc_fields";

// The setting that keeps the keys of named vectors, as EncodeDimensions writes them.
inline constexpr char kNamedDimensionsSetting[] = "named_dimensions";
inline constexpr size_t kVectorKeysMax = 16;

// By the key of NewNode::named.
using NamedDimensions = std::map<std::string, size_t>;
std::string EncodeDimensions(const NamedDimensions& dimensions);
Result<NamedDimensions> DecodeDimensions(std::string_view text);

// Checks everything that can be told without the store's content. `dimension` is what is recorded, none before the
// first node; `fields` are those declared before the batch, and `named` the keys, to which those of the batch are
// added. Vectors of kCosine whose length is not 1 are scaled to it. Returns the dimension after the batch.
Result<std::optional<size_t>> CheckBatch(WriteBatch& batch, Metric metric, std::optional<size_t> dimension,
                                         std::span<const FieldSpec> fields, NamedDimensions& named);

// What the query's vector must have; kInvalidArgument for a key that is not declared. 0 where nodes have no vectors.
Result<size_t> DimensionFor(const VectorQuery& query, std::optional<size_t> dimension, const NamedDimensions& named);

// The query's vector as the indexes want it: of the store's dimension, finite, of length 1 for kCosine.
Result<std::vector<float>> CheckQueryVector(std::span<const float> vector, Metric metric, size_t dimension);

// Keys that only the store itself writes.
bool IsReservedSetting(std::string_view key);
std::string_view MetricName(Metric metric);  // "COSINE", "IP", "L2"
std::optional<Metric> ParseMetric(std::string_view name);

}  // namespace ragtime

#endif  // RAGTIME_STORE_BATCH_CHECK_H_
