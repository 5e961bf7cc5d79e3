// SPDX-License-Identifier: Apache-2.0
//
// SearchRoute runs one route: it asks its group by its similarity, cuts off, and returns the nodes of its target.
//
// Threads: may be called concurrently. Errors: those of the snapshot and the language model; kInternal where a
// registered similarity gives no finite score.
#ifndef RAGTIME_QUERY_ROUTE_H_
#define RAGTIME_QUERY_ROUTE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/hits.h"
#include "ragtime/context.h"
#include "ragtime/generator.h"
#include "ragtime/index.h"
#include "ragtime/rewriter.h"
#include "ragtime/similarity.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

enum class RouteKind {
  kVector,    // The store's vector index.
  kKeyword,   // Its keyword index, by BM25.
  kKeywords,  // How many of a node's keywords, one a line, the question holds.
  kModel,     // The language model says which nodes are relevant.
  kAll,       // Every node, in the order of their ids.
  kFunction,  // A registered similarity.
};

// A retriever that is ready to run.
struct RouteSpec {
  std::string name;
  RouteKind kind = RouteKind::kVector;
  std::string group;  // "": all.
  size_t depth = 0;   // 0: what the request says.
  std::optional<double> cut_off;
  double weight = 1;
  std::string target;  // "": the nodes found.
  // Of kVector: what the store's scores mean, and what the route's shall mean. They differ only where vectors have
  // length 1, so that one follows from the other.
  Metric stored = Metric::kCosine;
  Metric shown = Metric::kCosine;
  Similarity function;   // Of kFunction.
  std::string key = {};  // Whose vectors are compared, as VectorQuery::key says.

  bool NeedsVector() const {
    return kind == RouteKind::kVector || (kind == RouteKind::kFunction && function.uses_vectors);
  }
};

// What a route is asked.
struct RouteQuery {
  const Snapshot& snapshot;
  const Context& context;
  const RewrittenQuery& query;
  const Filter& filter;
  std::span<const float> vector;           // Of the question, by the embedder of the route, where it needs one.
  Generator* generator = nullptr;          // Of kModel.
  VectorSearchParameters parameters = {};  // Of kVector.
  size_t depth = 50;
};

// The model reads nodes ten at a time, and no more than this many: a question to all nodes of a large knowledge base
// would take hours.
inline constexpr size_t kModelNodesMax = 200;

Result<RouteHits> SearchRoute(const RouteSpec& spec, const RouteQuery& query);

// A store's score for vectors of length 1 as another metric has it.
double ConvertScore(double score, Metric from, Metric to);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ROUTE_H_
