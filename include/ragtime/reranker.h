// SPDX-License-Identifier: Apache-2.0
//
// A Reranker looks at the texts that the routes found and says which stay, and in which order.
//
// Threads: Rerank may be called concurrently. Errors: a failure keeps the fused order, with a warning.
#ifndef RAGTIME_RERANKER_H_
#define RAGTIME_RERANKER_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/node.h"
#include "ragtime/status.h"

namespace ragtime {

struct RerankCandidate {
  NodeId node_id = 0;
  std::string_view text;
  double score = 0;  // Fused.
};

struct RankedCandidate {
  size_t index = 0;  // Into the candidates.
  double score = 0;  // Higher is better.
  friend bool operator==(const RankedCandidate&, const RankedCandidate&) = default;
};

class Reranker {
 public:
  virtual ~Reranker() = default;
  Reranker(const Reranker&) = delete;
  Reranker& operator=(const Reranker&) = delete;

  // Candidates come best first. Returns those that stay, best first, each at most once; equal scores by ascending id.
  virtual Result<std::vector<RankedCandidate>> Rerank(const Context& context, std::string_view question,
                                                      std::span<const RerankCandidate> candidates) const = 0;

 protected:
  Reranker() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_RERANKER_H_
