// SPDX-License-Identifier: Apache-2.0
//
// Goal: HNSW_FAST finds nearly all rows that a plain scan finds, with their exact scores, whatever is excluded; builds
// the same bytes with any number of threads; refuses bytes that are not its own.
// Method: as hnsw_index_test: the oracle is ScanExactly, and every search is the same in every run.
#include "index/hnsw/fast_hnsw_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "index/hnsw/hnsw_format.h"
#include "index/hnsw/nearest_rows.h"
#include "index/hnsw/sign_blocks.h"
#include "testing/vector_index_contract.h"
#include "testing/vector_index_fixture.h"

namespace ragtime {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kInnerProduct, Metric::kL2};
// With so few kept, a walk is cheaper than a scan from 2,400 rows on. One bit says less than eight: at the same ef a
// little less is found than by HNSW.
constexpr VectorSearchParameters kWalk{.ef = 60};

class FastHnsw : public testing::TestWithParam<Metric>, protected VectorIndexFixture {
 protected:
  void Build(Vectors vectors, const HnswParameters& parameters = {}) {
    BuildIndex(FastHnswIndexType(parameters), std::move(vectors), GetParam());
  }
  double Recall(size_t limit, const RowSelection& selection, const VectorSearchParameters& parameters = kWalk) {
    return RecallOf(limit, selection, parameters);
  }
};

TEST_P(FastHnsw, FindsNearlyAllInEveryDimension) {
  for (const size_t dimension : {1u, 7u, 96u, 384u, 1536u}) {
    SCOPED_TRACE(dimension);
    Build(Clustered(1, 2600, dimension, GetParam()));
    EXPECT_GE(Recall(10, {}), 0.93);
  }
}

TEST_P(FastHnsw, MoreIsFoundWithALargerEf) {
  Build(Clustered(2, 12000, 24, GetParam()));
  EXPECT_EQ(Recall(10, {}, {}), Recall(10, {}, {.ef = kHnswEf}));
  EXPECT_GE(Recall(10, {}, {.ef = 200}), 0.99);
  EXPECT_GE(Recall(100, {}, {.ef = 200}), 0.93);
  EXPECT_GE(Recall(100, {}, {.ef = 400}), 0.98);
  EXPECT_EQ(Recall(10, {}, {.ef = 12000}), 1);
}

TEST_P(FastHnsw, ExcludedRowsDoNotCount) {
  Build(Clustered(3, 6000, 48, GetParam()));
  std::mt19937 random(4);
  for (const uint32_t share : {1u, 30u, 49u, 60u, 99u, 100u}) {
    SCOPED_TRACE(share);
    const auto excluded = Bits(6000, [&](uint32_t) { return random() % 100 < share; });
    EXPECT_GE(Recall(10, RowBitmap{excluded}), 0.93);
  }
  // Rows behind those that the bitmap holds are not excluded.
  const std::vector<uint64_t> short_bitmap(3, ~uint64_t{0});
  EXPECT_GE(Recall(10, RowBitmap{short_bitmap}), 0.93);
  const std::vector<uint32_t> wrong = {1, 6000};
  EXPECT_EQ(index_->Search({}, vectors_.matrix().row(0), 1, {{}, wrong}).status().code(), StatusCode::kInvalidArgument);
}

TEST_P(FastHnsw, EqualRowsHideNeitherEachOtherNorTheRest) {
  Vectors vectors = Clustered(7, 5000, 32, GetParam());
  std::mt19937 random(8);
  for (uint32_t row = 0; row < 5000; ++row) {
    if (random() % 3 == 0) std::copy_n(vectors.data.begin() + row % 3 * 32, 32, vectors.data.begin() + row * 32);
  }
  Build(std::move(vectors));
  EXPECT_GE(Recall(10, {}), 0.95);
  for (uint32_t row = 0; row < 3; ++row) {
    const auto query = vectors_.matrix().row(row);
    EXPECT_EQ(*index_->Search({}, query, 30, {}, kWalk), Oracle(query, 30, {}));
  }
}

TEST_P(FastHnsw, HardDataIsSearchedToo) {
  for (Vectors& vectors : HardVectors(2500)) {
    Build(std::move(vectors), {.ef_construction = 40});
    for (const size_t row : {size_t{0}, size_t{44}, size_t{2499}}) {
      const auto hits = index_->Search({}, vectors_.matrix().row(row), 10, {}, kWalk);
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      EXPECT_EQ(hits->size(), 10u);
    }
  }
}

TEST_P(FastHnsw, TheBytesDoNotDependOnTheThreads) {
  Build(Clustered(10, 2600, 20, GetParam()), {.ef_construction = 40, .threads = 1});
  const auto bytes = bytes_;
  for (const size_t threads : {2u, 5u}) {
    Build(vectors_, {.ef_construction = 40, .threads = threads});
    EXPECT_EQ(bytes_, bytes) << threads;
  }
  const auto query = vectors_.matrix().row(7);
  const auto hits = index_->Search({}, query, 20, {}, kWalk);
  for (int n = 0; n < 3; ++n) EXPECT_EQ(*index_->Search({}, query, 20, {}, kWalk), *hits);
}

// Of M 4 a block is not full, of M 20 there are two.
TEST_P(FastHnsw, AnyNumberOfLinksHasBlocks) {
  for (const uint32_t m : {4u, 20u, 128u}) {
    SCOPED_TRACE(m);
    Build(Clustered(11, 3000, 20, GetParam()), {.m = m, .ef_construction = 60});
    EXPECT_GE(Recall(10, {}), 0.9);
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, FastHnsw, testing::ValuesIn(kMetrics),
                         [](const auto& test) { return MetricName(test.param); });

INSTANTIATE_TEST_SUITE_P(FastHnsw, VectorIndexContract,
                         testing::Values(VectorIndexKind{.name = "HNSW_FAST",
                                                         .make = [] { return std::make_unique<FastHnswIndexType>(); },
                                                         .header_bytes = sizeof(FastHnswHeader) + sizeof(HnswHeader),
                                                         .rows = kHnswGraphRowsMin,
                                                         .damage_max = 2000}),
                         NameOf);

// Its codes have half the bytes of those that are read here.
TEST(FastHnswIndex, AnInnerIndexOfAnotherFormatIsRefused) {
  const Vectors vectors = Clustered(15, 300, 130, Metric::kCosine);
  const auto inner = *HnswIndexType({}, 4).Build({}, vectors.matrix(), Metric::kCosine);
  auto bytes = *FastHnswIndexType().Build({}, vectors.matrix(), Metric::kCosine);
  FastHnswHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.hnsw_size = inner.size();
  header.header_hash = Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(FastHnswHeader, header_hash)));
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::copy(inner.begin(), inner.end(), bytes.begin() + sizeof(header));
  const Status status = FastHnswIndexType().Open(bytes, vectors.matrix(), Metric::kCosine).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), testing::HasSubstr("format 2"));
}

// What changes this changes the format: raise the version and keep the reader of the old one.
TEST(FastHnswIndex, TheBytesAreThoseOfVersion1) {
  Vectors vectors{std::vector<float>(300 * 20), 20};
  for (size_t i = 0; i < vectors.data.size(); ++i) vectors.data[i] = static_cast<float>((i * 2654435761 >> 7) % 11) - 5;
  const auto bytes = *FastHnswIndexType({.m = 4, .ef_construction = 20}).Build({}, vectors.matrix(), Metric::kL2);
  EXPECT_EQ(HashHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "8ed7759742c6c4e862a92df29e119bbd");
}

TEST(NearestRows, KeepsTheBestAndGivesEachOnce) {
  std::mt19937 random(30);
  NearestRows nearest;
  for (const size_t size : {1u, 2u, 3u, 7u, 64u, 100u, 3u}) {
    SCOPED_TRACE(size);
    nearest.Clear(size);
    EXPECT_EQ(nearest.bar(), -std::numeric_limits<float>::infinity());
    // What is kept, best first, and whether it was given.
    std::vector<std::pair<NearRow, bool>> kept;
    const auto worse = [](const NearRow& a, const NearRow& b) {
      return a.score < b.score || (a.score == b.score && a.row > b.row);
    };
    const auto take = [&] {
      const auto open = std::find_if(kept.begin(), kept.end(), [](const auto& one) { return !one.second; });
      NearRow row;
      ASSERT_EQ(nearest.Next(row), open != kept.end());
      if (open == kept.end()) return;
      EXPECT_EQ(row.row, open->first.row);
      EXPECT_EQ(row.score, open->first.score);
      open->second = true;
    };
    for (uint32_t i = 0; i < 500; ++i) {
      // The highest rows too, and scores on both sides of zero, some of them equal.
      const NearRow row{i % 2 == 0 ? i : NearestRows::kRowsMax - i, static_cast<float>(random() % 80) - 40};
      if (row.score > nearest.bar()) {
        nearest.Offer(row.row, row.score);
        const auto at = std::find_if(kept.begin(), kept.end(), [&](const auto& one) { return worse(one.first, row); });
        kept.insert(at, {row, false});
        if (kept.size() > size) kept.pop_back();
      }
      EXPECT_EQ(nearest.bar(), kept.size() == size ? kept.back().first.score : -std::numeric_limits<float>::infinity());
      if (random() % 3 == 0) take();
    }
    ASSERT_EQ(nearest.count(), kept.size());
    for (size_t i = 0; i <= size; ++i) take();
    // Given or not, it is kept.
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(nearest.At(i).row, kept[i].first.row);
      EXPECT_EQ(nearest.At(i).score, kept[i].first.score);
    }
  }
}

// The estimates of signs are about the inner products, and lean to no side. What lies around one row leans together
// by chance, so that many rows are looked at.
TEST(SignBlocks, EstimatesAreNearTheScores) {
  constexpr size_t kDimension = 384;
  constexpr uint64_t kSets = 40;
  const std::vector<float> mean(kDimension, 0.01f);
  double sum = 0;
  for (uint64_t seed = 0; seed < kSets; ++seed) {
    const Vectors vectors = Clustered(20 + seed, 33, kDimension, Metric::kCosine);
    std::vector<uint32_t> bottom(33 * 32, kNoRow);
    for (uint32_t i = 0; i < 32; ++i) bottom[i] = i + 1;
    const SignLayout layout = SignLayout::Of(kDimension, 32);
    std::vector<std::byte> blocks(33 * layout.row_size());
    ASSERT_TRUE(WriteSignBlocks({}, vectors.matrix(), Metric::kCosine, mean, bottom, 32, 1, blocks.data()).ok());
    const Rotation rotation(layout.dimensions);
    for (uint32_t q = 1; q < 33; ++q) {
      const SignQuery query(layout, rotation, vectors.matrix().row(q), mean);
      const auto score = [&](uint32_t row) {
        return Dot(vectors.matrix().row(q).data(), vectors.matrix().row(row).data(), kDimension);
      };
      float scores[kScanRows];
      BestFastScan().score(query.scan(), reinterpret_cast<const uint8_t*>(blocks.data()) + sizeof(ScanFactors),
                           *reinterpret_cast<const ScanFactors*>(blocks.data()), score(0), 0, scores);
      for (uint32_t i = 0; i < 32; ++i) {
        EXPECT_NEAR(scores[i], score(i + 1), 0.35);
        sum += scores[i] - score(i + 1);
      }
    }
  }
  EXPECT_NEAR(sum / (32 * 32 * kSets), 0, 0.005);
}

}  // namespace
}  // namespace ragtime
