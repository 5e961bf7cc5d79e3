// SPDX-License-Identifier: Apache-2.0
//
// Goal: HNSW finds nearly all rows that a plain scan finds, with their exact scores, whatever is excluded; builds the
// same bytes with any number of threads; refuses bytes that are not its own.
// Method: the oracle is ScanExactly. Every search here is the same in every run, so that a recall is a fixed number.
#include "index/hnsw/hnsw_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "index/hnsw/frontier.h"
#include "index/hnsw/hnsw_format.h"
#include "index/kernels/coded_rows.h"
#include "testing/vector_index_contract.h"
#include "testing/vector_index_fixture.h"

namespace ragtime {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kInnerProduct, Metric::kL2};
// With so few kept, a walk is cheaper than a scan from about 2,000 rows on.
constexpr VectorSearchParameters kWalk{.ef = 20};

class Hnsw : public testing::TestWithParam<Metric>, protected VectorIndexFixture {
 protected:
  void Build(Vectors vectors, const HnswParameters& parameters = {}) {
    BuildIndex(HnswIndexType(parameters), std::move(vectors), GetParam());
  }
  double Recall(size_t limit, const RowSelection& selection, const VectorSearchParameters& parameters = kWalk) {
    return RecallOf(limit, selection, parameters);
  }
};

TEST_P(Hnsw, FindsNearlyAllInEveryDimension) {
  for (const size_t dimension : {1u, 7u, 64u, 65u, 96u, 384u, 768u, 1024u, 1536u}) {
    SCOPED_TRACE(dimension);
    Build(Clustered(1, 3000, dimension, GetParam()));
    EXPECT_GE(Recall(10, {}), 0.95);
    EXPECT_GE(Recall(10, {}, {.ef = 30}), 0.97);
  }
}

TEST_P(Hnsw, MoreIsFoundWithALargerEf) {
  Build(Clustered(2, 20000, 24, GetParam()));
  EXPECT_EQ(Recall(10, {}, {}), Recall(10, {}, {.ef = kHnswEf}));
  EXPECT_GE(Recall(10, {}, {.ef = 50}), 0.97);
  EXPECT_GE(Recall(10, {}, {.ef = 200}), 0.995);
  EXPECT_GE(Recall(100, {}, {.ef = 200}), 0.97);
  EXPECT_EQ(Recall(10, {}, {.ef = 20000}), 1);
}

TEST(HnswEf, GrowsWithTheRootOfTheRowsOfLargeSegments) {
  EXPECT_EQ(HnswEfFor(0), 96u);
  EXPECT_EQ(HnswEfFor(8192), 96u);
  EXPECT_EQ(HnswEfFor(65536), 96u);
  EXPECT_EQ(HnswEfFor(2 * 65536), 136u);
  EXPECT_EQ(HnswEfFor(262144), 192u);
  EXPECT_EQ(HnswEfFor(1000 * 65536ull), 3036u);
  for (uint64_t rows = 65536; rows < 4'000'000; rows += 10'000) EXPECT_LE(HnswEfFor(rows), HnswEfFor(rows + 10'000));
}

TEST_P(Hnsw, ExcludedRowsDoNotCount) {
  Build(Clustered(3, 4000, 48, GetParam()));
  std::mt19937 random(4);
  for (const uint32_t share : {1u, 30u, 60u, 90u, 99u, 100u}) {
    SCOPED_TRACE(share);
    const auto excluded = Bits(4000, [&](uint32_t) { return random() % 100 < share; });
    EXPECT_GE(Recall(10, RowBitmap{excluded}), 0.95);
  }
  // Rows behind those that the bitmap holds are not excluded.
  const std::vector<uint64_t> short_bitmap(3, ~uint64_t{0});
  EXPECT_GE(Recall(10, RowBitmap{short_bitmap}), 0.95);
}

TEST_P(Hnsw, FindsWhatLiesBehindExcludedRows) {
  Build(Clustered(5, 4000, 48, GetParam()));
  const auto query = vectors_.matrix().row(0);
  const auto nearest = Oracle(query, 1000, {});
  std::vector<bool> near(4000);
  for (const RowHit& hit : nearest) near[hit.row] = true;
  const auto excluded = Bits(4000, [&](uint32_t row) { return near[row]; });
  const auto hits = index_->Search({}, query, 10, RowBitmap{excluded}, kWalk);
  ASSERT_TRUE(hits.ok());
  EXPECT_EQ(*hits, Oracle(query, 10, RowBitmap{excluded}));
}

TEST_P(Hnsw, ListedRowsAreAllLookedAt) {
  Build(Clustered(6, 4000, 48, GetParam()));
  for (const uint32_t step : {2u, 7u, 50u, 1000u}) {
    std::vector<uint32_t> listed;
    for (uint32_t row = 1; row < 4000; row += step) listed.push_back(row);
    const auto excluded = Bits(4000, [&](uint32_t row) { return row % step != 1; });
    EXPECT_GE(Recall(5, {RowBitmap{excluded}, listed}), step == 2 ? 0.95 : 1) << step;
  }
  const std::vector<uint32_t> wrong = {1, 4000};
  EXPECT_EQ(index_->Search({}, vectors_.matrix().row(0), 1, {{}, wrong}).status().code(), StatusCode::kInvalidArgument);
}

// Boilerplate that every page has.
TEST_P(Hnsw, EqualRowsHideNeitherEachOtherNorTheRest) {
  Vectors vectors = Clustered(7, 5000, 32, GetParam());
  std::mt19937 random(8);
  for (uint32_t row = 0; row < 5000; ++row) {
    if (random() % 3 == 0) std::copy_n(vectors.data.begin() + row % 3 * 32, 32, vectors.data.begin() + row * 32);
  }
  Build(std::move(vectors));
  EXPECT_GE(Recall(10, {}), 0.95);
  const auto excluded = Bits(5000, [](uint32_t row) { return row % 4 != 0; });
  EXPECT_GE(Recall(10, RowBitmap{excluded}), 0.95);
  for (uint32_t row = 0; row < 3; ++row) {
    const auto query = vectors_.matrix().row(row);
    EXPECT_EQ(*index_->Search({}, query, 600, {}, kWalk), Oracle(query, 600, {}));
    EXPECT_EQ(*index_->Search({}, query, 30, RowBitmap{excluded}, kWalk), Oracle(query, 30, RowBitmap{excluded}));
  }
}

// As where another segment has better rows.
TEST_P(Hnsw, RowsThatAreTooFarMayBeMissing) {
  Build(Clustered(19, 6000, 48, GetParam()));
  size_t found = 0;
  size_t wanted = 0;
  for (size_t row = 0; row < 6000; row += 200) {
    const auto query = vectors_.matrix().row(row);
    const auto best = Oracle(query, 20, {});
    for (const size_t rank : {size_t{0}, size_t{4}, size_t{19}}) {
      const float score_min = best[rank].score;
      const auto hits = index_->Search({}, query, 20, {}, {.ef = 40, .score_min = score_min});
      ASSERT_TRUE(hits.ok());
      for (size_t i = 0; i <= rank; ++i) found += std::count(hits->begin(), hits->end(), best[i]);
      wanted += rank + 1;
    }
    // None is good enough.
    const float above = best[0].score + std::abs(best[0].score) + 1;
    EXPECT_TRUE(index_->Search({}, query, 20, {}, {.ef = 40, .score_min = above})->empty());
  }
  // Inner products of vectors of many lengths lead less straight.
  const double share = GetParam() == Metric::kInnerProduct ? 0.93 : 0.95;
  EXPECT_GE(static_cast<double>(found), share * static_cast<double>(wanted));
}

TEST_P(Hnsw, HardDataIsSearchedToo) {
  for (Vectors& vectors : HardVectors(2500)) {
    Build(std::move(vectors), {.ef_construction = 40});
    for (const size_t row : {size_t{0}, size_t{44}, size_t{2499}}) {
      const auto hits = index_->Search({}, vectors_.matrix().row(row), 10, {}, kWalk);
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      EXPECT_EQ(hits->size(), 10u);
    }
  }
}

TEST_P(Hnsw, TheBytesDoNotDependOnTheThreads) {
  Build(Clustered(10, 3000, 20, GetParam()), {.ef_construction = 40, .threads = 1});
  const auto bytes = bytes_;
  for (const size_t threads : {2u, 5u}) {
    Build(vectors_, {.ef_construction = 40, .threads = threads});
    EXPECT_EQ(bytes_, bytes) << threads;
  }
  const auto query = vectors_.matrix().row(7);
  const auto hits = index_->Search({}, query, 20, {}, kWalk);
  for (int n = 0; n < 3; ++n) EXPECT_EQ(*index_->Search({}, query, 20, {}, kWalk), *hits);
}

// A row that nothing leads to is never found, however large ef is.
TEST_P(Hnsw, EveryRowIsReached) {
  for (const uint32_t m : {4u, 8u}) {
    Vectors vectors = Clustered(20, 6000, 24, GetParam());
    // Near duplicates crowd each other out.
    for (size_t row = 0; row < 6000; ++row) {
      if (row % 3 == 0) continue;
      for (size_t i = 0; i < 24; ++i) vectors.data[row * 24 + i] = vectors.data[row / 60 * 60 * 24 + i];
      vectors.data[row * 24 + row % 24] *= 1 + static_cast<float>(row % 60) * 0.01f;
    }
    Build(std::move(vectors), {.m = m, .ef_construction = 20});
    const HnswLayout layout = HnswLayout::Of(6000, 24, m);
    const auto* bottom = reinterpret_cast<const uint32_t*>(bytes_.data() + layout.bottom);
    const auto* twins = reinterpret_cast<const uint32_t*>(bytes_.data() + layout.twins);
    std::vector<uint32_t> open = {reinterpret_cast<const uint32_t*>(bytes_.data() + layout.rows)[0]};
    std::vector<bool> reached(6000);
    reached[open[0]] = true;
    const auto reach = [&](uint32_t row) {
      if (row == kNoRow || reached[row]) return;
      reached[row] = true;
      open.push_back(row);
    };
    while (!open.empty()) {
      const uint32_t row = open.back();
      open.pop_back();
      reach(twins[row]);
      for (size_t i = 0; i < size_t{2} * m; ++i) reach(bottom[size_t{row} * 2 * m + i]);
    }
    EXPECT_EQ(std::count(reached.begin(), reached.end(), false), 0) << "M " << m;
  }
}

TEST_P(Hnsw, ParametersAreTaken) {
  Build(Clustered(11, 3000, 20, GetParam()), {.m = 16, .ef_construction = 100});
  const double recall = Recall(10, {});
  const size_t size = bytes_.size();
  Build(vectors_, {.m = 4, .ef_construction = 4});
  EXPECT_LT(bytes_.size(), size);
  EXPECT_LT(Recall(10, {}), recall);
  Build(vectors_, {.m = 128, .ef_construction = 300});
  EXPECT_GE(Recall(10, {}), recall);
}

// The graph is the same, so that the walks differ by what the codes lose only.
TEST_P(Hnsw, ReadsBothVersions) {
  const Vectors vectors = Clustered(21, 4000, 130, GetParam());
  std::vector<uint32_t> versions;
  double recalls[2] = {};
  for (const uint32_t bits : {8u, 4u}) {
    BuildIndex(HnswIndexType({}, bits), vectors, GetParam());
    HnswHeader header;
    std::memcpy(&header, bytes_.data(), sizeof(header));
    versions.push_back(header.version);
    EXPECT_EQ(bytes_.size(), HnswLayout::Of(4000, 130, header.links, bits).size);
    recalls[bits / 8] = Recall(10, {}, {.ef = 40});
    // So few are scanned.
    const auto excluded = Bits(4000, [](uint32_t row) { return row % 10 != 0; });
    EXPECT_EQ(Recall(10, RowBitmap{excluded}), 1);
  }
  EXPECT_THAT(versions, testing::ElementsAre(1, 2));
  EXPECT_EQ(HnswIndexType().version(), 2u);
  EXPECT_EQ(HnswIndexType().version_min(), 1u);
  EXPECT_GE(recalls[0], 0.97);
  EXPECT_NEAR(recalls[0], recalls[1], 0.02);
}

// A walk as it is meant, without what makes it fast: the row that is followed next is chosen before what the last one
// led to is scored. Gives the rows that it keeps.
std::vector<uint32_t> WalkPlainly(const CodedRows& coded, std::span<const std::byte> bytes, const HnswLayout& layout,
                                  const CodedQuery& query, size_t ef) {
  const auto at = [&](uint64_t offset) { return reinterpret_cast<const uint32_t*>(bytes.data() + offset); };
  const auto score = [&](uint32_t row) {
    float result = 0;
    coded.Estimate(query, std::span<const uint32_t>(&row, 1), &result);
    return result;
  };
  uint32_t place = 0;
  for (size_t level = layout.levels; level-- > 0;) {
    for (bool moved = true; moved;) {
      moved = false;
      const uint32_t* links = at(layout.level_links[level]) + size_t{place} * layout.links;
      for (size_t i = 0; i < layout.links && links[i] != kNoRow; ++i) {
        if (!(score(at(layout.rows)[links[i]]) > score(at(layout.rows)[place]))) continue;
        place = links[i];
        moved = true;
      }
    }
  }
  using Met = std::pair<float, uint32_t>;
  const auto better = [](const Met& a, const Met& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  };
  std::set<Met, decltype(better)> kept(better);
  std::set<uint32_t> visited;
  std::set<uint32_t> followed;
  const auto meet = [&](uint32_t row) {
    const float of_row = score(row);
    if (kept.size() == ef && !(of_row > kept.rbegin()->first)) return;
    kept.insert({of_row, row});
    if (kept.size() > ef) kept.erase(std::prev(kept.end()));
  };
  const auto next = [&]() -> std::optional<uint32_t> {
    for (const Met& met : kept) {
      if (followed.insert(met.second).second) return met.second;
    }
    return std::nullopt;
  };
  const auto led_to = [&](std::optional<uint32_t> row) {
    std::vector<uint32_t> rows;
    const uint32_t* links = at(layout.bottom) + size_t{row.value_or(0)} * 2 * layout.links;
    for (size_t i = 0; row && i < 2 * size_t{layout.links} && links[i] != kNoRow; ++i) {
      if (visited.insert(links[i]).second) rows.push_back(links[i]);
    }
    return rows;
  };
  visited.insert(at(layout.rows)[place]);
  meet(at(layout.rows)[place]);
  std::optional<uint32_t> row = next();
  std::vector<uint32_t> step = led_to(row);
  while (row) {
    row = next();
    std::vector<uint32_t> next_step = led_to(row);
    for (const uint32_t met : step) meet(met);
    if (!row) {
      row = next();
      next_step = led_to(row);
    }
    step = std::move(next_step);
  }
  std::vector<uint32_t> rows;
  for (const Met& met : kept) rows.push_back(met.second);
  std::sort(rows.begin(), rows.end());
  return rows;
}

TEST_P(Hnsw, AWalkFindsWhatAPlainOneFinds) {
  // Codes of 8 bits, and of 4.
  for (const size_t dimension : {32u, 160u}) {
    SCOPED_TRACE(dimension);
    Build(Clustered(21, 6000, dimension, GetParam()), {.m = 8, .ef_construction = 40});
    HnswHeader header;
    std::memcpy(&header, bytes_.data(), sizeof(header));
    const HnswLayout layout = HnswLayout::Of(6000, dimension, header.links, HnswBitsOf(header.version));
    const uint32_t* twins = reinterpret_cast<const uint32_t*>(bytes_.data() + layout.twins);
    ASSERT_EQ(std::count(twins, twins + 6000, kNoRow), 6000);  // What they add is tested elsewhere.
    const CodedRows coded(bytes_, layout.codes, vectors_.matrix(), GetParam(), header.norm_max);
    for (uint32_t q = 0; q < 60; ++q) {
      const auto query = vectors_.matrix().row(q * 97);
      const size_t ef = 10 + q % 17;
      const std::vector<uint32_t> kept = WalkPlainly(coded, bytes_, layout, coded.Code(query), ef);
      // All that a walk keeps is wanted, so that no bound leaves any out.
      const auto hits = index_->Search({}, query, ef, {}, {.ef = static_cast<uint32_t>(ef)});
      ASSERT_TRUE(hits.ok());
      std::vector<uint32_t> rows;
      for (const RowHit& hit : *hits) rows.push_back(hit.row);
      std::sort(rows.begin(), rows.end());
      ASSERT_EQ(rows, kept) << "query " << q << ", ef " << ef;
    }
  }
}

// A thread keeps the room of its walks: nothing of one search shows in the next, larger or smaller, filtered or ended
// by an error.
TEST_P(Hnsw, ASearchLeavesNothingBehind) {
  const Vectors few = Clustered(22, 3000, 80, GetParam());
  const HnswIndexType type({.m = 8, .ef_construction = 40});
  const auto few_bytes = *type.Build({}, few.matrix(), GetParam());
  const auto small = *type.Open(few_bytes, few.matrix(), GetParam());
  Build(Clustered(23, 9000, 80, GetParam()), {.m = 8, .ef_construction = 40});
  // Nearly every row of the damaged one links to a row that it does not have, but for the first links.
  auto damaged_bytes = few_bytes;
  const HnswLayout layout = HnswLayout::Of(3000, 80, 8, 4);
  auto* bottom = reinterpret_cast<uint32_t*>(damaged_bytes.data() + layout.bottom);
  for (size_t row = 0; row < 3000; row += 2) bottom[row * 16 + 3] = 3000;
  const auto damaged = *type.Open(damaged_bytes, few.matrix(), GetParam());
  const auto excluded = Bits(9000, [](uint32_t row) { return row % 3 == 0; });
  using Hits = std::vector<std::vector<RowHit>>;
  const auto search = [&](uint32_t q, bool after_error) {
    if (after_error) {
      EXPECT_FALSE(damaged->Search({}, few.matrix().row(q), 10, {}, kWalk).ok());
    }
    return Hits{*small->Search({}, few.matrix().row(q), 10, {}, kWalk),
                *index_->Search({}, vectors_.matrix().row(q), 10, {}, kWalk),
                *index_->Search({}, vectors_.matrix().row(q), 10, RowBitmap{excluded}, kWalk),
                *small->Search({}, few.matrix().row(q), 20, {}, {.ef = 30})};
  };
  for (uint32_t q = 0; q < 40; ++q) {
    Hits alone;
    std::thread([&] { alone = search(q, false); }).join();
    EXPECT_EQ(search(q, true), alone) << q;
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, Hnsw, testing::ValuesIn(kMetrics),
                         [](const auto& test) { return MetricName(test.param); });

INSTANTIATE_TEST_SUITE_P(Hnsw, VectorIndexContract,
                         testing::Values(VectorIndexKind{.name = "HNSW",
                                                         .make = [] { return std::make_unique<HnswIndexType>(); },
                                                         .header_bytes = sizeof(HnswHeader),
                                                         .rows = kHnswGraphRowsMin}),
                         NameOf);

// What changes this changes the format: raise the version and keep the reader of the old one.
TEST(HnswIndex, TheBytesAreThoseOfVersion1) {
  Vectors vectors{std::vector<float>(300 * 20), 20};
  for (size_t i = 0; i < vectors.data.size(); ++i) vectors.data[i] = static_cast<float>((i * 2654435761 >> 7) % 11) - 5;
  const auto bytes = *HnswIndexType({.m = 4, .ef_construction = 20}).Build({}, vectors.matrix(), Metric::kL2);
  EXPECT_EQ(HashHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "9b4483afd2ebdc54a19f4d04068d62de");
}

TEST(HnswIndex, TheBytesAreThoseOfVersion2) {
  Vectors vectors{std::vector<float>(300 * 200), 200};
  for (size_t i = 0; i < vectors.data.size(); ++i) vectors.data[i] = static_cast<float>((i * 2654435761 >> 7) % 11) - 5;
  const auto bytes = *HnswIndexType({.m = 4, .ef_construction = 20}).Build({}, vectors.matrix(), Metric::kL2);
  EXPECT_EQ(HashHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "dc6448680c31779457756b12dcf75c3e");
}

TEST(Frontier, KeepsTheBestAndGivesEachOnce) {
  std::mt19937 random(18);
  for (const size_t size : {1u, 2u, 7u, 100u}) {
    Frontier frontier(size);
    std::vector<float> all;
    std::vector<uint32_t> given;
    uint32_t row = 0;
    for (uint32_t n = 0; n < 300; ++n) {
      const float score = static_cast<float>(random() % 50);
      all.push_back(score);
      frontier.Offer(n, score);
      frontier.Offer(1000, std::nanf(""));
      if (n % 3 == 0 && frontier.Next(row)) given.push_back(row);
    }
    while (frontier.Next(row)) given.push_back(row);
    std::sort(all.begin(), all.end(), std::greater<>());
    ASSERT_EQ(frontier.rows().size(), size);
    for (size_t i = 0; i < size; ++i) EXPECT_EQ(frontier.rows()[i].score, all[i]);
    for (const MetRow& met : frontier.rows()) EXPECT_EQ(std::count(given.begin(), given.end(), met.row), 1);
    std::sort(given.begin(), given.end());
    EXPECT_EQ(std::adjacent_find(given.begin(), given.end()), given.end());
    frontier.Clear();
    EXPECT_FALSE(frontier.Next(row));
  }
}

}  // namespace
}  // namespace ragtime
