// SPDX-License-Identifier: Apache-2.0
//
// SearchNodes walks a question down to hits: recall -> fuse -> diversify -> fetch -> rerank -> window.
//
// Threads: may be called concurrently. Errors: those of Recall, and of the snapshot where nodes cannot be read.
#ifndef RAGTIME_QUERY_SEARCH_H_
#define RAGTIME_QUERY_SEARCH_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "query/hits.h"
#include "query/recall.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/reranker.h"
#include "ragtime/retriever.h"

namespace ragtime {

struct SearchOptions {
  RecallRequest recall;                // Its top_k is the number of hits.
  const Reranker* reranker = nullptr;  // None: the fused order stays. Looks at every node that a route found.
  FusionConfig fusion;
  WindowConfig window;  // What is returned with each hit, beyond top_k.
};

struct Searched {
  // timings_ms: embed, the routes by name, fuse, diversify, fetch, rerank, window, total; an absent one did not run.
  SearchResult result;
  RewrittenQuery query;
  std::vector<float> query_vector;                          // Empty where no vector route answered.
  std::map<std::string, std::vector<float>> keyed_vectors;  // As Recalled has them.
  std::vector<RouteSpec> specs;                             // Of the routes that were asked.
  std::vector<RouteHits> routes;                            // What they found.
  std::vector<FusedHit> fused;                              // All of it, before top_k and the reranker.
  std::vector<NodeId> reranked;                             // What the reranker left, before top_k; empty without one.
};

Result<Searched> SearchNodes(const SearchOptions& options, std::shared_ptr<const Snapshot> snapshot,
                             std::shared_ptr<Embedder> embedder, ThreadPool& pool);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_SEARCH_H_
