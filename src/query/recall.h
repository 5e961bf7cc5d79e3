// SPDX-License-Identifier: Apache-2.0
//
// Recall asks every route for the nodes nearest to a question. Without retrievers in the configuration there are two:
// the vector route by meaning, the keyword route by words.
//
// The routes run side by side under the request's deadline, each with its own depth. A route that fails or is late is
// left out and named in a warning; if none is left, the first route's error is the result.
//
// Threads: may be called concurrently, also from a task of `pool`. A late route goes on in the background: it holds the
// snapshot and the embedder, and nothing of the caller.
#ifndef RAGTIME_QUERY_RECALL_H_
#define RAGTIME_QUERY_RECALL_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "query/hits.h"
#include "query/route.h"
#include "ragtime/config.h"
#include "ragtime/context.h"
#include "ragtime/embedder.h"
#include "ragtime/generator.h"
#include "ragtime/index.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/rewriter.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

inline constexpr char kVectorRoute[] = "vector";
inline constexpr char kKeywordRoute[] = "keyword";
// Of the keyword route where no routes are configured: bench/recall.py, mean nDCG@10 of three kinds of questions.
inline constexpr double kKeywordWeight = 0.5;

// A route looks deeper than the result, so that fusion has something to weigh: max(kRecallDepthMin, 3 * top_k).
inline constexpr size_t kRecallDepthMin = 50;
// A longer question is refused: it is a text, and the keyword route would look up every word of it.
inline constexpr size_t kQuestionBytesMax = 32 * 1024;

// An embedder beside the usual one; none because of `status`.
struct KeyedEmbedder {
  std::shared_ptr<Embedder> embedder;
  Status status;
};
using KeyedEmbedders = std::map<std::string, KeyedEmbedder>;

struct RecallRequest {
  std::string question;
  size_t top_k = 10;
  Route route = Route::kHybrid;        // kVector and kKeyword leave out routes that do not, or do, use vectors.
  std::vector<RouteSpec> routes;       // Empty: "vector" and "keyword".
  std::string group;                   // The NodeGroup that these two look in; "": all.
  Metric metric = Metric::kCosine;     // Of the store.
  Filter filter;                       // What a hit must match.
  const Rewriter* rewriter = nullptr;  // None: the question as it is. Used before Recall returns only.
  Status embedder_status;              // Why there is no embedder, where one is wanted and could not be had.
  std::shared_ptr<Generator> chooser;  // For routes by RouteKind::kModel; may be null.
  VectorSearchParameters parameters;   // Of routes by RouteKind::kVector.
  Context context;
  KeyedEmbedders keyed = {};  // By RouteSpec::key.
};

struct Recalled {
  RewrittenQuery query;
  std::vector<RouteSpec> specs;                             // Of the routes that were asked, in their order.
  std::vector<RouteHits> routes;                            // Those that answered, in the same order.
  std::vector<float> query_vector;                          // Empty where no vector route answered.
  std::map<std::string, std::vector<float>> keyed_vectors;  // Of the question, by RouteSpec::key, likewise.
  Timings timings_ms;                                       // embed, embed:KEY, and by name the routes that answered.
  // "route_failed", "route_late", "rewrite_failed", "phrase_not_found"
  std::vector<Warning> warnings;
};

// `embedder` may be null: then there is no vector route. Route::kKeyword does not touch it.
// kInvalidArgument for an empty question, and where no route is left by RecallRequest::route.
Result<Recalled> Recall(const RecallRequest& request, std::shared_ptr<const Snapshot> snapshot,
                        std::shared_ptr<Embedder> embedder, ThreadPool& pool);

// The routes of a request: its own or the two built-in ones, without those that RecallRequest::route leaves out.
std::vector<RouteSpec> RoutesOf(const RecallRequest& request);
// How deep a route looks that does not say it itself.
size_t RecallDepth(size_t top_k);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_RECALL_H_
