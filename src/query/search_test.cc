// SPDX-License-Identifier: Apache-2.0
//
// Goal: hits carry their nodes, files and scores by route, in a stable order; relevance tells near from far.
#include "query/search.h"

#include <gtest/gtest.h>

#include "query/relevance.h"
#include "query/rerank/keyword_filter.h"
#include "query/test_doubles.h"

namespace ragtime {
namespace {

class SearchTest : public testing::Test {
 protected:
  SearchTest() {
    snapshot_->Add("a.md", "Restore a backup with pg_restore.");
    snapshot_->Add("a.md", "A backup is made by pg_dump.");
    snapshot_->Add("b.md", "Install the server on Linux.");
  }
  Result<Searched> Search(SearchOptions options) { return SearchNodes(options, snapshot_, embedder_, pool_); }

  std::shared_ptr<FakeSnapshot> snapshot_ = std::make_shared<FakeSnapshot>();
  std::shared_ptr<HashEmbedder> embedder_ = std::make_shared<HashEmbedder>();
  ThreadPool pool_{2};
};

TEST_F(SearchTest, GivesNodesFilesAndScores) {
  const auto searched = Search({.recall = {.question = "restore backup", .top_k = 3}});
  ASSERT_TRUE(searched.ok());
  const std::vector<SearchHit>& hits = searched->result.hits;
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0].node, snapshot_->nodes[0]);
  EXPECT_EQ(hits[0].file, "a.md");
  EXPECT_EQ(hits[0].scores.at("keyword"), 2);
  EXPECT_TRUE(hits[0].scores.contains("vector"));
  EXPECT_DOUBLE_EQ(hits[0].score, 1 + kKeywordWeight);
  EXPECT_EQ(hits[2].file, "b.md");
  EXPECT_FALSE(hits[2].scores.contains("keyword"));
  for (const char* stage : {"embed", "vector", "keyword", "fuse", "fetch", "total"}) {
    EXPECT_TRUE(searched->result.timings_ms.contains(stage)) << stage;
  }
  EXPECT_FALSE(searched->result.timings_ms.contains("rerank"));
  EXPECT_EQ(snapshot_->file_reads, 2);  // Once for each document, not for each hit.
}

TEST_F(SearchTest, GivesNoMoreThanTopK) {
  EXPECT_EQ(Search({.recall = {.question = "backup", .top_k = 1}})->result.hits.size(), 1u);
  EXPECT_EQ(Search({.recall = {.question = "backup", .top_k = 0}})->result.hits.size(), 0u);
  EXPECT_EQ(Search({.recall = {.question = "unheard", .route = Route::kKeyword}})->result.hits.size(), 0u);
  EXPECT_EQ(Search({.recall = {.question = "backup", .top_k = SIZE_MAX}})->result.hits.size(), 3u);
}

TEST_F(SearchTest, FiltersBeforeItCuts) {
  const std::vector<std::string> required = {"linux"};
  const KeywordFilter filter(required, {});
  const auto searched = Search({.recall = {.question = "backup", .top_k = 1}, .reranker = &filter});
  ASSERT_TRUE(searched.ok());
  ASSERT_EQ(searched->result.hits.size(), 1u);
  EXPECT_EQ(searched->result.hits[0].file, "b.md");
  EXPECT_TRUE(searched->result.timings_ms.contains("rerank"));
}

TEST_F(SearchTest, KeepsTheOrderWhereARerankerFailsOrAnswersNonsense) {
  class BadReranker : public Reranker {
   public:
    explicit BadReranker(bool fails) : fails_(fails) {}
    Result<std::vector<RankedCandidate>> Rerank(const Context&, std::string_view,
                                                std::span<const RerankCandidate>) const override {
      if (fails_) return UnavailableError("no model", "start it");
      return std::vector<RankedCandidate>{{0, 1}, {0, 1}, {99, 1}};
    }

   private:
    const bool fails_;
  };
  const auto plain = Search({.recall = {.question = "backup"}});
  for (const bool fails : {true, false}) {
    const BadReranker reranker(fails);
    const auto searched = Search({.recall = {.question = "backup"}, .reranker = &reranker});
    ASSERT_TRUE(searched.ok());
    ASSERT_EQ(searched->result.warnings.size(), 1u);
    EXPECT_EQ(searched->result.warnings[0].code, "rerank_failed");
    ASSERT_EQ(searched->result.hits.size(), plain->result.hits.size());
    for (size_t i = 0; i < plain->result.hits.size(); ++i) {
      EXPECT_EQ(searched->result.hits[i].node.id, plain->result.hits[i].node.id);
    }
  }
}

TEST_F(SearchTest, NamesWhatCouldNotBeRead) {
  snapshot_->nodes_status = DataLossError("block 7 is damaged", "run ragtime verify");
  const auto searched = Search({.recall = {.question = "backup"}});
  EXPECT_EQ(searched.status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(searched.status().message(), "reading the nodes found: block 7 is damaged");
}

TEST(Relevance, TakesTheWordsThatSayWhatAQuestionIsAbout) {
  EXPECT_EQ(InformativeWords("How do I restore the backups?"), (std::vector<std::string>{"restor", "backup"}));
  EXPECT_EQ(InformativeWords("如何恢复备份？"), (std::vector<std::string>{"恢复", "复备", "备份"}));
  EXPECT_EQ(InformativeWords("Wie kann ich die Sicherung prüfen?").size(), InformativeWords("Sicherung prüfen").size());
  EXPECT_FALSE(InformativeWords("What is this?").empty());  // Nothing else is left to go by.
  EXPECT_TRUE(InformativeWords("?!").empty());
}

TEST(Relevance, WeighsRareWordsMore) {
  const std::vector<std::string_view> texts = {"alpha beta", "alpha", "alpha gamma"};
  const std::vector<std::string> words = {"alpha", "beta", "delta"};
  const WordWeights weights(words, texts);
  // Naive: ln(1 + (3 + 1) / (df + 1)) with df 3, 1, 0.
  const double alpha = std::log(2.0), beta = std::log(3.0), delta = std::log(5.0);
  EXPECT_NEAR(weights.Coverage("alpha beta beta"), (alpha + beta) / (alpha + beta + delta), 1e-12);
  EXPECT_NEAR(weights.Coverage("alpha"), alpha / (alpha + beta + delta), 1e-12);
  EXPECT_EQ(weights.Coverage("nothing"), 0);
  EXPECT_EQ(WordWeights({}, texts).Coverage("alpha"), 0);
}

TEST(Relevance, IsMeasuredFromTheHitsAndDecidesOnWhatIsFound) {
  std::vector<SearchHit> hits(2);
  hits[0].node.text = "Restore a backup.";
  hits[0].scores = {{"vector", 0.7}, {"keyword", 3}};
  hits[1].node.text = "Something else.";
  hits[1].node.heading = {"Backups"};
  hits[1].scores = {{"vector", 0.9}};
  const Evidence evidence = MeasureEvidence("How do I restore a backup?", hits);
  EXPECT_EQ(evidence.words, 2u);
  EXPECT_DOUBLE_EQ(evidence.coverage, 1);
  EXPECT_DOUBLE_EQ(*evidence.best_cosine, 0.9);
  hits[0].scores = {{"vector", -0.2}};  // Negated squared distance.
  hits[1].scores = {{"vector", -1.0}};
  EXPECT_DOUBLE_EQ(*MeasureEvidence("restore", hits, Metric::kL2).best_cosine, 0.9);
  EXPECT_EQ(MeasureEvidence("restore", {}).best_cosine, std::nullopt);

  EXPECT_TRUE(IsFound({.best_cosine = 0.88, .coverage = 0}, 0.88));
  EXPECT_TRUE(IsFound({.best_cosine = 0.85, .coverage = 0.31}, 0.88));
  EXPECT_FALSE(IsFound({.best_cosine = 0.85, .coverage = 0.29}, 0.88));
  EXPECT_FALSE(IsFound({.best_cosine = 0.77, .coverage = 1}, 0.88));
  EXPECT_TRUE(IsFound({.best_cosine = 0.1, .coverage = 0}, 0));
  EXPECT_TRUE(IsFound({.best_cosine = {}, .coverage = kCoverageFoundWithoutVectors}, 0.8));
  EXPECT_FALSE(IsFound({.best_cosine = {}, .coverage = kCoverageFoundWithoutVectors - 0.01}, 0.8));
}

}  // namespace
}  // namespace ragtime
