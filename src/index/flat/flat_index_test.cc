// SPDX-License-Identifier: Apache-2.0
//
// Goal: FLAT finds exactly the rows and scores of a plain scan, whatever the data, and refuses bytes that are not its
// own. Method: the oracle scores every row with the same Dot and sorts. Data: clustered around a far mean as text
// vectors are, uniform, one-hot, tiny, huge, full of ties.
#include "index/flat/flat_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "base/hash.h"
#include "index/flat/flat_format.h"
#include "index/kernels/kernels.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

struct Vectors {
  std::vector<float> data;
  size_t dimension;
  VectorMatrix matrix() const { return {data.data(), data.size() / dimension, dimension}; }
};

void Normalize(std::span<float> row) {
  double norm = 0;
  for (const float value : row) norm += double{value} * value;
  for (float& value : row) value = static_cast<float>(value / std::sqrt(norm));
}

// Rows like those of a text model: a mean that all share, and noise.
Vectors TextLike(std::mt19937& random, size_t rows, size_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> mean(dimension);
  for (float& value : mean) value = 2 * normal(random);
  Vectors vectors{std::vector<float>(rows * dimension), dimension};
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < dimension; ++i) vectors.data[r * dimension + i] = mean[i] + normal(random);
    Normalize(std::span(vectors.data).subspan(r * dimension, dimension));
  }
  return vectors;
}

Vectors Filled(size_t rows, size_t dimension, const std::function<float(size_t, size_t)>& value) {
  Vectors vectors{std::vector<float>(rows * dimension), dimension};
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < dimension; ++i) vectors.data[r * dimension + i] = value(r, i);
  }
  return vectors;
}

std::vector<RowHit> Oracle(VectorMatrix vectors, Metric metric, std::span<const float> query, size_t limit,
                           RowBitmap excluded) {
  std::vector<RowHit> hits;
  for (uint32_t r = 0; r < vectors.rows; ++r) {
    if (excluded.Contains(r)) continue;
    const float* row = vectors.row(r).data();
    hits.push_back({r, metric == Metric::kL2 ? -L2Squared(query.data(), row, query.size())
                                             : Dot(query.data(), row, query.size())});
  }
  std::sort(hits.begin(), hits.end(), TopHits::IsBetter);
  hits.resize(std::min(limit, hits.size()));
  return hits;
}

class Flat : public testing::TestWithParam<Metric> {
 protected:
  void ExpectExact(const Vectors& vectors, std::span<const float> query, RowBitmap excluded = {}) {
    if (built_.empty()) {
      auto bytes = type_.Build({}, vectors.matrix(), GetParam());
      ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
      built_ = *std::move(bytes);
    }
    auto index = type_.Open(built_, vectors.matrix(), GetParam());
    ASSERT_TRUE(index.ok()) << index.status().ToString();
    for (const size_t limit : {size_t{1}, size_t{10}, size_t{60}, vectors.matrix().rows + 1}) {
      auto hits = (*index)->Search(Context(), query, limit, excluded);
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      std::vector<RowHit> oracle = Oracle(vectors.matrix(), GetParam(), query, limit, excluded);
      ASSERT_EQ(*hits, oracle) << "limit " << limit;
      if (oracle.empty()) continue;
      const float score_min = oracle[oracle.size() / 2].score;
      auto good_enough = (*index)->Search(Context(), query, limit, excluded, {.score_min = score_min});
      ASSERT_TRUE(good_enough.ok()) << good_enough.status().ToString();
      const auto too_low = [score_min](const RowHit& hit) { return hit.score < score_min; };
      std::erase_if(*good_enough, too_low);
      std::erase_if(oracle, too_low);
      ASSERT_EQ(*good_enough, oracle) << "limit " << limit << " score_min " << score_min;
    }
  }

  FlatIndexType type_;
  std::vector<std::byte> built_;
};

TEST_P(Flat, AgreesWithAPlainScanOnTextLikeVectors) {
  std::mt19937 random(1);
  for (const size_t rows : {1u, 255u, 256u, 1025u, 4000u}) {
    const Vectors vectors = TextLike(random, rows, 384);
    built_.clear();
    for (int q = 0; q < 8; ++q) {
      std::vector<float> query(vectors.data.begin(), vectors.data.begin() + 384);
      const size_t near = random() % rows;
      std::normal_distribution<float> normal(0, 0.02f);
      for (size_t i = 0; i < 384; ++i) query[i] = vectors.data[near * 384 + i] + normal(random);
      Normalize(query);
      ExpectExact(vectors, query);
    }
  }
}

TEST_P(Flat, AgreesInEveryDimension) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const size_t dimension : {1u, 2u, 7u, 63u, 64u, 65u, 96u, 383u, 768u}) {
    built_.clear();
    const Vectors vectors = Filled(700, dimension, [&](size_t, size_t) { return uniform(random); });
    for (int q = 0; q < 4; ++q) {
      std::vector<float> query(dimension);
      for (float& value : query) value = uniform(random);
      ExpectExact(vectors, query);
    }
  }
}

TEST_P(Flat, AgreesOnHardData) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const Vectors hard[] = {
      Filled(600, 48, [](size_t, size_t) { return 0.0f; }),
      Filled(600, 48, [](size_t r, size_t i) { return r % 48 == i ? 1.0f : 0.0f; }),  // Many ties.
      Filled(600, 48, [&](size_t, size_t) { return normal(random) * 1e-30f; }),       // Squares underflow.
      Filled(600, 48, [&](size_t, size_t) { return normal(random) * 1e13f; }),
      Filled(600, 48, [&](size_t r, size_t) { return normal(random) * static_cast<float>(std::exp2(r % 45)); }),
      Filled(600, 48,
             [&](size_t, size_t i) { return normal(random) * (i == 5 ? 1000.0f : 1.0f); }),  // One dimension rules.
      Filled(600, 48,
             [](size_t r, size_t) { return 1.0f + static_cast<float>(r % 3) * 1e-7f; }),  // Differ in the last bit.
  };
  for (const Vectors& vectors : hard) {
    built_.clear();
    for (int q = 0; q < 4; ++q) {
      std::vector<float> query(vectors.data.begin() + q * 48, vectors.data.begin() + (q + 1) * 48);
      if (q == 2) std::fill(query.begin(), query.end(), 0.0f);
      if (q == 3) std::fill(query.begin(), query.end(), 1.0f);
      ExpectExact(vectors, query);
    }
  }
}

TEST_P(Flat, ExcludedRowsDoNotCount) {
  std::mt19937 random(4);
  const Vectors vectors = TextLike(random, 1500, 64);
  for (const int share : {1, 50, 97, 100}) {
    std::vector<uint64_t> words(1500 / 64);  // Rows past the end are not excluded.
    for (uint32_t row = 0; row < words.size() * 64; ++row) {
      if (random() % 100 < static_cast<uint32_t>(share)) words[row / 64] |= uint64_t{1} << (row % 64);
    }
    ExpectExact(vectors, vectors.matrix().row(random() % 1500), RowBitmap{words});
  }
}

// Rows of blocks that are read whole, in part and not at all, which are scored together.
TEST_P(Flat, ExcludedRowsDoNotCountInManyBlocks) {
  std::mt19937 random(6);
  constexpr uint32_t kRows = 9001;
  const Vectors vectors = TextLike(random, kRows, 16);
  for (int round = 0; round < 4; ++round) {
    std::vector<uint64_t> words((kRows + 63) / 64);
    uint32_t share = 0;
    for (uint32_t row = 0; row < kRows; ++row) {
      constexpr uint32_t kShares[] = {55, 60, 100, 99, 10};
      if (row % 1024 == 0) share = kShares[random() % std::size(kShares)];
      if (random() % 100 < share) words[row / 64] |= uint64_t{1} << (row % 64);
    }
    ExpectExact(vectors, vectors.matrix().row(random() % kRows), RowBitmap{words});
  }
}

std::string MetricName(const testing::TestParamInfo<Metric>& metric) {
  if (metric.param == Metric::kL2) return "L2";
  return metric.param == Metric::kCosine ? "Cosine" : "InnerProduct";
}

INSTANTIATE_TEST_SUITE_P(Metrics, Flat, testing::Values(Metric::kCosine, Metric::kInnerProduct, Metric::kL2),
                         MetricName);

TEST(FlatIndex, WrongArgumentsAreRefused) {
  std::mt19937 random(5);
  const FlatIndexType type;
  Vectors vectors = TextLike(random, 300, 16);
  auto bytes = type.Build({}, vectors.matrix(), Metric::kCosine);
  ASSERT_TRUE(bytes.ok());
  auto index = type.Open(*bytes, vectors.matrix(), Metric::kCosine);
  ASSERT_TRUE(index.ok());
  std::vector<float> query(16, 1.0f);
  EXPECT_EQ((*index)->Search({}, std::span(query).first(15), 1, {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE((*index)->Search({}, query, 0, {})->empty());
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e16f}) {
    query[3] = bad;
    EXPECT_EQ((*index)->Search({}, query, 1, {}).status().code(), StatusCode::kInvalidArgument);
    vectors.data[299 * 16] = bad;
    const Status status = type.Build({}, vectors.matrix(), Metric::kCosine).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), testing::HasSubstr("row 299"));
  }
  EXPECT_FALSE(type.Build({}, {nullptr, 0, 0}, Metric::kL2).ok());
  EXPECT_FALSE(type.Build({}, {vectors.data.data(), 1, kCodesMax + 1}, Metric::kL2).ok());
}

TEST(FlatIndex, AnEmptySetFindsNothing) {
  const FlatIndexType type;
  const VectorMatrix none{nullptr, 0, 8};
  auto bytes = type.Build({}, none, Metric::kL2);
  ASSERT_TRUE(bytes.ok());
  auto index = type.Open(*bytes, none, Metric::kL2);
  ASSERT_TRUE(index.ok());
  EXPECT_TRUE((*index)->Search({}, std::vector<float>(8), 5, {})->empty());
}

TEST(FlatIndex, ACancelledSearchStops) {
  std::mt19937 random(6);
  const FlatIndexType type;
  const Vectors vectors = TextLike(random, 300, 16);
  auto bytes = type.Build({}, vectors.matrix(), Metric::kCosine);
  auto index = type.Open(*bytes, vectors.matrix(), Metric::kCosine);
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ((*index)->Search({.stop = source.get_token()}, vectors.matrix().row(0), 3, {}).status().code(),
            StatusCode::kCancelled);
}

TEST(FlatIndex, ForeignBytesAreRefused) {
  std::mt19937 random(7);
  const FlatIndexType type;
  const Vectors vectors = TextLike(random, 300, 16);
  const auto bytes = *type.Build({}, vectors.matrix(), Metric::kCosine);
  for (size_t size = 0; size < bytes.size(); size += size < 200 ? 1 : 997) {
    EXPECT_EQ(type.Open(std::span(bytes).first(size), vectors.matrix(), Metric::kCosine).status().code(),
              StatusCode::kDataLoss);
  }
  for (size_t bit = 0; bit < sizeof(FlatHeader) * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(type.Open(damaged, vectors.matrix(), Metric::kCosine).ok()) << bit;
  }
  EXPECT_EQ(type.Open(bytes, vectors.matrix(), Metric::kL2).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(type.Open(bytes, {vectors.data.data(), 299, 16}, Metric::kCosine).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(type.Open(bytes, {vectors.data.data(), 600, 8}, Metric::kCosine).status().code(), StatusCode::kDataLoss);
}

TEST(FlatIndex, ANewerFormatIsNamed) {
  std::mt19937 random(8);
  const FlatIndexType type;
  const Vectors vectors = TextLike(random, 3, 16);
  auto bytes = *type.Build({}, vectors.matrix(), Metric::kCosine);
  bytes[offsetof(FlatHeader, version)] = std::byte{2};
  const Status status = type.Open(bytes, vectors.matrix(), Metric::kCosine).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), testing::HasSubstr("format 2"));
}

// What changes this changes the format: raise the version and keep the reader of the old one.
TEST(FlatIndex, TheBytesAreThoseOfVersion1) {
  const Vectors vectors =
      Filled(300, 20, [](size_t r, size_t i) { return static_cast<float>((r * 7 + i * 3) % 11) - 5; });
  const auto bytes = *FlatIndexType().Build({}, vectors.matrix(), Metric::kInnerProduct);
  EXPECT_EQ(bytes.size(), 64u + 128 + 4800 + 300 * 64);
  EXPECT_EQ(HashHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "19d9d1e8dd896edfc94e794849b8ffba");
}

// Damage that a checksum would find must not lead a search out of its bytes; sanitizers see it if it does.
TEST(FlatIndex, MutatedBodiesAreSearchedWithoutHarm) {
  std::mt19937 random(9);
  const FlatIndexType type;
  const Vectors vectors = TextLike(random, 300, 20);
  const auto bytes = *type.Build({}, vectors.matrix(), Metric::kCosine);
  for (int round = 0; round < 500; ++round) {
    auto damaged = bytes;
    for (int n = 1 + static_cast<int>(random() % 50); n > 0; --n) {
      damaged[sizeof(FlatHeader) + random() % (damaged.size() - sizeof(FlatHeader))] = static_cast<std::byte>(random());
    }
    auto index = type.Open(damaged, vectors.matrix(), Metric::kCosine);
    ASSERT_TRUE(index.ok());
    auto hits = (*index)->Search({}, vectors.matrix().row(random() % 300), 10, {});
    ASSERT_TRUE(hits.ok());
    EXPECT_LE(hits->size(), 10u);
    for (const RowHit& hit : *hits) EXPECT_LT(hit.row, 300u);
  }
}

}  // namespace
}  // namespace ragtime
