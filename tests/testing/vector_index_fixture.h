// SPDX-License-Identifier: Apache-2.0
//
// VectorIndexFixture builds a vector index over vectors made up, and says how much of what a plain scan finds its
// searches find. Every search is the same in every run, so that a recall is a fixed number.
#ifndef RAGTIME_TESTS_TESTING_VECTOR_INDEX_FIXTURE_H_
#define RAGTIME_TESTS_TESTING_VECTOR_INDEX_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/kernels/coded_rows.h"
#include "index/kernels/top_hits.h"
#include "ragtime/index.h"

namespace ragtime {

struct Vectors {
  std::vector<float> data;
  size_t dimension;
  VectorMatrix matrix() const { return {data.data(), data.size() / dimension, dimension}; }
};

// Rows in clusters around a far mean, as text vectors lie. Of length 1 for kCosine, of many lengths otherwise.
inline Vectors Clustered(uint32_t seed, size_t rows, size_t dimension, Metric metric) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  constexpr size_t kClusters = 40;
  std::vector<float> centres(kClusters * dimension);
  for (size_t i = 0; i < centres.size(); ++i) centres[i] = normal(random) + (i % dimension == 0 ? 3.0f : 0.0f);
  Vectors vectors{std::vector<float>(rows * dimension), dimension};
  for (size_t r = 0; r < rows; ++r) {
    const float* centre = centres.data() + random() % kClusters * dimension;
    float* row = vectors.data.data() + r * dimension;
    double norm = 0;
    for (size_t i = 0; i < dimension; ++i) {
      row[i] = centre[i] + 0.7f * normal(random);
      norm += double{row[i]} * row[i];
    }
    const float scale = metric == Metric::kCosine ? static_cast<float>(1 / std::sqrt(norm)) : 1.0f;
    for (size_t i = 0; i < dimension; ++i) row[i] *= scale;
  }
  return vectors;
}

// Sets of rows that are hard: all zero, all alike but for rounding, very short, very long, of all lengths.
inline std::vector<Vectors> HardVectors(size_t rows) {
  constexpr size_t kDimension = 16;
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  const std::function<float(size_t, size_t)> values[] = {
      [](size_t, size_t) { return 0.0f; },
      [](size_t r, size_t i) { return r % kDimension == i ? 1.0f : 0.0f; },
      [&](size_t, size_t) { return normal(random) * 1e-30f; },
      [&](size_t, size_t) { return normal(random) * 1e13f; },
      [&](size_t r, size_t) { return normal(random) * static_cast<float>(std::exp2(r % 45)); },
      [](size_t r, size_t) { return 1.0f + static_cast<float>(r % 3) * 1e-7f; },
  };
  std::vector<Vectors> sets;
  for (const auto& value : values) {
    Vectors& vectors = sets.emplace_back(Vectors{std::vector<float>(rows * kDimension), kDimension});
    for (size_t i = 0; i < vectors.data.size(); ++i) vectors.data[i] = value(i / kDimension, i % kDimension);
  }
  return sets;
}

inline std::vector<uint64_t> Bits(size_t rows, const std::function<bool(uint32_t)>& holds) {
  std::vector<uint64_t> words((rows + 63) / 64);
  for (uint32_t row = 0; row < rows; ++row) {
    if (holds(row)) words[row / 64] |= uint64_t{1} << (row % 64);
  }
  return words;
}

inline std::string MetricName(Metric metric) {
  if (metric == Metric::kL2) return "L2";
  return metric == Metric::kCosine ? "Cosine" : "InnerProduct";
}

class VectorIndexFixture {
 protected:
  virtual ~VectorIndexFixture() = default;

  void BuildIndex(const VectorIndexType& type, Vectors vectors, Metric metric) {
    vectors_ = std::move(vectors);
    metric_ = metric;
    auto bytes = type.Build({}, vectors_.matrix(), metric);
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    bytes_ = *std::move(bytes);
    auto index = Open(type);
    ASSERT_TRUE(index.ok()) << index.status().ToString();
    index_ = *std::move(index);
  }
  // Opens bytes_; a test may do it in its own way.
  virtual Result<std::unique_ptr<VectorIndex>> Open(const VectorIndexType& type) {
    return type.Open(bytes_, vectors_.matrix(), metric_);
  }

  std::vector<RowHit> Oracle(std::span<const float> query, size_t limit, const RowSelection& selection) const {
    return *ScanExactly({}, vectors_.matrix(), metric_, query, limit, selection);
  }

  // The share of the best `limit` scores that searches for 30 queries find. Fails where a hit is not one, or its score
  // is wrong.
  double RecallOf(size_t limit, const RowSelection& selection, const VectorSearchParameters& parameters) const {
    std::mt19937 random(9);
    std::normal_distribution<float> normal(0, 0.02f);
    size_t found = 0;
    size_t wanted = 0;
    for (int q = 0; q < 30; ++q) {
      const auto near = vectors_.matrix().row(random() % vectors_.matrix().rows);
      std::vector<float> query(near.begin(), near.end());
      for (float& value : query) value += normal(random);
      const auto best = Oracle(query, limit, selection);
      const auto hits = index_->Search({}, query, limit, selection, parameters);
      if (!hits.ok()) {
        ADD_FAILURE() << hits.status().ToString();
        return 0;
      }
      EXPECT_EQ(hits->size(), best.size());
      EXPECT_TRUE(std::is_sorted(hits->begin(), hits->end(), TopHits::IsBetter));
      for (const RowHit& hit : *hits) {
        EXPECT_FALSE(selection.excluded.Contains(hit.row)) << "row " << hit.row;
        EXPECT_EQ(Oracle(query, 1, {{}, std::span(&hit.row, 1)}).front(), hit);
        found += hit.score >= best.back().score ? 1 : 0;
      }
      wanted += best.size();
    }
    return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
  }

  Vectors vectors_{{}, 1};
  Metric metric_ = Metric::kCosine;
  std::vector<std::byte> bytes_;
  std::unique_ptr<VectorIndex> index_;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_VECTOR_INDEX_FIXTURE_H_
