// SPDX-License-Identifier: Apache-2.0
//
// SearchNodes walks a question down to hits: recall -> fuse -> rerank -> fetch.
//
// Threads: may be called concurrently. Errors: those of Recall, and of the snapshot where nodes cannot be read.
#ifndef RAGTIME_QUERY_SEARCH_H_
#define RAGTIME_QUERY_SEARCH_H_

#include <memory>
#include <vector>

#include "query/recall.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/reranker.h"

namespace ragtime {

struct SearchOptions {
  RecallRequest recall;                // Its top_k is the number of hits.
  const Reranker* reranker = nullptr;  // None: the fused order stays. Looks at every node that a route found.
};

struct Searched {
  SearchResult result;  // timings_ms: embed, vector, keyword, fuse, rerank, fetch, total; an absent one did not run.
  RewrittenQuery query;
  std::vector<float> query_vector;  // Empty where no vector route answered.
};

Result<Searched> SearchNodes(const SearchOptions& options, std::shared_ptr<const Snapshot> snapshot,
                             std::shared_ptr<Embedder> embedder, ThreadPool& pool);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_SEARCH_H_
