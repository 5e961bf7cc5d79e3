// SPDX-License-Identifier: Apache-2.0
//
// Goal: tuning says the recall that a search has, chooses the least ef that finds enough, and what it records holds for
// the vectors that it was measured with. Method: an embedded store with a coarse graph, against scores of every node.
#include "engine/tuning.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/recorded.h"
#include "testing/store_backends.h"

namespace ragtime {
namespace {

constexpr size_t kNodes = 6000;
constexpr size_t kDimension = 16;
constexpr size_t kDepth = 10;

class TuneTest : public testing::Test {
 protected:
  void Fill(std::shared_ptr<const VectorIndexType> type) {
    IndexSet indexes = RealIndexes();
    indexes.vector = std::move(type);
    store_ = Value(EmbeddedStore::Open({.uri = (folder_.path() / "kb").string()}, indexes, true));
    WriteBatch batch;
    for (size_t i = 0; i < kNodes; ++i) {
      vectors_.push_back(RandomVector(random_, kDimension));
      batch.documents.push_back(OneNodeDocument("f" + std::to_string(i), "word", vectors_.back()));
    }
    ASSERT_OK(store_->BeginWrite(0));
    ASSERT_OK(store_->Commit({}, std::move(batch)));
    store_->EndWrite();
    snapshot_ = Value(store_->OpenSnapshot());
  }

  // The share of the nearest that a search finds, by scores of all nodes.
  double Recall(uint32_t ef, const std::vector<TuningQuestion>& questions) const {
    size_t found = 0;
    for (const TuningQuestion& question : questions) {
      std::vector<float> scores;
      for (const auto& vector : vectors_) {
        if (question.own != 0 && vector == question.vector) continue;
        float score = 0;
        for (size_t i = 0; i < kDimension; ++i) score += vector[i] * question.vector[i];
        scores.push_back(score);
      }
      std::nth_element(scores.begin(), scores.begin() + kDepth - 1, scores.end(), std::greater<>());
      const size_t own = question.own != 0 ? 1 : 0;
      const auto hits = Value(snapshot_->SearchVector(
          {}, {.vector = question.vector, .limit = kDepth + own, .group = {}, .filter = {}, .parameters = {.ef = ef}}));
      size_t near = 0;
      for (const Hit& hit : hits) {
        if (hit.node_id != question.own && hit.score >= scores[kDepth - 1] - 1e-5f) ++near;
      }
      found += std::min(near, kDepth);
    }
    return static_cast<double>(found) / static_cast<double>(questions.size() * kDepth);
  }

  const TemporaryFolder folder_;
  Random random_{7};
  std::vector<std::vector<float>> vectors_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<const Snapshot> snapshot_;
};

TEST_F(TuneTest, ChoosesTheLeastEfThatFindsEnough) {
  Fill(std::make_shared<HnswIndexType>(HnswParameters{.m = 4, .ef_construction = 8}));
  const auto sample = Value(SampleQuestions({}, *snapshot_, "", 50));
  ASSERT_EQ(sample.size(), 50u);
  std::vector<TuningQuestion> asked;
  for (int i = 0; i < 50; ++i) asked.push_back({.vector = RandomVector(random_, kDimension)});
  for (const auto& questions : {sample, asked}) {
    const TuneReport report = Value(MeasureRecall({}, *snapshot_, questions, {.recall = 0.9, .depth = kDepth}));
    ASSERT_GE(report.points.size(), 2u) << "the coarse graph is no test of a walk";
    for (size_t i = 0; i < report.points.size(); ++i) {
      const TunePoint& point = report.points[i];
      EXPECT_NEAR(point.recall, Recall(point.ef, questions), 0.005) << point.ef;
      if (i + 1 < report.points.size()) {
        EXPECT_LT(point.recall, 0.9) << point.ef;
      }
    }
    EXPECT_GE(report.tuning.recall, 0.9);
    EXPECT_EQ(report.tuning.ef, report.points.back().ef);
    EXPECT_EQ(report.tuning.nodes, kNodes);
    EXPECT_EQ(report.tuning.questions, 50u);
    EXPECT_GT(report.tuning.time_ms, 0);
  }
}

TEST_F(TuneTest, SamplesLieEvenlyOverAllNodes) {
  Fill(std::make_shared<FlatIndexType>());
  // Twice as many, less one: a step of whole nodes would end in the middle.
  const auto sample = Value(SampleNodes({}, *snapshot_, "", kNodes / 2 + 1));
  ASSERT_EQ(sample.size(), kNodes / 2 + 1);
  NodeId last = 0;
  ASSERT_OK(snapshot_->VisitNodes({}, {}, [&](const NodeRow& row) { return last = row.node_id, true; }));
  EXPECT_GE(sample.back().first, last - 2);
  for (size_t i = 1; i < sample.size(); ++i) EXPECT_LE(sample[i].first - sample[i - 1].first, 2);
  EXPECT_EQ(Value(SampleNodes({}, *snapshot_, "", 2 * kNodes)).size(), kNodes);
}

TEST_F(TuneTest, WhatIsRecordedHoldsForTheVectorsOfOneModel) {
  Fill(std::make_shared<HnswIndexType>());
  const uint64_t generation = snapshot_->generation();
  EXPECT_EQ(Value(ReadTuning(*store_, "a")), std::nullopt);
  const VectorTuning tuning{
      .ef = 48, .recall = 0.96875, .recall_wanted = 0.95, .depth = 50, .questions = 200, .nodes = 7, .time_ms = 12345};
  WriteBatch batch;
  batch.settings = TuningSettings(tuning, "a");
  ASSERT_OK(store_->BeginWrite(0));
  ASSERT_OK(store_->Commit({}, std::move(batch)));
  const VectorTuning read = *Value(ReadTuning(*store_, "a"));
  EXPECT_EQ(read.ef, tuning.ef);
  EXPECT_EQ(read.recall, tuning.recall);
  EXPECT_EQ(read.recall_wanted, tuning.recall_wanted);
  EXPECT_EQ(read.depth, tuning.depth);
  EXPECT_EQ(read.questions, tuning.questions);
  EXPECT_EQ(read.nodes, tuning.nodes);
  EXPECT_EQ(read.time_ms, tuning.time_ms);
  EXPECT_EQ(Value(ReadTuning(*store_, "b")), std::nullopt) << "vectors of another model";
  EXPECT_EQ(Value(store_->OpenSnapshot())->generation(), generation);

  WriteBatch broken;
  for (const auto& [key, value] : TuningSettings(tuning, "a")) broken.settings[key] = "{\"ef\": 0}";
  ASSERT_OK(store_->Commit({}, std::move(broken)));
  EXPECT_THAT(ReadTuning(*store_, "a"), StatusIs(StatusCode::kDataLoss));
  store_->EndWrite();
}

TEST_F(TuneTest, NothingIsToBeTunedWhereEverySearchIsExact) {
  Fill(std::make_shared<FlatIndexType>());
  const auto questions = Value(SampleQuestions({}, *snapshot_, "", 10));
  EXPECT_THAT(MeasureRecall({}, *snapshot_, questions, {}), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_EQ(Value(SampleQuestions({}, *snapshot_, "no such group", 10)).size(), 0u);
  EXPECT_THAT(MeasureRecall({}, *snapshot_, {}, {}), StatusIs(StatusCode::kFailedPrecondition));
}

// HNSW under another name, as a type that goes by something else would be.
class OtherIndexType final : public VectorIndexType {
 public:
  std::string_view name() const override { return "OTHER"; }
  uint32_t version() const override { return hnsw_.version(); }
  Result<std::vector<std::byte>> Build(const Context& context, VectorMatrix vectors, Metric metric) const override {
    return hnsw_.Build(context, vectors, metric);
  }
  Result<std::unique_ptr<VectorIndex>> Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                            Metric metric) const override {
    return hnsw_.Open(bytes, vectors, metric);
  }

 private:
  const HnswIndexType hnsw_;
};

TEST_F(TuneTest, ATypeThatGoesByAnotherParameterIsNamed) {
  Fill(std::make_shared<OtherIndexType>());
  const auto questions = Value(SampleQuestions({}, *snapshot_, "", 10));
  const auto report = MeasureRecall({}, *snapshot_, questions, {});
  EXPECT_THAT(report, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(report.status().message().find("OTHER"), std::string::npos);
}

}  // namespace
}  // namespace ragtime
