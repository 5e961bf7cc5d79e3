// SPDX-License-Identifier: Apache-2.0
//
// Goal: every route is asked once, a route that fails or is late is named and costs nothing else, and nothing dangles.
#include "query/recall.h"

#include <gtest/gtest.h>

#include "query/rewrite/synonyms.h"
#include "query/test_doubles.h"

namespace ragtime {
namespace {

using std::chrono::milliseconds;

class RecallTest : public testing::Test {
 protected:
  RecallTest() {
    snapshot_->Add("a.md", "Restore a backup with pg_restore.");
    snapshot_->Add("b.md", "Install the server.");
  }
  Result<Recalled> Ask(Route route, Context context = {}) {
    return Recall({.question = " restore  backup ", .route = route, .context = context}, snapshot_, embedder_, pool_);
  }
  static Context In(milliseconds time) { return {.deadline = std::chrono::steady_clock::now() + time}; }

  std::shared_ptr<FakeSnapshot> snapshot_ = std::make_shared<FakeSnapshot>();
  std::shared_ptr<HashEmbedder> embedder_ = std::make_shared<HashEmbedder>();
  ThreadPool pool_{2};
};

TEST_F(RecallTest, AsksBothRoutesAndTimesThem) {
  for (const Context& context : {Context{}, In(milliseconds(60000))}) {
    const auto recalled = Ask(Route::kHybrid, context);
    ASSERT_TRUE(recalled.ok()) << recalled.status().ToString();
    ASSERT_EQ(recalled->routes.size(), 2u);
    EXPECT_EQ(recalled->routes[0].route, "vector");
    EXPECT_EQ(recalled->routes[0].hits[0].node_id, 101);
    EXPECT_EQ(recalled->routes[1].route, "keyword");
    EXPECT_EQ(recalled->routes[1].hits, (std::vector<Hit>{{101, 2}}));
    EXPECT_EQ(recalled->query.text, "restore backup");
    EXPECT_EQ(recalled->query_vector.size(), 256u);
    EXPECT_EQ(embedder_->last_kind, TextKind::kQuery);
    EXPECT_TRUE(recalled->warnings.empty());
    for (const char* stage : {"embed", "vector", "keyword"}) EXPECT_TRUE(recalled->timings_ms.contains(stage)) << stage;
  }
}

TEST_F(RecallTest, AsksEachEmbedderOnceForItsRoutes) {
  const auto english = std::make_shared<HashEmbedder>();
  const auto missing = UnavailableError("the model zh is missing", "install it");
  const RecallRequest request{.question = "backup",
                              .routes = {{.name = "usual"},
                                         {.name = "english", .key = "english"},
                                         {.name = "again", .key = "english"},
                                         {.name = "zh", .key = "zh"}},
                              .context = {},
                              .keyed = {{"english", {english, Status()}}, {"zh", {nullptr, missing}}}};
  for (int i = 1; i <= 2; ++i) {
    const auto recalled = Recall(request, snapshot_, embedder_, pool_);
    ASSERT_TRUE(recalled.ok()) << recalled.status().ToString();
    EXPECT_EQ(embedder_->calls, i);
    EXPECT_EQ(english->calls, i) << "of two routes";
    EXPECT_EQ(recalled->routes.size(), 3u);
    ASSERT_EQ(recalled->warnings.size(), 1u);
    EXPECT_EQ(recalled->warnings[0].route, "zh");
    EXPECT_NE(recalled->warnings[0].message.find("install it"), std::string::npos);
    EXPECT_EQ(recalled->query_vector.size(), 256u);
    EXPECT_EQ(recalled->keyed_vectors.at("english").size(), 256u);
    for (const char* stage : {"embed", "embed:english"}) EXPECT_TRUE(recalled->timings_ms.contains(stage)) << stage;
  }
  EXPECT_EQ(snapshot_->asked_keys, (std::multiset<std::string>{"", "", "english", "english", "english", "english"}));
}

TEST_F(RecallTest, HandsTheParametersToTheVectorIndex) {
  for (const uint32_t ef : {0u, 77u}) {
    const auto recalled =
        Recall({.question = "backup", .route = Route::kHybrid, .parameters = {.ef = ef}, .context = {}}, snapshot_,
               embedder_, pool_);
    ASSERT_TRUE(recalled.ok()) << recalled.status().ToString();
    EXPECT_EQ(snapshot_->asked_ef, ef);
  }
}

TEST_F(RecallTest, ByKeywordDoesNotTouchTheEmbedder) {
  const auto recalled = Ask(Route::kKeyword);
  ASSERT_TRUE(recalled.ok());
  EXPECT_EQ(embedder_->calls, 0);
  EXPECT_EQ(recalled->routes.size(), 1u);
  EXPECT_FALSE(recalled->timings_ms.contains("embed"));
  EXPECT_FALSE(recalled->timings_ms.contains("vector"));
  embedder_ = nullptr;
  EXPECT_TRUE(Ask(Route::kKeyword).ok());
}

TEST_F(RecallTest, NamesARouteThatFails) {
  snapshot_->vector_status = DataLossError("segment 3 is damaged", "run ragtime verify");
  auto recalled = Ask(Route::kHybrid);
  ASSERT_TRUE(recalled.ok());
  ASSERT_EQ(recalled->warnings.size(), 1u);
  EXPECT_EQ(recalled->warnings[0].code, "route_failed");
  EXPECT_EQ(recalled->warnings[0].route, "vector");
  EXPECT_NE(recalled->warnings[0].message.find("segment 3 is damaged"), std::string::npos);
  EXPECT_NE(recalled->warnings[0].message.find("run ragtime verify"), std::string::npos);
  EXPECT_EQ(recalled->routes.size(), 1u);
  EXPECT_TRUE(recalled->query_vector.empty());

  snapshot_->vector_status = Status();
  embedder_->status = UnavailableError("the model is missing", "run tools/setup.sh");
  recalled = Ask(Route::kHybrid);
  ASSERT_EQ(recalled->warnings.size(), 1u);
  EXPECT_NE(recalled->warnings[0].message.find("run tools/setup.sh"), std::string::npos);

  embedder_->status = Status();
  snapshot_->keyword_status = UnavailableError("no index");
  recalled = Ask(Route::kHybrid);
  ASSERT_EQ(recalled->warnings.size(), 1u);
  EXPECT_EQ(recalled->warnings[0].route, "keyword");
}

TEST_F(RecallTest, FailsWithTheErrorWhereNoRouteIsLeft) {
  snapshot_->vector_status = DataLossError("segment 3 is damaged", "run ragtime verify");
  snapshot_->keyword_status = UnavailableError("no index");
  const auto both = Ask(Route::kHybrid);
  EXPECT_EQ(both.status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(both.status().remedy(), "run ragtime verify");
  const auto keyword = Ask(Route::kKeyword);
  EXPECT_EQ(keyword.status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(keyword.status().remedy().empty());
  embedder_ = nullptr;
  EXPECT_EQ(Ask(Route::kVector).status().code(), StatusCode::kUnavailable);
}

TEST_F(RecallTest, RefusesAVectorThatIsNotFinite) {
  class NanEmbedder : public HashEmbedder {
   public:
    Result<std::vector<float>> Embed(const Context&, std::span<const std::string>, TextKind) override {
      return std::vector<float>{1, std::nanf("")};
    }
  };
  embedder_ = std::make_shared<NanEmbedder>();
  EXPECT_EQ(Ask(Route::kVector).status().code(), StatusCode::kInternal);
}

TEST_F(RecallTest, LeavesALateRouteBehindAndNothingOfItDangles) {
  std::atomic<bool> destroyed{false};
  snapshot_->destroyed = &destroyed;
  snapshot_->vector_delay = milliseconds(300);
  const auto start = std::chrono::steady_clock::now();
  const auto recalled = Ask(Route::kHybrid, In(milliseconds(60)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(250));
  ASSERT_TRUE(recalled.ok()) << recalled.status().ToString();
  ASSERT_EQ(recalled->warnings.size(), 1u);
  EXPECT_EQ(recalled->warnings[0].code, "route_late");
  EXPECT_EQ(recalled->warnings[0].route, "vector");
  EXPECT_NE(recalled->warnings[0].message.find("--route keyword"), std::string::npos);
  EXPECT_FALSE(recalled->timings_ms.contains("vector"));
  ASSERT_EQ(recalled->routes.size(), 1u);
  EXPECT_EQ(recalled->routes[0].hits.size(), 1u);
  // The caller lets go of everything; the late route still has what it works on.
  snapshot_.reset();
  embedder_.reset();
  EXPECT_FALSE(destroyed);
  for (int i = 0; i < 200 && !destroyed; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_TRUE(destroyed);
}

TEST_F(RecallTest, FailsWithDeadlineExceededWhereAllRoutesAreLate) {
  snapshot_->keyword_delay = milliseconds(100);
  const auto late = Ask(Route::kKeyword, In(milliseconds(10)));
  EXPECT_EQ(late.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(late.status().remedy().empty());
  EXPECT_EQ(Ask(Route::kHybrid, In(milliseconds(-1))).status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(RecallTest, EndsWhenCancelledWhileARouteRuns) {
  snapshot_->vector_delay = milliseconds(500);
  std::stop_source source;
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(30));
    source.request_stop();
  });
  const auto start = std::chrono::steady_clock::now();
  Context context = In(milliseconds(60000));
  context.stop = source.get_token();
  EXPECT_EQ(Ask(Route::kHybrid, context).status().code(), StatusCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(400));
  canceller.join();
}

TEST_F(RecallTest, WorksFromTasksThatFillThePool) {
  ThreadPool pool(1);
  std::atomic<int> answered{0};
  pool.ParallelFor(4, [&](size_t) {
    const auto recalled = Recall({.question = "restore"}, snapshot_, embedder_, pool);
    if (recalled.ok() && recalled->routes.size() == 2) ++answered;
  });
  EXPECT_EQ(answered, 4);
}

TEST_F(RecallTest, RefusesAnEmptyAndAnEndlessQuestion) {
  for (const std::string& question : {std::string(), std::string(" \n\t　"), std::string(100000, 'a')}) {
    const auto recalled = Recall({.question = question}, snapshot_, embedder_, pool_);
    EXPECT_EQ(recalled.status().code(), StatusCode::kInvalidArgument);
    EXPECT_FALSE(recalled.status().remedy().empty());
  }
  EXPECT_EQ(embedder_->calls, 0);
}

TEST_F(RecallTest, RewritesTheKeywordsOnlyAndGoesOnWithoutARewriterThatFails) {
  const SynonymRewriter synonyms(SynonymTable{{"restore", {"import"}}});
  auto recalled = Recall({.question = "restore", .rewriter = &synonyms}, snapshot_, embedder_, pool_);
  ASSERT_TRUE(recalled.ok());
  EXPECT_EQ(recalled->query, (RewrittenQuery{"restore", "restore import"}));
  EXPECT_EQ(snapshot_->last_keywords(), "restore import");

  class FailingRewriter : public Rewriter {
   public:
    Result<RewrittenQuery> Rewrite(const Context&, std::string_view) const override { return UnavailableError("down"); }
  };
  const FailingRewriter failing;
  recalled = Recall({.question = "restore", .rewriter = &failing}, snapshot_, embedder_, pool_);
  ASSERT_TRUE(recalled.ok());
  EXPECT_EQ(recalled->routes.size(), 2u);
  ASSERT_EQ(recalled->warnings.size(), 1u);
  EXPECT_EQ(recalled->warnings[0].code, "rewrite_failed");
}

}  // namespace
}  // namespace ragtime
