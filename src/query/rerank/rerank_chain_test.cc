// SPDX-License-Identifier: Apache-2.0
//
// Goal: each link sees what the one before has left, and indexes are those of the first candidates.
#include "query/rerank/rerank_chain.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "query/rerank/keyword_filter.h"

namespace ragtime {
namespace {

class Scripted : public Reranker {
 public:
  using Answer = std::function<Result<std::vector<RankedCandidate>>(std::span<const RerankCandidate>)>;
  explicit Scripted(Answer answer) : answer_(std::move(answer)) {}
  Result<std::vector<RankedCandidate>> Rerank(const Context&, std::string_view,
                                              std::span<const RerankCandidate> candidates) const override {
    return answer_(candidates);
  }

 private:
  const Answer answer_;
};

Result<std::vector<RankedCandidate>> BehindFilter(Scripted::Answer answer) {
  const std::vector<std::string> required = {"backup"};
  std::vector<std::unique_ptr<Reranker>> links;
  links.push_back(std::make_unique<KeywordFilter>(required, std::vector<std::string>()));
  links.push_back(std::make_unique<Scripted>(std::move(answer)));
  const std::vector<RerankCandidate> candidates = {{7, "a backup", 3}, {8, "nothing", 2}, {9, "backups", 1}};
  return RerankChain(std::move(links)).Rerank({}, "q", candidates);
}

TEST(RerankChain, IndexesAreThoseOfTheFirst) {
  const auto ranked = BehindFilter([](std::span<const RerankCandidate> candidates) {
    EXPECT_EQ(candidates.size(), 2u);
    EXPECT_EQ(candidates[1].node_id, 9);
    return std::vector<RankedCandidate>{{1, 0.9}, {0, 0.1}};
  });
  ASSERT_TRUE(ranked.ok());
  EXPECT_EQ(*ranked, (std::vector<RankedCandidate>{{2, 0.9}, {0, 0.1}}));
}

TEST(RerankChain, ErrorsAreThoseOfTheLinks) {
  EXPECT_EQ(BehindFilter([](auto) { return UnavailableError("down"); }).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(BehindFilter([](auto) { return std::vector<RankedCandidate>{{2, 1}}; }).status().code(),
            StatusCode::kInternal);
  EXPECT_EQ(BehindFilter([](auto) { return std::vector<RankedCandidate>{{0, 1}, {0, 1}}; }).status().code(),
            StatusCode::kInternal);
}

}  // namespace
}  // namespace ragtime
