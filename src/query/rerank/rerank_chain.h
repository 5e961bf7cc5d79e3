// SPDX-License-Identifier: Apache-2.0
//
// RerankChain is several rerankers one behind the other: each looks at what the one before has left, in its order.
#ifndef RAGTIME_QUERY_RERANK_RERANK_CHAIN_H_
#define RAGTIME_QUERY_RERANK_RERANK_CHAIN_H_

#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/reranker.h"

namespace ragtime {

class RerankChain : public Reranker {
 public:
  explicit RerankChain(std::vector<std::unique_ptr<Reranker>> links) : links_(std::move(links)) {}
  // The first error is that of the chain. A link that names a candidate that there is not, or one twice, is kInternal.
  Result<std::vector<RankedCandidate>> Rerank(const Context& context, std::string_view question,
                                              std::span<const RerankCandidate> candidates) const override;

 private:
  const std::vector<std::unique_ptr<Reranker>> links_;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_RERANK_RERANK_CHAIN_H_
