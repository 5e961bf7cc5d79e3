// SPDX-License-Identifier: Apache-2.0
#include "query/rerank/rerank_chain.h"

namespace ragtime {

Result<std::vector<RankedCandidate>> RerankChain::Rerank(const Context& context, std::string_view question,
                                                         std::span<const RerankCandidate> candidates) const {
  std::vector<RankedCandidate> ranked;
  for (size_t i = 0; i < candidates.size(); ++i) ranked.push_back({i, candidates[i].score});
  for (const std::unique_ptr<Reranker>& link : links_) {
    std::vector<RerankCandidate> left;
    for (const RankedCandidate& candidate : ranked) {
      left.push_back(candidates[candidate.index]);
      left.back().score = candidate.score;
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RankedCandidate> next, link->Rerank(context, question, left));
    std::vector<RankedCandidate> mapped;
    std::vector<bool> seen(left.size());
    for (const RankedCandidate& candidate : next) {
      if (candidate.index >= left.size() || seen[candidate.index]) {
        return InternalError("the reranker named an unknown hit, or one twice");
      }
      seen[candidate.index] = true;
      mapped.push_back({ranked[candidate.index].index, candidate.score});
    }
    ranked = std::move(mapped);
  }
  return ranked;
}

}  // namespace ragtime
