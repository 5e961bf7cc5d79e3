// SPDX-License-Identifier: Apache-2.0
//
// Goal: fusion gives the scores that are computed by hand, in an order that nothing but scores and ids decides.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "query/fuse/fuse.h"
#include "query/fuse/mmr.h"
#include "query/fuse/priority.h"
#include "query/fuse/rrf.h"
#include "query/fuse/weighted.h"

namespace ragtime {
namespace {

const RouteHits kVector{"vector", {{7, 0.9f}, {3, 0.8f}, {5, 0.5f}}};
const RouteHits kKeyword{"keyword", {{3, 12.0f}, {9, 4.0f}}};

TEST(Rrf, AddsTheReciprocalRanks) {
  const auto fused = FuseByRank(std::vector{kVector, kKeyword});
  ASSERT_EQ(fused.size(), 4u);
  EXPECT_EQ(fused[0].node_id, 3);  // Second by vector, first by keyword.
  EXPECT_DOUBLE_EQ(fused[0].score, 1.0 / 61 + 1.0 / 62);
  EXPECT_EQ(fused[0].scores, (std::map<std::string, double>{{"vector", 0.8f}, {"keyword", 12.0}}));
  EXPECT_EQ(fused[1].node_id, 7);
  EXPECT_DOUBLE_EQ(fused[1].score, 1.0 / 61);
  EXPECT_EQ(fused[2].node_id, 9);
  EXPECT_DOUBLE_EQ(fused[2].score, 1.0 / 62);
  EXPECT_EQ(fused[2].scores, (std::map<std::string, double>{{"keyword", 4.0}}));
  EXPECT_EQ(fused[3].node_id, 5);
  EXPECT_DOUBLE_EQ(fused[3].score, 1.0 / 63);
}

TEST(Rrf, OrdersEqualScoresByIdWhateverTheOrderOfTheRoutes) {
  const RouteHits a{"a", {{20, 1}, {10, 1}}};
  const RouteHits b{"b", {{10, 1}, {20, 1}}};
  const auto fused = FuseByRank(std::vector{a, b});
  EXPECT_EQ(fused[0].node_id, 10);
  EXPECT_EQ(fused[1].node_id, 20);
  EXPECT_EQ(fused, FuseByRank(std::vector{b, a}));
}

TEST(Rrf, CountsANodeOnceInAListAndTakesEmptyLists) {
  const RouteHits twice{"vector", {{1, 0.9f}, {1, 0.8f}, {2, 0.7f}}};
  const auto fused = FuseByRank(std::vector{twice, RouteHits{"keyword", {}}});
  ASSERT_EQ(fused.size(), 2u);
  EXPECT_DOUBLE_EQ(fused[0].score, 1.0 / 61);
  EXPECT_EQ(fused[0].scores.at("vector"), double{0.9f});
  EXPECT_TRUE(FuseByRank({}).empty());
}

TEST(Rrf, AgreesWithANaiveSumOnRandomLists) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<RouteHits> routes;
    std::map<NodeId, double> expected;
    for (const char* name : {"a", "b", "c"}) {
      std::vector<NodeId> ids(30);
      for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<NodeId>(i + 1);
      std::shuffle(ids.begin(), ids.end(), random);
      ids.resize(random() % 30);
      RouteHits route{name, {}};
      for (size_t i = 0; i < ids.size(); ++i) {
        route.hits.push_back({ids[i], static_cast<float>(-double(i))});
        expected[ids[i]] += 1.0 / (60.0 + double(i) + 1);
      }
      routes.push_back(route);
    }
    const auto fused = FuseByRank(routes);
    ASSERT_EQ(fused.size(), expected.size());
    for (const FusedHit& hit : fused) EXPECT_NEAR(hit.score, expected.at(hit.node_id), 1e-12);
    EXPECT_TRUE(std::is_sorted(fused.begin(), fused.end(), [](const FusedHit& a, const FusedHit& b) {
      return a.score != b.score ? a.score > b.score : a.node_id < b.node_id;
    }));
  }
}

TEST(Weighted, StretchesEachRouteAndWeighsIt) {
  const auto fused = FuseByWeight(std::vector{kVector, kKeyword}, {{"keyword", 0.5}});
  ASSERT_EQ(fused.size(), 4u);
  // vector: 0.9 -> 1, 0.8 -> 0.75, 0.5 -> 0; keyword: 12 -> 1, 4 -> 0, halved.
  EXPECT_EQ(fused[0].node_id, 3);
  EXPECT_NEAR(fused[0].score, 0.75 + 0.5, 1e-6);
  EXPECT_EQ(fused[1].node_id, 7);
  EXPECT_NEAR(fused[1].score, 1, 1e-6);
  EXPECT_EQ(fused[2].node_id, 5);  // 5 and 9 both score 0: by id.
  EXPECT_EQ(fused[3].node_id, 9);
}

TEST(Weighted, CountsEqualScoresAsOneAndNotANumberAsZero) {
  const RouteHits flat{"vector", {{1, 0.5f}, {2, 0.5f}, {3, std::nanf("")}}};
  const auto fused = FuseByWeight(std::vector{flat}, {});
  EXPECT_DOUBLE_EQ(fused[0].score, 1);
  EXPECT_DOUBLE_EQ(fused[1].score, 1);
  EXPECT_DOUBLE_EQ(fused[2].score, 0);
}

TEST(Rrf, WeighsRoutes) {
  const auto fused = FuseByRank(std::vector{kVector, kKeyword}, 10, {{"keyword", 2.5}});
  EXPECT_EQ(fused[0].node_id, 3);
  EXPECT_DOUBLE_EQ(fused[0].score, 2.5 / 11 + 1.0 / 12);
  EXPECT_EQ(fused[1].node_id, 9);
  EXPECT_DOUBLE_EQ(fused[1].score, 2.5 / 12);
}

TEST(Weighted, ScalesByStandardDeviations) {
  const RouteHits route{"a", {{1, 5.0f}, {2, 3.0f}, {3, 1.0f}}};
  const auto fused = FuseByWeight(std::vector{route}, {}, ScoreScale::kZScore);
  const double deviation = std::sqrt(8.0 / 3);
  EXPECT_NEAR(fused[0].score, (2 / deviation + 3) / 6, 1e-12);
  EXPECT_NEAR(fused[1].score, 0.5, 1e-12);
  EXPECT_NEAR(fused[2].score, (-2 / deviation + 3) / 6, 1e-12);
  const RouteHits equal{"a", {{1, 0.1f}, {2, 0.1f}, {3, 0.1f}}};
  for (const FusedHit& hit : FuseByWeight(std::vector{equal}, {}, ScoreScale::kZScore)) EXPECT_EQ(hit.score, 0.5);
}

TEST(Priority, TakesOneRouteAfterTheOther) {
  const std::vector<std::string> order = {"keyword", "vector"};
  const auto fused = FuseByPriority(std::vector{kVector, kKeyword}, order);
  std::vector<NodeId> ids;
  for (const FusedHit& hit : fused) ids.push_back(hit.node_id);
  EXPECT_EQ(ids, (std::vector<NodeId>{3, 9, 7, 5}));
  EXPECT_DOUBLE_EQ(fused[0].score, 2.5);
  EXPECT_DOUBLE_EQ(fused[2].score, 1.5);
  EXPECT_EQ(fused[0].scores.size(), 2u);
}

TEST(Fuse, DoesWhatTheConfigurationSays) {
  const std::vector<RouteSpec> specs = {{.name = "keyword", .weight = 3}, {.name = "vector"}};
  const std::vector routes = {kVector, kKeyword};
  EXPECT_EQ(FuseRoutes(routes, specs, {.type = FusionType::kRrf, .k = 7}), FuseByRank(routes, 7, {{"keyword", 3}}));
  EXPECT_EQ(FuseRoutes(routes, specs, {.type = FusionType::kWeighted, .scale = ScoreScale::kZScore}),
            FuseByWeight(routes, {{"keyword", 3}}, ScoreScale::kZScore));
  EXPECT_EQ(FuseRoutes(routes, specs, {.type = FusionType::kPriority}),
            FuseByPriority(routes, std::vector<std::string>{"keyword", "vector"}));
}

TEST(Mmr, PutsWhatIsUnlikeBeforeWhatRepeats) {
  const std::vector<FusedHit> hits = {{1, 1.0}, {2, 0.9}, {3, 0.5}, {4, 0.0}};
  const std::vector<std::vector<float>> vectors = {{1, 0}, {1, 0}, {0, 1}, {0.6f, 0.8f}};
  const auto ids = [&](double lambda, size_t count) {
    std::vector<NodeId> result;
    for (const FusedHit& hit : Diversify(hits, vectors, lambda, count)) result.push_back(hit.node_id);
    return result;
  };
  EXPECT_EQ(ids(1, 4), (std::vector<NodeId>{1, 2, 3, 4}));
  // 0.5 * 0.9 - 0.5 * 1 < 0.5 * 0.5 - 0: the third comes second, then -0.05 of the second against -0.4 of the fourth.
  EXPECT_EQ(ids(0.5, 4), (std::vector<NodeId>{1, 3, 2, 4}));
  EXPECT_EQ(ids(0.5, 2), (std::vector<NodeId>{1, 3, 2, 4}));  // The rest as it was.
  EXPECT_EQ(ids(0, 2), (std::vector<NodeId>{1, 3, 2, 4}));
  EXPECT_TRUE(Diversify({}, {}, 0.5, 3).empty());
}

TEST(Mmr, KeepsEveryHitOnce) {
  const uint32_t seed = std::random_device{}();
  std::printf("RAGTIME_SEED=%u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<FusedHit> hits(random() % 40);
    std::vector<std::vector<float>> vectors(hits.size());
    for (size_t i = 0; i < hits.size(); ++i) {
      hits[i] = {static_cast<NodeId>(i + 1), 1.0 / static_cast<double>(i + 1)};
      if (random() % 5 != 0) vectors[i] = {static_cast<float>(random() % 9), static_cast<float>(random() % 9)};
    }
    std::vector<NodeId> ids;
    for (const FusedHit& hit : Diversify(hits, vectors, (random() % 11) / 10.0, random() % 50))
      ids.push_back(hit.node_id);
    ASSERT_EQ(ids.size(), hits.size());
    if (!ids.empty()) {
      EXPECT_EQ(ids[0], 1);
    }
    std::sort(ids.begin(), ids.end());
    for (size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(ids[i], static_cast<NodeId>(i + 1));
  }
}

}  // namespace
}  // namespace ragtime
