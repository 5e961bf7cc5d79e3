// SPDX-License-Identifier: Apache-2.0
//
// Goal: DISKANN finds nearly all rows that a plain scan finds, with their exact scores, whatever is excluded, from a
// file as from memory, by io_uring as by pread, and within its memory; builds the same bytes with any number of
// threads; refuses bytes that are not its own, and says which file it could not read. Method: the oracle is
// ScanExactly. Every search here is the same in every run, so that a recall is a fixed number.
#include "index/diskann/diskann_index.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <thread>

#include "base/hash.h"
#include "index/diskann/diskann_format.h"
#include "index/kernels/coded_rows.h"
#include "testing/vector_index_contract.h"
#include "testing/vector_index_fixture.h"

namespace ragtime {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kInnerProduct, Metric::kL2};
// With so few kept, a walk is cheaper than a scan from about 2,900 rows on.
constexpr VectorSearchParameters kWalk{.ef = 40};

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// An index and its vectors in a file, as in a segment.
class IndexInFile {
 public:
  explicit IndexInFile(const std::filesystem::path& folder = testing::TempDir())
      : path_((folder / "diskann_XXXXXX").string()), descriptor_(::mkstemp(path_.data())) {}
  IndexInFile(const IndexInFile&) = delete;
  IndexInFile& operator=(const IndexInFile&) = delete;
  ~IndexInFile() {
    ::close(descriptor_);
    std::filesystem::remove(path_);
  }

  IndexFile Write(std::span<const std::byte> index, std::span<const float> vectors) {
    constexpr uint64_t kIndexOffset = 8192;
    const uint64_t vectors_offset = kIndexOffset + (index.size() + 4095) / 4096 * 4096;
    // An index may have set O_DIRECT.
    EXPECT_EQ(::fcntl(descriptor_, F_SETFL, 0), 0);
    EXPECT_EQ(::ftruncate(descriptor_, 0), 0);
    EXPECT_EQ(::pwrite(descriptor_, index.data(), index.size(), kIndexOffset), static_cast<ssize_t>(index.size()));
    EXPECT_EQ(::pwrite(descriptor_, vectors.data(), vectors.size_bytes(), static_cast<off_t>(vectors_offset)),
              static_cast<ssize_t>(vectors.size_bytes()));
    return {.descriptor = descriptor_, .path = path_, .index_offset = kIndexOffset, .vectors_offset = vectors_offset};
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const int descriptor_;
};

class Diskann : public testing::TestWithParam<Metric>, protected VectorIndexFixture {
 protected:
  void Build(Vectors vectors, const HnswParameters& graph = {}) {
    type_ = std::make_unique<DiskannIndexType>(graph);
    BuildIndex(*type_, std::move(vectors), GetParam());
  }
  Result<std::unique_ptr<VectorIndex>> Open(const VectorIndexType& type) override {
    index_ = nullptr;
    return type.OpenInFile(bytes_, vectors_.matrix(), GetParam(), file_.Write(bytes_, vectors_.data));
  }
  double Recall(size_t limit, const RowSelection& selection, const VectorSearchParameters& parameters = kWalk) {
    return RecallOf(limit, selection, parameters);
  }
  // The hits of every kind of search.
  std::vector<std::vector<RowHit>> SearchAll(const VectorIndex& index) const {
    std::vector<std::vector<RowHit>> all;
    const size_t rows = vectors_.matrix().rows;
    const auto few = Bits(rows, [](uint32_t row) { return row % 50 != 0; });
    const auto some = Bits(rows, [](uint32_t row) { return row % 8 != 0; });
    const auto most = Bits(rows, [](uint32_t row) { return row % 8 == 0; });
    for (size_t row = 0; row < rows; row += 397) {
      for (const auto& excluded : {std::vector<uint64_t>(), few, some, most}) {
        auto hits = index.Search({}, vectors_.matrix().row(row), 10, RowBitmap{excluded}, kWalk);
        EXPECT_TRUE(hits.ok()) << hits.status().ToString();
        all.push_back(hits.ok() ? *std::move(hits) : std::vector<RowHit>());
      }
    }
    return all;
  }

  std::unique_ptr<DiskannIndexType> type_;
  IndexInFile file_;
};

TEST_P(Diskann, FindsNearlyAllInEveryDimension) {
  for (const size_t dimension : {1u, 7u, 96u, 384u, 1536u}) {
    SCOPED_TRACE(dimension);
    Build(Clustered(1, 3000, dimension, GetParam()));
    EXPECT_GE(Recall(10, {}), 0.95);
  }
}

TEST_P(Diskann, MoreIsFoundWithALargerEf) {
  Build(Clustered(2, 20000, 24, GetParam()));
  EXPECT_GE(Recall(10, {}, {.ef = 50}), 0.95);
  EXPECT_GE(Recall(10, {}, {.ef = 200}), 0.99);
  EXPECT_GE(Recall(100, {}, {.ef = 200}), 0.97);
}

TEST_P(Diskann, ExcludedRowsDoNotCount) {
  Build(Clustered(3, 8000, 48, GetParam()));
  std::mt19937 random(4);
  for (const uint32_t share : {1u, 30u, 60u, 90u, 99u, 100u}) {
    SCOPED_TRACE(share);
    const auto excluded = Bits(8000, [&](uint32_t) { return random() % 100 < share; });
    EXPECT_GE(Recall(10, RowBitmap{excluded}), 0.93);
  }
  // Rows behind those that the bitmap holds are not excluded.
  const std::vector<uint64_t> short_bitmap(3, ~uint64_t{0});
  EXPECT_GE(Recall(10, RowBitmap{short_bitmap}), 0.93);
}

TEST_P(Diskann, FindsWhatLiesBehindExcludedRows) {
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

TEST_P(Diskann, ListedRowsAreAllLookedAt) {
  Build(Clustered(6, 4000, 48, GetParam()));
  for (const uint32_t step : {2u, 7u, 50u, 1000u}) {
    std::vector<uint32_t> listed;
    for (uint32_t row = 1; row < 4000; row += step) listed.push_back(row);
    const auto excluded = Bits(4000, [&](uint32_t row) { return row % step != 1; });
    EXPECT_GE(Recall(5, {RowBitmap{excluded}, listed}), step == 2 ? 0.95 : step == 7 ? 0.99 : 1) << step;
  }
  const std::vector<uint32_t> wrong = {1, 4000};
  EXPECT_EQ(index_->Search({}, vectors_.matrix().row(0), 1, {{}, wrong}).status().code(), StatusCode::kInvalidArgument);
}

// Boilerplate that every page has.
TEST_P(Diskann, EqualRowsHideNeitherEachOtherNorTheRest) {
  Vectors vectors = Clustered(7, 5000, 32, GetParam());
  std::mt19937 random(8);
  for (uint32_t row = 0; row < 5000; ++row) {
    if (random() % 3 == 0) std::copy_n(vectors.data.begin() + row % 3 * 32, 32, vectors.data.begin() + row * 32);
  }
  Build(std::move(vectors));
  EXPECT_GE(Recall(10, {}), 0.93);
  const auto excluded = Bits(5000, [](uint32_t row) { return row % 4 != 0; });
  EXPECT_GE(Recall(10, RowBitmap{excluded}), 0.95);
  for (uint32_t row = 0; row < 3; ++row) {
    const auto query = vectors_.matrix().row(row);
    EXPECT_EQ(*index_->Search({}, query, 500, {}, kWalk), Oracle(query, 500, {}));
    EXPECT_EQ(*index_->Search({}, query, 30, RowBitmap{excluded}, kWalk), Oracle(query, 30, RowBitmap{excluded}));
  }
}

// As where another segment has better rows.
TEST_P(Diskann, RowsThatAreTooFarMayBeMissing) {
  Build(Clustered(19, 6000, 48, GetParam()));
  size_t found = 0;
  size_t wanted = 0;
  for (size_t row = 0; row < 6000; row += 200) {
    const auto query = vectors_.matrix().row(row);
    const auto best = Oracle(query, 20, {});
    for (const size_t rank : {size_t{0}, size_t{4}, size_t{19}}) {
      const auto hits = index_->Search({}, query, 20, {}, {.ef = 60, .score_min = best[rank].score});
      ASSERT_TRUE(hits.ok());
      for (size_t i = 0; i <= rank; ++i) found += std::count(hits->begin(), hits->end(), best[i]);
      wanted += rank + 1;
    }
    // None is good enough.
    const float above = best[0].score + std::abs(best[0].score) + 1;
    EXPECT_TRUE(index_->Search({}, query, 20, {}, {.ef = 60, .score_min = above})->empty());
  }
  EXPECT_GE(static_cast<double>(found), 0.93 * static_cast<double>(wanted));
}

TEST_P(Diskann, HardDataIsSearchedToo) {
  for (Vectors& vectors : HardVectors(2500)) {
    Build(std::move(vectors), {.ef_construction = 40});
    for (const size_t row : {size_t{0}, size_t{44}, size_t{2499}}) {
      const auto hits = index_->Search({}, vectors_.matrix().row(row), 10, {}, {.ef = 20});
      ASSERT_TRUE(hits.ok()) << hits.status().ToString();
      EXPECT_EQ(hits->size(), 10u);
    }
  }
}

TEST_P(Diskann, TheBytesDoNotDependOnTheThreads) {
  Build(Clustered(10, 3000, 20, GetParam()), {.ef_construction = 40, .threads = 1});
  const auto bytes = bytes_;
  Build(vectors_, {.ef_construction = 40, .threads = 3});
  EXPECT_EQ(bytes_, bytes);
}

// From memory and from the file, by a ring and without one, past the page cache and through it, with a cache of blocks
// and without one, the first time and again.
TEST_P(Diskann, HowItIsReadChangesNothing) {
  Build(Clustered(20, 4000, 96, GetParam()));
  const auto memory = type_->Open(bytes_, vectors_.matrix(), GetParam());
  ASSERT_TRUE(memory.ok());
  const auto expected = SearchAll(**memory);
  EXPECT_EQ(type_->statistics().reads, 0u);
  for (const uint64_t memory_bytes_max : {uint64_t{1}, uint64_t{400} << 10, uint64_t{1} << 30}) {
    for (const DiskannReading& reading :
         {DiskannReading{}, DiskannReading{.io_uring = false}, DiskannReading{.direct = false},
          DiskannReading{.io_uring = false, .direct = false}}) {
      SCOPED_TRACE(testing::Message() << memory_bytes_max << " io_uring " << reading.io_uring << " direct "
                                      << reading.direct);
      const DiskannIndexType type({}, {.memory_bytes_max = memory_bytes_max}, reading);
      const auto index = Open(type);
      ASSERT_TRUE(index.ok()) << index.status().ToString();
      EXPECT_EQ(SearchAll(**index), expected);
      const uint64_t first = type.statistics().reads;
      EXPECT_EQ(SearchAll(**index), expected);
      const uint64_t again = type.statistics().reads - first;
      EXPECT_GT(first, 0u);
      // All blocks are in memory, and only vectors are read.
      if (memory_bytes_max == 1) {
        EXPECT_EQ(again, first);
      }
      if (memory_bytes_max > 1 << 20) {
        EXPECT_LT(again, first);
      }
      EXPECT_LE(type.statistics().cached_bytes, memory_bytes_max);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, Diskann, testing::ValuesIn(kMetrics),
                         [](const auto& test) { return MetricName(test.param); });

INSTANTIATE_TEST_SUITE_P(Diskann, VectorIndexContract,
                         testing::Values(VectorIndexKind{.name = "DISKANN",
                                                         .make = [] { return std::make_unique<DiskannIndexType>(); },
                                                         .header_bytes = sizeof(DiskannHeader),
                                                         .rows = kHnswGraphRowsMin,
                                                         .damage_max = 500}),
                         NameOf);

// What changes this changes the format: raise the version and keep the reader of the old one.
TEST(DiskannIndex, TheBytesAreThoseOfVersion1) {
  Vectors vectors{std::vector<float>(300 * 20), 20};
  for (size_t i = 0; i < vectors.data.size(); ++i) vectors.data[i] = static_cast<float>((i * 2654435761 >> 7) % 11) - 5;
  const auto bytes = *DiskannIndexType({.m = 4, .ef_construction = 20}).Build({}, vectors.matrix(), Metric::kL2);
  EXPECT_EQ(HashHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}), "b046701b3a3a77ae4c3f044a021cd727");
}

class DiskannFile : public testing::Test {
 protected:
  void SetUp() override {
    bytes_ = *DiskannIndexType().Build({}, vectors_.matrix(), Metric::kCosine);
    where_ = file_.Write(bytes_, vectors_.data);
  }
  std::vector<RowHit> Search(const VectorIndex& index, size_t row) {
    auto hits = index.Search({}, vectors_.matrix().row(row), 10, {}, kWalk);
    EXPECT_TRUE(hits.ok()) << hits.status().ToString();
    return hits.ok() ? *hits : std::vector<RowHit>();
  }

  const Vectors vectors_ = Clustered(21, 4000, 64, Metric::kCosine);
  std::vector<std::byte> bytes_;
  IndexInFile file_;
  IndexFile where_;
};

TEST_F(DiskannFile, ManyThreadsSearchAtOnce) {
  const DiskannIndexType type({}, {.memory_bytes_max = 600 << 10});
  const auto index = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
  ASSERT_TRUE(index.ok());
  std::vector<std::vector<RowHit>> expected;
  for (size_t row = 0; row < 4000; row += 40) expected.push_back(Search(**index, row));
  const size_t descriptors = OpenDescriptors();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 100; ++i) {
        const size_t n = (i * 7 + t * 25) % 100;
        EXPECT_EQ(Search(**index, n * 40), expected[n]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // A ring for each search at a time, and no more.
  EXPECT_LE(OpenDescriptors(), descriptors + 3);
}

TEST_F(DiskannFile, NothingStaysOpen) {
  const size_t before = OpenDescriptors();
  {
    const DiskannIndexType type;
    for (int n = 0; n < 5; ++n) {
      const auto index = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
      ASSERT_TRUE(index.ok());
      for (size_t row = 0; row < 40; ++row) Search(**index, row);
    }
    // Blocks of indexes that are closed are given back.
    EXPECT_EQ(type.statistics().cached_bytes, 0u);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// Without a descriptor for a ring it reads as it can.
TEST_F(DiskannFile, NoDescriptorIsLeft) {
  const DiskannIndexType type;
  const auto index = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto without = Search(**index, 7);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(Search(**index, 7), without);
  EXPECT_FALSE(without.empty());
}

TEST_F(DiskannFile, ACutFileIsNamed) {
  for (const bool io_uring : {true, false}) {
    const DiskannIndexType type({}, {}, {.io_uring = io_uring});
    where_ = file_.Write(bytes_, vectors_.data);
    const auto index = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
    ASSERT_TRUE(index.ok());
    // Meanwhile, as by a disk that lost its end.
    ASSERT_EQ(::ftruncate(where_.descriptor, 8192 + 4096), 0);
    const Status status = (*index)->Search({}, vectors_.matrix().row(0), 10, {}, kWalk).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), testing::HasSubstr(file_.path()));
    EXPECT_THAT(status.message(), testing::HasSubstr("byte"));
    const auto again = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
    ASSERT_TRUE(again.ok());
    EXPECT_FALSE((*again)->Search({}, vectors_.matrix().row(0), 10, {}, kWalk).ok());
  }
}

TEST_F(DiskannFile, WhatCannotBeReadIsNamed) {
  const DiskannIndexType type;
  const auto index = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
  const int folder = ::open("/", O_RDONLY | O_CLOEXEC);
  const int kept = ::dup(where_.descriptor);
  ASSERT_EQ(::dup2(folder, where_.descriptor), where_.descriptor);
  const Status status = (*index)->Search({}, vectors_.matrix().row(0), 10, {}, kWalk).status();
  ASSERT_EQ(::dup2(kept, where_.descriptor), where_.descriptor);
  ::close(folder);
  ::close(kept);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), testing::HasSubstr(file_.path()));
  Search(**index, 0);
}

// A file system in memory, where O_DIRECT may be refused.
TEST_F(DiskannFile, FilesInMemoryAreReadToo) {
  IndexInFile in_memory("/dev/shm");
  const DiskannIndexType type;
  const auto index =
      type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, in_memory.Write(bytes_, vectors_.data));
  ASSERT_TRUE(index.ok());
  const auto on_disk = type.OpenInFile(bytes_, vectors_.matrix(), Metric::kCosine, where_);
  for (size_t row = 0; row < 4000; row += 40) EXPECT_EQ(Search(**index, row), Search(**on_disk, row));
}

}  // namespace
}  // namespace ragtime
