// SPDX-License-Identifier: Apache-2.0
//
// Goal: fusion gives the scores that are computed by hand, in an order that nothing but scores and ids decides.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

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

}  // namespace
}  // namespace ragtime
