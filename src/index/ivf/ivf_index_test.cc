// SPDX-License-Identifier: Apache-2.0
//
// Goal: IVF_FLAT, IVF_SQ8, IVF_PQ and PQ find what a plain scan finds as far as nprobe and refine_k say, with exact
// scores, whatever is excluded; build the same bytes in every run with any number of threads; refuse bytes that are not
// their own.
// Method: the oracle is ScanExactly, on the vectors that HNSW is tested with.
#include "index/ivf/ivf_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/hash.h"
#include "index/ivf/clusters.h"
#include "index/ivf/ivf_format.h"
#include "testing/vector_index_contract.h"
#include "testing/vector_index_fixture.h"

namespace ragtime {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kInnerProduct, Metric::kL2};
constexpr IvfKind kKinds[] = {IvfKind::kIvfFlat, IvfKind::kIvfSq8, IvfKind::kIvfPq, IvfKind::kPq};
// Few lists and short codes, so that a few hundred rows can be trained on.
constexpr IvfParameters kSmall{.nlist = 16, .nprobe = 6, .nbits = 4, .refine_k = 40};

std::string KindName(IvfKind kind) {
  std::string name(IvfIndexType(kind).name());
  std::erase(name, '_');
  return name;
}

bool HasProducts(IvfKind kind) { return kind == IvfKind::kIvfPq || kind == IvfKind::kPq; }

class Ivf : public testing::TestWithParam<std::tuple<IvfKind, Metric>>, protected VectorIndexFixture {
 protected:
  static IvfKind kind() { return std::get<0>(GetParam()); }
  static Metric metric() { return std::get<1>(GetParam()); }
  void Build(Vectors vectors, const IvfParameters& parameters = kSmall) {
    const IvfIndexType type(kind(), parameters);
    ASSERT_GE(vectors.matrix().rows, type.rows_min());
    BuildIndex(type, std::move(vectors), metric());
  }
};

TEST_P(Ivf, FindsNearlyAllInEveryDimension) {
  for (const size_t dimension : {1u, 7u, 96u, 384u, 768u}) {
    SCOPED_TRACE(dimension);
    Build(Clustered(1, 2000, dimension, metric()));
    EXPECT_GE(RecallOf(10, {}, {}), 0.95);
    EXPECT_EQ(RecallOf(10, {}, {.nprobe = 16, .refine_k = 200}), 1);
  }
}

TEST_P(Ivf, MoreIsFoundWithMoreListsAndMoreExactScores) {
  Build(Clustered(2, 4000, 24, metric()), {.nlist = 64, .nprobe = 1, .nbits = 4, .refine_k = 1});
  const double least = RecallOf(10, {}, {});
  const double more = RecallOf(10, {}, {.nprobe = 8, .refine_k = 8});
  EXPECT_LT(least, more);
  EXPECT_EQ(RecallOf(10, {}, {.nprobe = 64, .refine_k = 400}), 1);
  // Many are wanted.
  EXPECT_GE(RecallOf(1000, {}, {.nprobe = 32, .refine_k = 3}), 0.9);
  EXPECT_EQ(RecallOf(4000, {}, {}), 1);
}

TEST_P(Ivf, ExcludedRowsDoNotCount) {
  Build(Clustered(3, 4000, 48, metric()));
  std::mt19937 random(4);
  const double all = RecallOf(10, {}, {});
  for (const uint32_t share : {1u, 30u, 60u, 90u, 99u, 100u}) {
    SCOPED_TRACE(share);
    const auto excluded = Bits(4000, [&](uint32_t) { return random() % 100 < share; });
    EXPECT_GE(RecallOf(10, RowBitmap{excluded}, {}), all - 0.02);
  }
  // Rows behind those that the bitmap holds are not excluded.
  const std::vector<uint64_t> short_bitmap(3, ~uint64_t{0});
  EXPECT_GE(RecallOf(10, RowBitmap{short_bitmap}, {}), all - 0.02);
}

// All lists that are near the query are empty but for excluded rows.
TEST_P(Ivf, FindsWhatLiesBehindExcludedRows) {
  Build(Clustered(5, 4000, 48, metric()));
  const auto query = vectors_.matrix().row(0);
  std::vector<bool> near(4000);
  for (const RowHit& hit : Oracle(query, 2000, {})) near[hit.row] = true;
  const auto excluded = Bits(4000, [&](uint32_t row) { return near[row]; });
  const auto best = Oracle(query, 10, RowBitmap{excluded});
  const auto hits = index_->Search({}, query, 10, RowBitmap{excluded});
  ASSERT_TRUE(hits.ok());
  ASSERT_EQ(hits->size(), 10u);
  size_t found = 0;
  for (const RowHit& hit : *hits) found += hit.score >= best.back().score ? 1 : 0;
  if (!HasProducts(kind())) {
    EXPECT_GE(found, 7u);
  }
  EXPECT_EQ(*index_->Search({}, query, 10, RowBitmap{excluded}, {.nprobe = 16, .refine_k = 200}), best);
}

TEST_P(Ivf, ListedRowsAreAllLookedAt) {
  Build(Clustered(6, 4000, 48, metric()));
  for (const uint32_t step : {2u, 7u, 50u, 1000u}) {
    std::vector<uint32_t> listed;
    for (uint32_t row = 1; row < 4000; row += step) listed.push_back(row);
    const auto excluded = Bits(4000, [&](uint32_t row) { return row % step != 1; });
    EXPECT_GE(RecallOf(5, {RowBitmap{excluded}, listed}, {}), listed.size() > 60 ? 0.95 : 1) << step;
  }
  const std::vector<uint32_t> wrong = {1, 4000};
  EXPECT_EQ(index_->Search({}, vectors_.matrix().row(0), 1, {{}, wrong}).status().code(), StatusCode::kInvalidArgument);
}

TEST_P(Ivf, RowsThatAreTooFarMayBeMissing) {
  Build(Clustered(7, 4000, 48, metric()));
  for (size_t row = 0; row < 4000; row += 400) {
    const auto query = vectors_.matrix().row(row);
    const auto all = *index_->Search({}, query, 20, {});
    const auto some = *index_->Search({}, query, 20, {}, {.score_min = all[4].score});
    ASSERT_GE(some.size(), 5u);
    EXPECT_TRUE(std::equal(all.begin(), all.begin() + 5, some.begin()));
  }
}

TEST_P(Ivf, HardDataIsSearchedToo) {
  for (Vectors& vectors : HardVectors(1000)) {
    Build(std::move(vectors));
    for (const size_t row : {size_t{0}, size_t{44}, size_t{999}}) {
      const auto hits = index_->Search({}, vectors_.matrix().row(row), 10, {});
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      EXPECT_EQ(hits->size(), 10u);
      const auto every = index_->Search({}, vectors_.matrix().row(row), 10, {}, {.nprobe = 16, .refine_k = 100});
      EXPECT_EQ(*every, Oracle(vectors_.matrix().row(row), 10, {}));
    }
  }
}

TEST_P(Ivf, TheBytesAreTheSameInEveryRunWithAnyThreads) {
  IvfParameters parameters = kSmall;
  parameters.threads = 1;
  Build(Clustered(10, 3000, 400, metric()), parameters);  // So much that threads share it.
  const auto bytes = bytes_;
  for (const size_t threads : {1u, 2u, 5u}) {
    parameters.threads = threads;
    Build(vectors_, parameters);
    EXPECT_EQ(bytes_, bytes) << threads;
  }
  const auto query = vectors_.matrix().row(7);
  const auto hits = index_->Search({}, query, 20, {});
  for (int n = 0; n < 3; ++n) EXPECT_EQ(*index_->Search({}, query, 20, {}), *hits);
}

TEST_P(Ivf, ParametersAreTaken) {
  Build(Clustered(11, 10000, 20, metric()), {.nlist = 0, .nprobe = 400, .refine_k = 8});
  IvfHeader header;
  std::memcpy(&header, bytes_.data(), sizeof(header));
  EXPECT_EQ(header.lists, kind() == IvfKind::kPq ? 0u : 256u) << "10,000 / 39";
  EXPECT_EQ(header.parts, HasProducts(kind()) ? 5u : 0u);
  EXPECT_EQ(header.bits, HasProducts(kind()) ? 8u : 0u);
  EXPECT_GE(RecallOf(10, {}, {}), 0.9);
  Build(Clustered(11, 1000, 20, metric()), {.nlist = 7, .m = 7, .nbits = 4});
  std::memcpy(&header, bytes_.data(), sizeof(header));
  EXPECT_EQ(header.lists, kind() == IvfKind::kPq ? 0u : 7u);
  EXPECT_EQ(header.parts, HasProducts(kind()) ? 7u : 0u) << "of 3 numbers each";
  EXPECT_GE(RecallOf(10, {}, {.nprobe = 7, .refine_k = 20}), 0.95);
}

TEST_P(Ivf, AnotherKindIsRefused) {
  Build(Clustered(15, 1000, 16, metric()));
  for (const IvfKind other : kKinds) {
    if (other != kind()) {
      EXPECT_EQ(IvfIndexType(other).Open(bytes_, vectors_.matrix(), metric()).status().code(), StatusCode::kDataLoss);
    }
  }
}

TEST_P(Ivf, DamagedListsAreFound) {
  Build(Clustered(16, 1000, 16, metric()));
  if (kind() == IvfKind::kPq) return;
  IvfHeader header;
  std::memcpy(&header, bytes_.data(), sizeof(header));
  const IvfLayout layout = IvfLayout::Of(header);
  for (const uint64_t at : {layout.starts, layout.rows}) {
    auto damaged = bytes_;
    std::fill_n(damaged.begin() + static_cast<ptrdiff_t>(at), 64, std::byte{0xFF});
    auto index = IvfIndexType(kind(), kSmall).Open(damaged, vectors_.matrix(), metric());
    ASSERT_TRUE(index.ok());
    const auto hits = (*index)->Search({}, vectors_.matrix().row(0), 3, {}, {.nprobe = 15});
    EXPECT_EQ(hits.status().code(), StatusCode::kDataLoss);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Ivf, testing::Combine(testing::ValuesIn(kKinds), testing::ValuesIn(kMetrics)),
                         [](const auto& test) {
                           return KindName(std::get<0>(test.param)) + MetricName(std::get<1>(test.param));
                         });

std::vector<VectorIndexKind> EveryKind() {
  std::vector<VectorIndexKind> kinds;
  for (const IvfKind kind : kKinds) {
    for (const Metric metric : kMetrics) {
      kinds.push_back({.name = KindName(kind) + MetricName(metric),
                       .make = [kind] { return std::make_unique<IvfIndexType>(kind, kSmall); },
                       .header_bytes = sizeof(IvfHeader),
                       .rows = static_cast<size_t>(IvfIndexType(kind, kSmall).rows_min()),
                       .metric = metric,
                       .walk = {.nprobe = 2, .refine_k = 2},
                       .finds_damage = kind != IvfKind::kPq});
    }
  }
  return kinds;
}
INSTANTIATE_TEST_SUITE_P(Ivf, VectorIndexContract, testing::ValuesIn(EveryKind()), NameOf);

// What is learnt depends on the machine; what the bytes mean does not. What changes this changes the format: raise the
// version and keep the reader of the old one.
TEST(IvfIndex, ReadsWhatTheFormatOfVersion1Describes) {
  const std::vector<float> data = {0, 0, 0, 1, 0, 0, 10, 10, 10, 11, 10, 10};
  const VectorMatrix vectors{data.data(), 4, 3};
  std::vector<std::byte> bytes(580);
  const auto put = [&bytes](size_t at, const auto& values) {
    std::memcpy(bytes.data() + at, values.data(), values.size() * sizeof(values[0]));
  };
  IvfHeader header{.version = 1,
                   .metric = 2,
                   .rows = 4,
                   .dimension = 3,
                   .kind = 2,
                   .lists = 2,
                   .parts = 2,
                   .bits = 4,
                   .trained = 1,
                   .norm_max = 20};
  std::memcpy(header.magic, "RTLIST\r\n", 8);
  header.header_hash = Hash64(std::as_bytes(std::span(&header, 1)).first(56));
  put(0, std::vector{header});
  put(64, std::vector<float>{0, 0, 0, 10, 10, 10});
  put(128, std::vector<uint32_t>{0, 2, 4});
  put(192, std::vector<uint32_t>{0, 1, 2, 3});
  std::vector<float> codebooks(2 * 2 * 16);
  codebooks[1] = 1;  // The first part's first number of value 1.
  put(256, codebooks);
  put(512, std::vector<float>{0, -1, -300, -321});
  put(576, std::vector<uint8_t>{0, 1, 0, 1});
  const IvfIndexType type(IvfKind::kIvfPq);
  const auto index = type.Open(bytes, vectors, Metric::kL2);
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  for (uint32_t row = 0; row < 4; ++row) {
    const auto hits = (*index)->Search({}, vectors.row(row), 1, {}, {.nprobe = 1, .refine_k = 1});
    ASSERT_TRUE(hits.ok()) << hits.status().ToString();
    EXPECT_EQ(*hits, (std::vector<RowHit>{{row, 0}}));
  }
}

TEST(FindClusters, PutsEveryVectorToItsNearestCentre) {
  const Vectors vectors = Clustered(17, 3000, 12, Metric::kCosine);
  for (const bool directions : {false, true}) {
    const auto clusters = FindClusters({}, vectors.matrix(), {.clusters = 40, .directions = directions});
    ASSERT_TRUE(clusters.ok()) << clusters.status().ToString();
    ASSERT_EQ(clusters->centres.size(), 40 * 12u);
    ASSERT_EQ(clusters->nearest.size(), 3000u);
    const VectorMatrix centres{clusters->centres.data(), 40, 12};
    for (uint32_t row = 0; row < 3000; ++row) {
      const auto best =
          ScanExactly({}, centres, directions ? Metric::kInnerProduct : Metric::kL2, vectors.matrix().row(row), 1, {})
              ->front();
      const uint32_t nearest = clusters->nearest[row];
      const auto own = ScanExactly({}, centres, directions ? Metric::kInnerProduct : Metric::kL2,
                                   vectors.matrix().row(row), 1, {{}, std::span(&nearest, 1)})
                           ->front();
      EXPECT_NEAR(own.score, best.score, 1e-5);
    }
  }
}

}  // namespace
}  // namespace ragtime
