// SPDX-License-Identifier: Apache-2.0
//
// Goal: any number of routes run side by side, each by its own similarity, group, cut-off and target, and a bad one
// costs nothing but itself.
#include "query/route.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "query/choose.h"
#include "query/keyword_table.h"
#include "query/relatives.h"
#include "query/search.h"
#include "query/test_doubles.h"

namespace ragtime {
namespace {

// a.md has two paragraphs of two sentences each, and a summary of all; b.md one of each.
class RouteTest : public testing::Test {
 protected:
  RouteTest() {
    Add("a.md", "paragraph", "Cats sleep by day. Dogs bark at night.", 0, 40);  // 101
    Add("a.md", "paragraph", "Birds sing at dawn. Fish are silent.", 42, 80);   // 102
    Add("a.md", "sentence", "Cats sleep by day.", 0, 18);                       // 103
    Add("a.md", "sentence", "Dogs bark at night.", 19, 40);                     // 104
    Add("a.md", "sentence", "Birds sing at dawn.", 42, 61);                     // 105
    Add("a.md", "sentence", "Fish are silent.", 62, 80);                        // 106
    Add("a.md", "summary", "Animals and their hours.", 0, 80);                  // 107
    Add("b.md", "paragraph", "Engines run on oil.", 0, 19);                     // 108
    Add("b.md", "sentence", "Engines run on oil.", 0, 19);                      // 109
    Add("b.md", "keywords", "engine oil\noil\nmotor", 0, 19);                   // 110
    Add("b.md", "summary", "Machines.", 0, 19);                                 // 111
  }
  void Add(const std::string& file, const std::string& group, const std::string& text, uint64_t start, uint64_t end) {
    snapshot_->Add(file, text);
    snapshot_->Place(group, start, end);
  }
  Result<Searched> Search(const std::string& question, std::vector<RouteSpec> routes, SearchOptions options = {}) {
    options.recall.question = question;
    options.recall.routes = std::move(routes);
    options.recall.chooser = generator_;
    return SearchNodes(options, snapshot_, embedder_, pool_);
  }
  static std::vector<NodeId> Ids(const Searched& searched) {
    std::vector<NodeId> ids;
    for (const SearchHit& hit : searched.result.hits) ids.push_back(hit.node.id);
    return ids;
  }

  std::shared_ptr<FakeSnapshot> snapshot_ = std::make_shared<FakeSnapshot>();
  std::shared_ptr<HashEmbedder> embedder_ = std::make_shared<HashEmbedder>();
  std::shared_ptr<FakeGenerator> generator_;
  ThreadPool pool_{2};
};

TEST_F(RouteTest, AKeywordRouteHoldsToQuotesAsLongAsANodeDoes) {
  const RouteSpec words{.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"};
  auto searched = Search("\"at night\"", {words});
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  EXPECT_EQ(Ids(*searched), std::vector<NodeId>{104}) << "105 has only one of the words";
  EXPECT_TRUE(searched->result.warnings.empty());

  searched = Search("\"night at\"", {words});
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  EXPECT_EQ(Ids(*searched), (std::vector<NodeId>{104, 105}));
  ASSERT_EQ(searched->result.warnings.size(), 1u);
  EXPECT_EQ(searched->result.warnings[0].code, "phrase_not_found");
  EXPECT_EQ(searched->result.warnings[0].route, "words");

  searched = Search("\"unknown words\"", {words});
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  EXPECT_TRUE(searched->result.hits.empty());
  EXPECT_TRUE(searched->result.warnings.empty()) << "nothing went without the quotes either";

  searched =
      Search("is \"my engine\" made of oil", {{.name = "table", .kind = RouteKind::kKeywords, .group = "keywords"}});
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  EXPECT_EQ(Ids(*searched), std::vector<NodeId>{110}) << "keywords are looked up in the question, quotes or not";
}

TEST_F(RouteTest, ThreeRoutesOverTwoGroupsExplainTheirScores) {
  const auto searched =
      Search("dogs bark", {{.name = "meaning", .kind = RouteKind::kVector, .group = "sentence"},
                           {.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"},
                           {.name = "wide", .kind = RouteKind::kKeyword, .group = "paragraph", .target = "sentence"}});
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  const SearchHit& best = searched->result.hits.at(0);
  EXPECT_EQ(best.node.id, 104);
  EXPECT_EQ(best.scores.size(), 3u);
  EXPECT_EQ(best.ranks, (std::map<std::string, size_t>{{"meaning", 1}, {"wide", 2}, {"words", 1}}));
  EXPECT_EQ(best.via, (std::map<std::string, NodeId>{{"wide", 101}}));
  EXPECT_DOUBLE_EQ(best.score, 3) << "the best of each route, in \"wide\" beside another";
  for (const char* stage : {"embed", "meaning", "words", "wide", "fuse"}) {
    EXPECT_TRUE(searched->result.timings_ms.contains(stage)) << stage;
  }
  EXPECT_EQ(embedder_->calls, 1);
}

TEST_F(RouteTest, EmbedsTheQuestionOnceForAllVectorRoutes) {
  const auto searched = Search("dogs", {{.name = "a", .kind = RouteKind::kVector, .group = "sentence"},
                                        {.name = "b", .kind = RouteKind::kVector, .group = "paragraph"},
                                        {.name = "c", .kind = RouteKind::kVector, .group = "summary"}});
  ASSERT_TRUE(searched.ok());
  EXPECT_EQ(embedder_->calls, 1);
  EXPECT_EQ(searched->routes.size(), 3u);
  EXPECT_EQ(searched->query_vector.size(), 256u);
}

TEST_F(RouteTest, GivesTheParentOrTheChildrenOfWhatItFound) {
  RouteSpec up{.name = "up", .kind = RouteKind::kKeyword, .group = "sentence", .target = "paragraph"};
  EXPECT_EQ(Ids(*Search("cats dogs", {up})), (std::vector<NodeId>{101}));  // Both sentences, one paragraph.
  RouteSpec down{.name = "down", .kind = RouteKind::kKeyword, .group = "summary", .target = "sentence"};
  const auto children = Search("animals", {down});
  EXPECT_EQ(Ids(*children), (std::vector<NodeId>{103, 104, 105, 106}));
  EXPECT_EQ(children->result.hits[0].via.at("down"), 107);
  down.target = "paragraph";
  EXPECT_EQ(Ids(*Search("animals", {down})), (std::vector<NodeId>{101, 102}));
  down.target = "keywords";
  EXPECT_TRUE(Search("animals", {down})->result.hits.empty());
}

TEST_F(RouteTest, TheBestScoreThatLedToANodeIsKept) {
  RouteSpec up{.name = "up", .kind = RouteKind::kKeyword, .group = "sentence", .target = "paragraph"};
  const auto searched = Search("cats sleep day dogs", {up});
  ASSERT_EQ(searched->result.hits.size(), 1u);
  EXPECT_EQ(searched->result.hits[0].scores.at("up"), 3);
  EXPECT_EQ(searched->result.hits[0].via.at("up"), 103);
}

TEST_F(RouteTest, CutsOffAndLooksAsDeepAsItIsTold) {
  RouteSpec words{.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"};
  EXPECT_EQ(Ids(*Search("cats sleep birds", {words})), (std::vector<NodeId>{103, 105}));
  words.cut_off = 2;
  EXPECT_EQ(Ids(*Search("cats sleep birds", {words})), (std::vector<NodeId>{103}));
  words.cut_off.reset();
  words.depth = 1;
  EXPECT_EQ(Ids(*Search("cats sleep birds", {words})), (std::vector<NodeId>{103}));
}

TEST_F(RouteTest, OneMetricTellsAnotherForVectorsOfLengthOne) {
  EXPECT_DOUBLE_EQ(ConvertScore(0.75, Metric::kCosine, Metric::kL2), -0.5);
  EXPECT_DOUBLE_EQ(ConvertScore(-0.5, Metric::kL2, Metric::kCosine), 0.75);
  EXPECT_DOUBLE_EQ(ConvertScore(0.75, Metric::kCosine, Metric::kInnerProduct), 0.75);
  const auto searched = Search("Dogs bark at night.", {{.name = "far",
                                                        .kind = RouteKind::kVector,
                                                        .group = "sentence",
                                                        .cut_off = -0.001,
                                                        .stored = Metric::kCosine,
                                                        .shown = Metric::kL2}});
  ASSERT_EQ(Ids(*searched), (std::vector<NodeId>{104}));
  EXPECT_NEAR(searched->result.hits[0].scores.at("far"), 0, 1e-5);
}

TEST_F(RouteTest, ARegisteredSimilarityScoresEveryNodeOfItsGroup) {
  RouteSpec length{.name = "length", .kind = RouteKind::kFunction, .group = "sentence"};
  length.function.score = [](const SimilarityInput& in) {
    EXPECT_TRUE(in.vector.empty());
    return static_cast<double>(in.node.text.size());
  };
  EXPECT_EQ(Ids(*Search("x", {length})), (std::vector<NodeId>{104, 105, 109, 103, 106}));
  EXPECT_EQ(embedder_->calls, 0);
  length.function.uses_vectors = true;
  length.function.score = [](const SimilarityInput& in) {
    double product = 0;
    for (size_t d = 0; d < in.vector.size(); ++d) product += in.vector[d] * in.question_vector[d];
    return product;
  };
  const auto searched = Search("fish are silent", {length});
  EXPECT_EQ(searched->result.hits.at(0).node.id, 106);
  EXPECT_NEAR(searched->result.hits[0].scores.at("length"), 1, 1e-5);
}

TEST_F(RouteTest, ASimilarityThatThrowsOrGivesGarbageIsNamedAndTheRestGoesOn) {
  RouteSpec bad{.name = "bad", .kind = RouteKind::kFunction, .group = "sentence"};
  const RouteSpec words{.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"};
  const std::vector<SimilarityFunction> functions = {
      [](const SimilarityInput&) -> double { throw std::runtime_error("no such file"); },
      [](const SimilarityInput&) -> double { throw 7; },
      [](const SimilarityInput&) { return std::numeric_limits<double>::quiet_NaN(); },
      [](const SimilarityInput&) { return std::numeric_limits<double>::infinity(); }};
  for (const SimilarityFunction& function : functions) {
    bad.function.score = function;
    const auto searched = Search("cats", {bad, words});
    ASSERT_TRUE(searched.ok());
    EXPECT_EQ(Ids(*searched), (std::vector<NodeId>{103}));
    ASSERT_EQ(searched->result.warnings.size(), 1u);
    EXPECT_EQ(searched->result.warnings[0].code, "route_failed");
    EXPECT_EQ(searched->result.warnings[0].route, "bad");
    EXPECT_FALSE(Search("cats", {bad}).ok());
  }
}

TEST_F(RouteTest, ARouteThatHangsIsLeftOutWhenTheTimeIsUp) {
  RouteSpec slow{.name = "slow", .kind = RouteKind::kFunction, .group = "sentence"};
  // The late route still asks for it when this test has ended.
  const auto go = std::make_shared<std::atomic<bool>>(false);
  slow.function.score = [go](const SimilarityInput&) {
    while (!*go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return 1.0;
  };
  SearchOptions options;
  options.recall.context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  const auto searched =
      Search("cats", {slow, {.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"}}, options);
  *go = true;
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  EXPECT_EQ(Ids(*searched), (std::vector<NodeId>{103}));
  ASSERT_EQ(searched->result.warnings.size(), 1u);
  EXPECT_EQ(searched->result.warnings[0].code, "route_late");
  EXPECT_EQ(searched->result.warnings[0].route, "slow");
}

TEST_F(RouteTest, RouteChoosesAmongTheRetrievers) {
  const std::vector<RouteSpec> routes = {{.name = "a", .kind = RouteKind::kVector, .group = "sentence"},
                                         {.name = "b", .kind = RouteKind::kKeyword, .group = "sentence"}};
  SearchOptions options;
  options.recall.route = Route::kKeyword;
  EXPECT_EQ(Search("cats", routes, options)->specs.at(0).name, "b");
  EXPECT_EQ(embedder_->calls, 0);
  options.recall.route = Route::kVector;
  EXPECT_EQ(Search("cats", routes, options)->specs.at(0).name, "a");
  EXPECT_EQ(Search("cats", {routes[1]}, options).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(RouteTest, AllListsEveryNodeInTheOrderOfTheText) {
  SearchOptions options;
  options.recall.filter = *Filter::Parse("file_path = 'a.md'", NodeFields({}));
  EXPECT_EQ(Ids(*Search("x", {{.name = "all", .kind = RouteKind::kAll, .group = "sentence"}}, options)),
            (std::vector<NodeId>{103, 104, 105, 106}));
}

TEST_F(RouteTest, KeywordsAreComparedWhole) {
  EXPECT_EQ(CountSharedKeywords("engine oil\noil\nmotor", "Which oil does an engine need?"), 2u);
  EXPECT_EQ(CountSharedKeywords("engine oil", "engine"), 0u);
  EXPECT_EQ(CountSharedKeywords("借书证\n续期", "借书证丢了怎么办？"), 1u);
  EXPECT_EQ(CountSharedKeywords("\n\n", "x"), 0u);
  const auto searched =
      Search("Which oil does an engine need?",
             {{.name = "table", .kind = RouteKind::kKeywords, .group = "keywords", .target = "sentence"}});
  ASSERT_EQ(Ids(*searched), (std::vector<NodeId>{109}));
  EXPECT_EQ(searched->result.hits[0].scores.at("table"), 2);
}

TEST_F(RouteTest, TheModelChoosesNodes) {
  generator_ = std::make_shared<FakeGenerator>("2: 9\nText 1 is related, relevance 4/10\n77: 10\nnothing else\n2: 1");
  const auto searched = Search("when do dogs bark?", {{.name = "llm", .kind = RouteKind::kModel, .group = "sentence"}});
  ASSERT_TRUE(searched.ok()) << searched.status().ToString();
  EXPECT_EQ(Ids(*searched), (std::vector<NodeId>{104, 103}));
  EXPECT_EQ(searched->result.hits[0].scores.at("llm"), 9);
  EXPECT_EQ(generator_->calls, 1);
  generator_->status = UnavailableError("the server is gone", "start it");
  EXPECT_EQ(Search("x", {{.name = "llm", .kind = RouteKind::kModel}}).status().code(), StatusCode::kUnavailable);
  generator_ = nullptr;
  EXPECT_NE(Search("x", {{.name = "llm", .kind = RouteKind::kModel}}).status().message().find("language model"),
            std::string::npos);
  generator_ = std::make_shared<FakeGenerator>("1: 1");
  for (size_t i = 0; i <= kModelNodesMax; ++i) snapshot_->Add("many.md", "node");
  EXPECT_EQ(Search("x", {{.name = "llm", .kind = RouteKind::kModel}}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(generator_->calls, 0);
}

TEST(Choose, ReadsWhatModelsWrite) {
  EXPECT_EQ(ParseChoices("Doc: 2, Relevance: 7.5\n[1] 10/10\n3", 3), (std::vector<Choice>{{2, 7.5}, {1, 10}, {3, 1}}));
  EXPECT_TRUE(ParseChoices("none", 3).empty());
  EXPECT_TRUE(ParseChoices("0: 5\n4: 5\n2: 0\n99999999999999999999999999: 1\n", 3).empty());
  EXPECT_EQ(ParseChoices("1: 4000\n", 3), (std::vector<Choice>{{1, 10}}));
}

TEST_F(RouteTest, WindowsAddNeighboursOnce) {
  SearchOptions options;
  options.recall.top_k = 2;
  options.window = {.before = 1, .after = 1};
  const RouteSpec words{.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"};
  const auto searched = Search("fish silent dogs", {words}, options);
  EXPECT_EQ(Ids(*searched), (std::vector<NodeId>{105, 106, 103, 104}));
  const std::vector<SearchHit>& hits = searched->result.hits;
  EXPECT_EQ(hits[0].window_of, 106);
  EXPECT_EQ(hits[0].score, hits[1].score);
  EXPECT_EQ(hits[0].file, "a.md");
  EXPECT_TRUE(hits[0].scores.empty());
  EXPECT_FALSE(hits[1].window_of);
  EXPECT_EQ(hits[2].window_of, 104);
}

TEST_F(RouteTest, MmrLooksAtStoredVectors) {
  snapshot_->Add("c.md", "Cats sleep by day.");
  snapshot_->Place("sentence", 0, 18);  // 112, as 103
  const RouteSpec words{.name = "words", .kind = RouteKind::kKeyword, .group = "sentence"};
  SearchOptions options;
  options.recall.top_k = 2;
  EXPECT_EQ(Ids(*Search("cats sleep dogs", {words}, options)), (std::vector<NodeId>{103, 112}));
  options.fusion.mmr_lambda = 0.3;
  const auto searched = Search("cats sleep dogs", {words}, options);
  EXPECT_EQ(Ids(*searched), (std::vector<NodeId>{103, 104}));
  EXPECT_TRUE(searched->result.timings_ms.contains("diversify"));
}

TEST_F(RouteTest, RelativesAreToldByBytes) {
  const std::vector<NewNode> document = *snapshot_->NodesOf(1);
  const auto ids = [&](NodeId of, std::string_view target) {
    std::vector<NodeId> result;
    for (const Node* node : RelativesOf(snapshot_->nodes[static_cast<size_t>(of - 101)], document, target))
      result.push_back(node->id);
    return result;
  };
  EXPECT_EQ(ids(105, "paragraph"), (std::vector<NodeId>{102}));
  EXPECT_EQ(ids(105, "summary"), (std::vector<NodeId>{107}));
  EXPECT_EQ(ids(105, "sentence"), (std::vector<NodeId>{105}));
  EXPECT_EQ(ids(102, "sentence"), (std::vector<NodeId>{105, 106}));
  EXPECT_TRUE(ids(102, "none").empty());
  snapshot_->nodes[6].bytes.reset();  // A summary without bytes stands for its document.
  EXPECT_EQ(ids(107, "paragraph"), (std::vector<NodeId>{101, 102}));
}

}  // namespace
}  // namespace ragtime
