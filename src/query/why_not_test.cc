// SPDX-License-Identifier: Apache-2.0
//
// Goal: for every stage at which a file can be lost, the stage, the rank and a remedy are named.
#include "query/why_not.h"

#include <gtest/gtest.h>

#include "query/rerank/keyword_filter.h"
#include "query/test_doubles.h"

namespace ragtime {
namespace {

class WhyNotTest : public testing::Test {
 protected:
  WhyNotTest() {
    // More files that hold the word than a route returns, the longer the later.
    for (int i = 0; i < 70; ++i) {
      snapshot_->Add("other" + std::to_string(i) + ".md", "the harbour opens");
    }
    snapshot_->Add("wanted.md", "harbour lights and other things");
  }
  Result<WhyNotReport> Explain(const std::string& question, SearchOptions options) {
    options.recall.question = question;
    if (options.recall.routes.empty()) options.recall.routes = {{.name = "words", .kind = RouteKind::kKeyword}};
    return ExplainMissing(options, snapshot_->files.back(), snapshot_, embedder_, pool_);
  }

  std::shared_ptr<FakeSnapshot> snapshot_ = std::make_shared<FakeSnapshot>();
  std::shared_ptr<HashEmbedder> embedder_ = std::make_shared<HashEmbedder>();
  ThreadPool pool_{2};
};

TEST_F(WhyNotTest, Found) {
  const auto report = Explain("lights", {});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->stage, "found");
  EXPECT_EQ(report->rank, 1u);
  EXPECT_EQ(report->fused_rank, 1u);
  EXPECT_EQ(report->routes.at(0).state, "found");
}

TEST_F(WhyNotTest, FailedOrWithoutText) {
  snapshot_->nodes.pop_back();
  EXPECT_EQ(Explain("lights", {})->stage, "no_nodes");
  snapshot_->files.back().status = FileStatus::kFailed;
  snapshot_->files.back().error = "it is a PDF";
  const auto report = Explain("lights", {});
  EXPECT_EQ(report->stage, "failed");
  EXPECT_NE(report->message.find("it is a PDF"), std::string::npos);
}

TEST_F(WhyNotTest, Filtered) {
  SearchOptions options;
  options.recall.filter = *Filter::Parse("file_path like 'other%'", NodeFields({}));
  const auto report = Explain("lights", options);
  EXPECT_EQ(report->stage, "filtered");
  EXPECT_EQ(report->nodes, 1u);
  EXPECT_EQ(report->matching_nodes, 0u);
  EXPECT_TRUE(report->routes.empty());
}

TEST_F(WhyNotTest, BeyondWhatARouteReturns) {
  const auto report = Explain("harbour opens", {});
  EXPECT_EQ(report->stage, "not_recalled");
  EXPECT_EQ(report->routes.at(0).state, "beyond_top_k");
  EXPECT_EQ(report->routes[0].rank, 71u);
  EXPECT_EQ(report->routes[0].score, 1);
  EXPECT_EQ(report->routes[0].depth, 50u);
  EXPECT_NE(report->message.find("71"), std::string::npos);
}

TEST_F(WhyNotTest, CutOff) {
  SearchOptions options;
  options.recall.routes = {{.name = "words", .kind = RouteKind::kKeyword, .cut_off = 2.0}};
  const auto report = Explain("harbour opens", options);
  EXPECT_EQ(report->stage, "cut_off");
  EXPECT_EQ(report->routes.at(0).state, "cut_off");
  EXPECT_EQ(report->routes[0].score, 1);
  EXPECT_NE(report->remedy.find("similarity_cut_off"), std::string::npos);
}

TEST_F(WhyNotTest, NoMatch) {
  EXPECT_EQ(Explain("opens", {})->stage, "no_match");
  EXPECT_EQ(Explain("submarine", {})->routes.at(0).state, "no_match");
}

TEST_F(WhyNotTest, BeyondTopKAfterTheRoutesWereJoined) {
  SearchOptions options;
  options.recall.top_k = 3;
  options.recall.routes = {{.name = "words", .kind = RouteKind::kKeyword, .depth = 100}};
  const auto report = Explain("harbour", options);
  EXPECT_EQ(report->stage, "fused");
  EXPECT_EQ(report->fused_rank, 71u);
  EXPECT_NE(report->remedy.find("--top-k 71"), std::string::npos);
}

TEST_F(WhyNotTest, RerankedAway) {
  SearchOptions options;
  const std::vector<std::string> words = {"lights"};
  const KeywordFilter filter({}, words);
  options.reranker = &filter;
  const auto report = Explain("harbour lights", options);
  EXPECT_EQ(report->stage, "reranked_away");
  EXPECT_EQ(report->fused_rank, 1u);
  EXPECT_FALSE(report->reranked_rank);
}

TEST_F(WhyNotTest, Reranked) {
  SearchOptions options;
  options.recall.top_k = 3;
  options.recall.routes = {{.name = "words", .kind = RouteKind::kKeyword, .depth = 100}};
  const std::vector<std::string> words = {"harbour"};
  const KeywordFilter filter(words, {});
  options.reranker = &filter;
  const auto report = Explain("harbour", options);
  EXPECT_EQ(report->stage, "reranked");
  EXPECT_EQ(report->reranked_rank, 71u);
}

TEST_F(WhyNotTest, ARouteThatFailedIsNamed) {
  SearchOptions options;
  options.recall.routes = {{.name = "words", .kind = RouteKind::kKeyword},
                           {.name = "meaning", .kind = RouteKind::kVector}};
  embedder_->status = UnavailableError("the model is missing");
  const auto report = Explain("submarine", options);
  EXPECT_EQ(report->stage, "no_match");
  EXPECT_EQ(report->routes.at(1).state, "failed");
  EXPECT_EQ(report->warnings.at(0).route, "meaning");
}

}  // namespace
}  // namespace ragtime
