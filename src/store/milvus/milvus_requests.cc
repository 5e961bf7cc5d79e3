// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_requests.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "base/str_cat.h"
#include "store/milvus/milvus_rows.h"
#include "wire/json.h"

namespace ragtime {
namespace {

namespace common = milvus::proto::common;
namespace proto = milvus::proto::milvus;

template <typename Request>
void AddPair(Request& pairs, std::string key, std::string value) {
  common::KeyValuePair& pair = *pairs.Add();
  pair.set_key(std::move(key));
  pair.set_value(std::move(value));
}

// {"ef": 64}: numbers and truths as such, as the server checks their types.
Json ParametersOf(const std::map<std::string, std::string>& parameters) {
  Json json = Json::Object();
  for (const auto& [name, value] : parameters) {
    int64_t whole = 0;
    double real = 0;
    const char* end = value.data() + value.size();
    if (const auto [at, error] = std::from_chars(value.data(), end, whole); error == std::errc() && at == end) {
      json.Set(name, whole);
    } else if (const auto [stop, wrong] = std::from_chars(value.data(), end, real);
               wrong == std::errc() && stop == end) {
      json.Set(name, real);
    } else if (value == "true" || value == "false") {
      json.Set(name, value == "true");
    } else {
      json.Set(name, value);
    }
  }
  return json;
}

// 0: everything, 1: anything, 2: what the server holds to be fresh enough.
template <typename Request>
void SetConsistency(Request& request, const Consistency& consistency) {
  request.set_consistency_level(consistency.level);
  if (consistency.level == common::Session) request.set_guarantee_timestamp(std::max<uint64_t>(consistency.written, 1));
  if (consistency.level == common::Bounded) request.set_guarantee_timestamp(2);
  if (consistency.level == common::Eventually) request.set_guarantee_timestamp(1);
}

}  // namespace

Result<common::ConsistencyLevel> ConsistencyLevelOf(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, common::ConsistencyLevel>, 4> kLevels = {
      {{"Strong", common::Strong},
       {"Bounded", common::Bounded},
       {"Session", common::Session},
       {"Eventually", common::Eventually}}};
  for (const auto& [level, value] : kLevels) {
    if (level == name) return value;
  }
  return InvalidArgumentError(StrCat("Milvus has no consistency level \"", name, "\""),
                              "write Strong, Bounded, Session or Eventually");
}

std::string_view MilvusMetric(Metric metric) {
  switch (metric) {
    case Metric::kInnerProduct:
      return "IP";
    case Metric::kL2:
      return "L2";
    case Metric::kCosine:
      break;
  }
  return "COSINE";
}

proto::CreateCollectionRequest CreateRequest(const CollectionSpec& spec, common::ConsistencyLevel level) {
  proto::CreateCollectionRequest request;
  request.set_collection_name(spec.name);
  request.set_schema(SchemaOf(spec).SerializeAsString());
  request.set_consistency_level(level);
  return request;
}

proto::CreateIndexRequest IndexRequest(const CollectionSpec& spec) {
  proto::CreateIndexRequest request;
  request.set_collection_name(spec.name);
  request.set_field_name("vector");
  request.set_index_name("vector");
  for (const auto& [name, value] : spec.index_params) AddPair(*request.mutable_extra_params(), name, value);
  AddPair(*request.mutable_extra_params(), "metric_type", std::string(MilvusMetric(spec.metric)));
  AddPair(*request.mutable_extra_params(), "index_type", spec.index_type);
  return request;
}

proto::QueryRequest QueryRequestOf(const std::string& collection, std::string expression,
                                   std::vector<std::string> output_fields, const Consistency& consistency) {
  proto::QueryRequest request;
  request.set_collection_name(collection);
  request.set_expr(std::move(expression));
  for (std::string& field : output_fields) request.add_output_fields(std::move(field));
  SetConsistency(request, consistency);
  AddPair(*request.mutable_query_params(), "reduce_stop_for_best", "False");
  AddPair(*request.mutable_query_params(), "ignore_growing", "False");
  return request;
}

proto::QueryRequest LowestRequestOf(const std::string& collection, std::string expression,
                                    std::vector<std::string> output_fields, size_t limit,
                                    const Consistency& consistency) {
  proto::QueryRequest request =
      QueryRequestOf(collection, std::move(expression), std::move(output_fields), consistency);
  auto& parameters = *request.mutable_query_params();
  AddPair(parameters, "limit", StrCat(limit));
  AddPair(parameters, "iterator", "True");
  parameters[0].set_value("True");  // reduce_stop_for_best
  return request;
}

proto::SearchRequest SearchRequestOf(const CollectionSpec& spec, std::span<const float> query, size_t limit,
                                     std::string expression, const Consistency& consistency) {
  std::vector<float> vector(query.begin(), query.end());
  vector.resize(MilvusDimension(spec));
  common::PlaceholderGroup group;
  common::PlaceholderValue& placeholder = *group.add_placeholders();
  placeholder.set_tag("$0");
  placeholder.set_type(common::FloatVector);
  placeholder.add_values(vector.data(), vector.size() * sizeof(float));

  proto::SearchRequest request;
  request.set_collection_name(spec.name);
  request.set_dsl(std::move(expression));
  request.set_dsl_type(common::BoolExprV1);
  request.set_placeholder_group(group.SerializeAsString());
  request.set_nq(1);
  SetConsistency(request, consistency);
  auto& parameters = *request.mutable_search_params();
  const std::string metric(MilvusMetric(spec.metric));
  Json of_index = ParametersOf(spec.search_params);
  of_index.Set("metric_type", metric);
  AddPair(parameters, "topk", StrCat(limit));
  AddPair(parameters, "round_decimal", "-1");
  AddPair(parameters, "ignore_growing", "False");
  AddPair(parameters, "metric_type", metric);
  AddPair(parameters, "anns_field", "vector");
  AddPair(parameters, "params", of_index.Dump());
  return request;
}

}  // namespace ragtime
