// SPDX-License-Identifier: Apache-2.0
//
// KeywordFilter lets pass what holds every required word and no excluded one, in the order it came.
#ifndef RAGTIME_QUERY_RERANK_KEYWORD_FILTER_H_
#define RAGTIME_QUERY_RERANK_KEYWORD_FILTER_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/reranker.h"

namespace ragtime {

class KeywordFilter : public Reranker {
 public:
  // Words are compared as the keyword index compares them; a phrase stands for all its words.
  KeywordFilter(std::span<const std::string> required, std::span<const std::string> excluded);
  Result<std::vector<RankedCandidate>> Rerank(const Context& context, std::string_view question,
                                              std::span<const RerankCandidate> candidates) const override;

 private:
  std::vector<std::vector<std::string>> required_;  // The words of each phrase.
  std::vector<std::vector<std::string>> excluded_;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_RERANK_KEYWORD_FILTER_H_
