// SPDX-License-Identifier: Apache-2.0
//
// Goal: what only the embedded store promises: one writer and many readers on one folder, damage told and survived,
// space that comes back, nothing made by looking.
#include "store/embedded/embedded_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "base/str_cat.h"
#include "testing/store_backends.h"
#include "testing/store_model.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 16;

class EmbeddedStoreTest : public testing::Test {
 protected:
  std::filesystem::path kb() const { return folder_.path() / "kb"; }
  Result<std::unique_ptr<EmbeddedStore>> TryOpen(bool create, const EmbeddedLimits& limits = {},
                                                 Metric metric = Metric::kCosine) const {
    return EmbeddedStore::Open({.uri = kb().string(), .metric = metric}, RealIndexes(), create, limits);
  }
  // Without merges in the background, so that each case knows where its nodes are.
  std::unique_ptr<EmbeddedStore> Create(EmbeddedLimits limits = {}) const {
    limits.background = false;
    auto store = Value(TryOpen(true, limits));
    EXPECT_OK(store->BeginWrite(1000));
    return store;
  }
  // Documents "d/0" ... of 4 nodes each.
  WriteBatch Documents(int first, int count) {
    WriteBatch batch;
    for (int i = first; i < first + count; ++i) {
      batch.documents.push_back(RandomDocument(random_, StrCat("d/", i), 4, kDimension));
    }
    return batch;
  }
  std::vector<std::filesystem::path> SegmentFiles() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kb() / "segments")) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }
  static StoreStatistics StatisticsOf(const Store& store) { return Value(Value(store.OpenSnapshot())->Statistics()); }
  static void Copy(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }

  Random random_{20250101};
  TemporaryFolder folder_;
};

TEST_F(EmbeddedStoreTest, LookingMakesNothing) {
  const auto missing = TryOpen(false);
  EXPECT_THAT(missing, StatusIs(StatusCode::kNotFound));
  EXPECT_NE(missing.status().remedy().find("ragtime ingest"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(kb()));
  std::filesystem::create_directories(kb());
  EXPECT_THAT(TryOpen(false), StatusIs(StatusCode::kNotFound));
  EXPECT_TRUE(std::filesystem::is_empty(kb()));
  EXPECT_THAT(EmbeddedStore::Open({}, RealIndexes(), true), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(EmbeddedStoreTest, APlaceThatCannotHoldOneIsNamed) {
  std::ofstream(kb()) << "a file";
  const auto store = TryOpen(true);
  EXPECT_FALSE(store.ok());
  EXPECT_NE(store.status().message().find("kb"), std::string::npos);
}

// Three characters are a word, wherever they stand in threes from the start of a run.
class Threes : public ChineseDictionary {
 public:
  explicit Threes(uint32_t number) : number_(number) {}
  uint32_t version() const override { return number_ | kDictionaryBit; }
  void FindWords(std::string_view run, const OnWord& on_word) const override {
    for (size_t i = 0; i < run.size(); i += 9)
      on_word(i, std::min<size_t>(9, run.size() - i), std::min<size_t>(3, (run.size() - i) / 3));
  }

 private:
  const uint32_t number_;
};

TEST_F(EmbeddedStoreTest, OtherWordsThanTheConfigurationsAreNotSearchedUntilTheyAreCutAnew) {
  const auto open = [&](std::shared_ptr<const ChineseDictionary> chinese) {
    IndexSet indexes = RealIndexes();
    indexes.chinese = std::move(chinese);
    EmbeddedLimits limits;
    limits.background = false;
    return Value(EmbeddedStore::Open({.uri = kb().string()}, indexes, true, limits));
  };
  const auto find = [](const Store& store, const char* text) {
    return Value(store.OpenSnapshot())->SearchKeyword({}, {.text = text});
  };
  const auto write = [](Store& store, const char* path, const char* text) {
    WriteBatch batch;
    batch.documents = {{.file = {.file_path = path, .create_time_ms = 1}, .nodes = {{.node = {.text = text}}}}};
    ASSERT_OK(store.Commit({}, std::move(batch)));
  };
  auto store = open(nullptr);
  ASSERT_OK(store->BeginWrite(1000));
  write(*store, "a", "数据库备份");
  ASSERT_OK(store->Seal({}));
  write(*store, "b", "数据湖仓");  // Stays in the tail.
  EXPECT_EQ(Value(find(*store, "据库")).size(), 1u);

  store = open(std::make_shared<Threes>(1));
  EXPECT_THAT(find(*store, "数据库"), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(find(*store, "数据库").status().remedy().find("ragtime compact"), std::string::npos);
  EXPECT_EQ(Value(Value(store->OpenSnapshot())->GetNodes(std::vector<NodeId>{1}))[0]->text, "数据库备份");
  ASSERT_OK(store->BeginWrite(1000));
  ASSERT_OK(store->Compact({}));
  // Of the question's words 数据库 and 备份 the first node has both, the second the pair 数据.
  const auto hits = Value(find(*store, "数据库备份"));
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0].node_id, 1);
  EXPECT_EQ(Value(find(*store, "库备份")).size(), 1u) << "cut otherwise than in the text, found by pairs";
  EXPECT_EQ(Value(find(*store, "“库备”")).size(), 1u) << "phrases go by characters";
  EXPECT_EQ(Value(find(*store, "湖")).size(), 1u);

  store = open(std::make_shared<Threes>(1));
  EXPECT_EQ(Value(find(*store, "数据库备份")).size(), 2u);
  store = open(std::make_shared<Threes>(2));
  EXPECT_NE(find(*store, "数据库").status().message().find("another one"), std::string::npos);
  store = open(nullptr);
  EXPECT_THAT(find(*store, "数据库"), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(EmbeddedStoreTest, TwoThatMakeTheSameOneGetTheSameOne) {
  std::string uuids[4];
  std::vector<std::thread> threads;
  for (std::string& uuid : uuids) {
    threads.emplace_back([&] { uuid = Value(Value(TryOpen(true))->Setting("uuid")).value_or(""); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(uuids[0].size(), 36u);
  for (const std::string& uuid : uuids) EXPECT_EQ(uuid, uuids[0]);
}

TEST_F(EmbeddedStoreTest, AReaderSeesTheCommitsOfAnotherStore) {
  const auto writer = Create();
  const auto reader = Value(TryOpen(false));
  StoreModel model(Metric::kCosine);
  for (int i = 0; i < 10; ++i) {
    const WriteBatch batch = Documents(i, 3);
    model.Apply(batch, Value(writer->Commit({}, batch)));
    if (i % 4 == 3) {
      ASSERT_OK(writer->Seal({}));
    }
    model.ExpectEqual(*Value(reader->OpenSnapshot()), random_);
  }
  writer->EndWrite();
  model.ExpectEqual(*Value(reader->OpenSnapshot()), random_);
}

TEST_F(EmbeddedStoreTest, ASecondWriterIsToldWhoHoldsTheLock) {
  const auto first = Create();
  const auto second = Value(TryOpen(true));
  const Status refused = second->BeginWrite(50);
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.message().find(StrCat("process ", ::getpid())), std::string::npos);
  std::thread waiting([&] { EXPECT_OK(second->BeginWrite(10000)); });
  Value(first->Commit({}, Documents(0, 1)));
  first->EndWrite();
  waiting.join();
  EXPECT_EQ(Value(second->Commit({}, Documents(1, 1))).generation, 2u);
}

TEST_F(EmbeddedStoreTest, RecordedThingsAreNotChangedByOpening) {
  Create();
  const auto other = TryOpen(true, {}, Metric::kL2);
  EXPECT_THAT(other, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(other.status().remedy().find("COSINE"), std::string::npos);
}

TEST_F(EmbeddedStoreTest, LargeCommitsGoStraightToAFile) {
  const auto store = Create({.tail_nodes_max = 40});
  Value(store->Commit({}, Documents(0, 5)));
  EXPECT_EQ(StatisticsOf(*store).tail_nodes, 20u);
  EXPECT_EQ(StatisticsOf(*store).segments, 0u);
  Value(store->Commit({}, Documents(5, 11)));
  EXPECT_EQ(StatisticsOf(*store).tail_nodes, 20u);
  EXPECT_EQ(StatisticsOf(*store).segments, 1u);
  Value(store->Commit({}, Documents(16, 8)));
  EXPECT_EQ(StatisticsOf(*store).tail_nodes, 32u) << "the tail was sealed to make room";
  EXPECT_EQ(StatisticsOf(*store).segments, 2u);
  EXPECT_EQ(StatisticsOf(*store).nodes, 96u);
}

TEST_F(EmbeddedStoreTest, AHeavyCommitOfFewNodesGoesToAFileToo) {
  const auto store = Create({.tail_size_bytes_max = 50'000});
  WriteBatch batch = Documents(0, 1);
  for (NewNode& node : batch.documents[0].nodes) {
    node.node.text.clear();
    for (int i = 0; i < 30'000; ++i) node.node.text += static_cast<char>('a' + random_.Below(26));
  }
  Value(store->Commit({}, batch));
  EXPECT_EQ(StatisticsOf(*store).tail_nodes, 0u);
  EXPECT_EQ(StatisticsOf(*store).segments, 1u);
}

TEST_F(EmbeddedStoreTest, SealingKeepsTheTailEmptyAndSegmentsFew) {
  const auto store = Create({.tail_nodes_max = 40, .small_segment_rows = 1000, .small_segments_max = 3});
  StoreModel model(Metric::kCosine);
  for (int i = 0; i < 40; ++i) {
    const WriteBatch batch = Documents(i, 3);
    model.Apply(batch, Value(store->Commit({}, batch)));
  }
  ASSERT_OK(store->Seal({}));
  const StoreStatistics statistics = StatisticsOf(*store);
  EXPECT_EQ(statistics.tail_nodes, 0u);
  EXPECT_LE(statistics.segments, 4u);
  EXPECT_EQ(SegmentFiles().size(), statistics.segments) << "replaced files are removed";
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

TEST_F(EmbeddedStoreTest, SegmentsOfEachSizeAreMergedOnceTheyAreMany) {
  const auto store = Create({.tail_nodes_max = 10,
                             .small_segment_rows = 40,
                             .small_segments_max = 2,
                             .merged_rows_max = 200,
                             .background = false});
  StoreModel model(Metric::kCosine);
  for (int i = 0; i < 60; ++i) {
    const WriteBatch batch = Documents(i * 4, 4);
    model.Apply(batch, Value(store->Commit({}, batch)));
    ASSERT_OK(store->Seal({}));
  }
  ASSERT_OK(store->Seal({}));
  const StoreStatistics statistics = StatisticsOf(*store);
  ASSERT_GT(statistics.nodes, 400u) << "too few for all sizes";
  // At most two of each size below the largest, and one that a merge has just made.
  EXPECT_LE(statistics.segments, statistics.nodes / 200 + 2 + 2 + 1);
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

TEST_F(EmbeddedStoreTest, TheTailIsSealedInTheBackground) {
  const auto store = Value(TryOpen(true, {.tail_nodes_max = 40}));
  ASSERT_OK(store->BeginWrite(0));
  StoreModel model(Metric::kCosine);
  for (int i = 0; i < 12; ++i) {
    const WriteBatch batch = Documents(i, 1);
    model.Apply(batch, Value(store->Commit({}, batch)));
  }
  for (int i = 0; i < 1000 && StatisticsOf(*store).segments == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_GT(StatisticsOf(*store).segments, 0u);
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

TEST_F(EmbeddedStoreTest, WhatIsDeletedDuringAMergeStaysDeleted) {
  // Slow enough that the commits below come while the first is merged, which Seal then hurries up.
  const auto store =
      Value(TryOpen(true, {.tail_nodes_max = 100, .deleted_share_max = 0.9, .background_bytes_per_s = 10'000}));
  ASSERT_OK(store->BeginWrite(0));
  StoreModel model(Metric::kCosine);
  const auto commit = [&](const WriteBatch& batch) {
    const CommitResult result = Value(store->Commit({}, batch));
    model.Apply(batch, result);
    return result.document_ids;
  };
  std::vector<DocumentId> ids = commit(Documents(0, 20));
  commit(Documents(20, 1));  // Wakes the merge.
  const std::vector<DocumentId> gone = commit(Documents(21, 1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ids.resize(7);
  commit({.erased = ids});
  commit({.erased = gone});
  commit(Documents(15, 2));  // Replaces.
  EXPECT_EQ(StatisticsOf(*store).segments, 0u) << "the merge was to be under way";
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  ASSERT_OK(store->Seal({}));
  EXPECT_GE(StatisticsOf(*store).segments, 1u);
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  EXPECT_OK(Soundness(*store));
  ASSERT_OK(store->Compact({}));
  EXPECT_EQ(StatisticsOf(*store).deleted_nodes, 0u);
  EXPECT_EQ(StatisticsOf(*store).segments, 1u);
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

TEST_F(EmbeddedStoreTest, ASegmentThatIsAllDeletedDuringItsMergeIsGone) {
  const auto store = Value(TryOpen(true, {.tail_nodes_max = 100, .background_bytes_per_s = 10'000}));
  ASSERT_OK(store->BeginWrite(0));
  const CommitResult first = Value(store->Commit({}, Documents(0, 20)));
  WriteBatch touch;
  touch.settings["x"] = "1";
  Value(store->Commit({}, touch));  // Wakes the merge.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  Value(store->Commit({}, {.erased = first.document_ids}));
  ASSERT_OK(store->Seal({}));
  const StoreStatistics statistics = StatisticsOf(*store);
  EXPECT_EQ(statistics.nodes + statistics.deleted_nodes + statistics.segments, 0u);
  EXPECT_TRUE(SegmentFiles().empty());
}

TEST_F(EmbeddedStoreTest, EndingToWriteEndsAMergeInTheBackground) {
  const auto store = Value(TryOpen(true, {.tail_nodes_max = 100, .background_bytes_per_s = 100}));
  ASSERT_OK(store->BeginWrite(0));
  for (int i = 0; i < 3; ++i) Value(store->Commit({}, Documents(i * 5, 5)));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto start = std::chrono::steady_clock::now();
  store->EndWrite();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_EQ(StatisticsOf(*store).tail_nodes, 60u);
}

TEST_F(EmbeddedStoreTest, SegmentsWithAnIndexOfAnOlderVersionAreMadeAnew) {
  class NewerType : public KeywordIndexType {
   public:
    std::string_view name() const override { return type_.name(); }
    uint32_t version() const override { return type_.version() + 1; }
    Result<std::vector<std::byte>> Build(const TokenRows& rows) const override { return type_.Build(rows); }
    Result<std::unique_ptr<KeywordIndex>> Open(std::span<const std::byte> bytes) const override {
      return type_.Open(bytes);
    }

   private:
    Bm25IndexType type_;
  };
  StoreModel model(Metric::kCosine);
  {
    const auto store = Create({.tail_nodes_max = 10});
    for (int first = 0; first < 31; first += 30) {
      const WriteBatch batch = Documents(first, first == 0 ? 30 : 1);
      model.Apply(batch, Value(store->Commit({}, batch)));
    }
  }
  IndexSet newer = RealIndexes();
  newer.keyword = std::make_shared<NewerType>();
  const auto store = Value(EmbeddedStore::Open({.uri = kb().string()}, newer, false));
  const auto found = Value(store->OpenSnapshot())->SearchKeyword({}, {.text = "backup"});
  EXPECT_THAT(found, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(found.status().remedy().find("ragtime compact"), std::string::npos) << found.status().ToString();
  ASSERT_OK(store->BeginWrite(0));
  ASSERT_OK(store->Seal({}));
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  store->EndWrite();
  const auto older = Value(TryOpen(false));
  const auto refused = Value(older->OpenSnapshot())->SearchKeyword({}, {.text = "backup"});
  EXPECT_NE(refused.status().remedy().find("newer Ragtime"), std::string::npos) << refused.status().ToString();
}

// FLAT for few nodes, HNSW for many; a segment stays readable whatever is built now, until a merge makes it anew.
TEST_F(EmbeddedStoreTest, TheVectorIndexOfASegmentMayBeAnyThatIsKnown) {
  StoreModel model(Metric::kCosine);
  const auto commit = [&](Store& store, int first, int count) {
    const WriteBatch batch = Documents(first, count);
    model.Apply(batch, Value(store.Commit({}, batch)));
  };
  using Rows = std::map<std::string, uint64_t>;
  {
    const auto store = Create({.tail_nodes_max = 10});
    commit(*store, 0, 100);
    commit(*store, 100, 20);
    EXPECT_EQ(StatisticsOf(*store).vector_index_rows, (Rows{{"FLAT", 480}}));
  }
  const IndexSet flat = RealIndexes();
  IndexSet automatic = flat;
  automatic.large_vector = std::make_shared<HnswIndexType>(HnswParameters{.ef = 5000});
  automatic.large_rows = 300;
  EmbeddedLimits limits{.tail_nodes_max = 10, .merged_rows_max = 400};
  limits.background = false;
  {
    const auto store = Value(EmbeddedStore::Open({.uri = kb().string()}, automatic, false, limits));
    model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
    ASSERT_OK(store->BeginWrite(0));
    ASSERT_OK(store->Seal({}));
    EXPECT_EQ(StatisticsOf(*store).vector_index_rows, (Rows{{"FLAT", 480}})) << "sealing makes nothing anew for it";
    commit(*store, 200, 80);
    EXPECT_EQ(StatisticsOf(*store).vector_index_rows, (Rows{{"FLAT", 480}, {"HNSW", 320}}));
    ASSERT_OK(store->Compact({}));
    const Rows rows = StatisticsOf(*store).vector_index_rows;
    EXPECT_EQ(rows.at("HNSW") + (rows.contains("FLAT") ? rows.at("FLAT") : 0), 800u);
    EXPECT_GE(rows.at("HNSW"), 720u);
    const auto files = SegmentFiles();
    ASSERT_OK(store->Compact({}));
    EXPECT_EQ(SegmentFiles(), files);
    model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
    EXPECT_EQ(Value(store->Verify({})).size(), 0u);
  }
  const auto unknown = Value(EmbeddedStore::Open({.uri = kb().string()}, flat, false));
  const auto refused =
      Value(unknown->OpenSnapshot())->SearchVector({}, {.vector = std::vector<float>(kDimension, 1.0f)});
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.status().remedy().find("index_type HNSW"), std::string::npos) << refused.status().ToString();
  IndexSet back = flat;
  back.readable_vectors = {automatic.large_vector};
  const auto store = Value(EmbeddedStore::Open({.uri = kb().string()}, back, false, limits));
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  ASSERT_OK(store->BeginWrite(0));
  ASSERT_OK(store->Compact({}));
  EXPECT_EQ(StatisticsOf(*store).vector_index_rows, (Rows{{"FLAT", 800}}));
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

// Lists and codes are learnt from enough nodes; what is too small for that is scanned.
TEST_F(EmbeddedStoreTest, ListsAreMadeFromEnoughNodesOn) {
  StoreModel model(Metric::kCosine);
  const auto ivf = std::make_shared<IvfIndexType>(
      IvfKind::kIvfPq, IvfParameters{.nlist = 4, .nprobe = 4, .nbits = 4, .refine_k = 1000, .threads = 1});
  IndexSet indexes = RealIndexes();
  indexes.large_vector = ivf;
  indexes.large_rows = ivf->rows_min();
  {
    const auto store = Value(EmbeddedStore::Open({.uri = kb().string()}, indexes, true, {.tail_nodes_max = 10}));
    ASSERT_OK(store->BeginWrite(0));
    for (const auto& [first, count] : {std::pair(0, 20), std::pair(20, 200), std::pair(0, 5)}) {
      const WriteBatch batch = Documents(first, count);
      model.Apply(batch, Value(store->Commit({}, batch)));
    }
    const auto rows = StatisticsOf(*store).vector_index_rows;
    EXPECT_EQ(rows.at("IVF_PQ"), 800u);
    EXPECT_GE(rows.at("FLAT"), 80u);
    model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  }
  IndexSet flat = RealIndexes();
  const auto unknown = Value(EmbeddedStore::Open({.uri = kb().string()}, flat, false));
  const auto refused =
      Value(unknown->OpenSnapshot())->SearchVector({}, {.vector = std::vector<float>(kDimension, 1.0f)});
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  flat.readable_vectors = {ivf};
  const auto store = Value(EmbeddedStore::Open({.uri = kb().string()}, flat, false));
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

// A walk over a graph, of deleted nodes too: the nearest live nodes are nearly all found.
TEST_F(EmbeddedStoreTest, AGraphIsExactAboutDeletions) {
  IndexSet indexes = RealIndexes();
  indexes.vector = std::make_shared<HnswIndexType>(HnswParameters{.ef = 20});
  const auto hnsw = Value(EmbeddedStore::Open({.uri = kb().string()}, indexes, true, {.background = false}));
  ASSERT_OK(hnsw->BeginWrite(0));
  Value(hnsw->Commit({}, Documents(0, 1500)));
  Value(hnsw->Commit({}, Documents(0, 300)));  // Replaces.
  const auto snapshot = Value(hnsw->OpenSnapshot());
  size_t found = 0;
  for (int q = 0; q < 40; ++q) {
    const std::vector<float> query = RandomVector(random_, kDimension);
    const auto approximate = Value(snapshot->SearchVector({}, {.vector = query, .limit = 10}));
    const auto exact = Value(snapshot->SearchVector({}, {.vector = query, .limit = 10, .parameters = {.ef = 6000}}));
    ASSERT_EQ(approximate.size(), 10u);
    ASSERT_EQ(exact.size(), 10u);
    for (const Hit& hit : approximate) {
      EXPECT_GT(hit.node_id, 1200) << "a node that was replaced";
      found += hit.score >= exact.back().score ? 1 : 0;
    }
  }
  EXPECT_GE(found, 40 * 9u);
}

// Each walk may leave out what is worse than the hits of the segments before. That must cost no hit, with deletions and
// filters too, and must not depend on what other threads search meanwhile.
TEST_F(EmbeddedStoreTest, ManyGraphsFindWhatAScanFindsInAnyNumberOfThreads) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(StrCat("RAGTIME_SEED=", seed));
  random_ = Random(seed);
  const auto open = [this](const char* name, std::shared_ptr<const VectorIndexType> type, size_t search_threads) {
    IndexSet indexes = RealIndexes();
    indexes.vector = std::move(type);
    return Value(
        EmbeddedStore::Open({.uri = (folder_.path() / name).string(), .search_threads = search_threads}, indexes, true,
                            {.tail_nodes_max = 10, .merged_rows_max = 1600, .lane_rows = 100, .background = false}));
  };
  const auto graph = std::make_shared<HnswIndexType>(HnswParameters{.ef_construction = 64, .ef = 16});
  const auto graphs = open("graphs", graph, 1);
  const auto scans = open("scans", RealIndexes().vector, 2);
  EXPECT_OK(graphs->BeginWrite(0));
  EXPECT_OK(scans->BeginWrite(0));
  std::vector<DocumentId> erased;
  for (int i = 0; i < 5; ++i) {
    const WriteBatch batch = Documents(400 * i, 400);
    const CommitResult result = Value(graphs->Commit({}, batch));
    Value(scans->Commit({}, batch));
    for (const DocumentId id : result.document_ids) {
      if (random_.OneIn(20)) erased.push_back(id);
    }
  }
  Value(graphs->Commit({}, {.erased = erased}));
  Value(scans->Commit({}, {.erased = erased}));
  ASSERT_EQ(StatisticsOf(*graphs).segments, 5u);
  ASSERT_EQ(StatisticsOf(*graphs).vector_index_rows.at("HNSW"), 8000u);

  const auto scanned = Value(scans->OpenSnapshot());
  const std::vector<Filter> filters = {{}, Value(Filter::Parse("file_type = \"md\"", NodeFields({})))};
  struct Question {
    std::vector<float> vector;
    std::string group;
    size_t filter = 0;
  };
  std::vector<Question> questions;
  for (int i = 0; i < 60; ++i) {
    questions.push_back({RandomVector(random_, kDimension), random_.OneIn(3) ? "sentence-256" : "", random_.Below(2)});
  }
  const auto ask = [&](const Snapshot& snapshot, const Question& question) {
    return Value(snapshot.SearchVector(
        {}, {.vector = question.vector, .limit = 10, .group = question.group, .filter = filters[question.filter]}));
  };
  // One segment after another, and side by side in lanes: both find them, and each finds the same every time.
  for (const size_t search_threads : {1u, 3u}) {
    SCOPED_TRACE(search_threads);
    const auto reader = open("graphs", graph, search_threads);
    const auto walked = Value(reader->OpenSnapshot());
    std::vector<std::vector<Hit>> first;
    size_t found = 0;
    for (const Question& question : questions) {
      first.push_back(ask(*walked, question));
      const std::vector<Hit> exact = ask(*scanned, question);
      ASSERT_EQ(first.back().size(), exact.size());
      for (const Hit& hit : first.back()) {
        const auto same =
            std::find_if(exact.begin(), exact.end(), [&](const Hit& e) { return e.node_id == hit.node_id; });
        if (same == exact.end()) {
          EXPECT_LE(hit.score, exact.back().score) << "a better hit than the best is none";
          continue;
        }
        EXPECT_EQ(hit.score, same->score);
        ++found;
      }
    }
    EXPECT_GE(found, questions.size() * 10 * 95 / 100);

    for (const size_t threads : {1u, 2u, 4u}) {
      std::vector<std::vector<Hit>> again(questions.size());
      std::vector<std::jthread> running;
      for (size_t t = 0; t < threads; ++t) {
        running.emplace_back([&, t] {
          for (size_t i = t; i < questions.size(); i += threads) again[i] = ask(*walked, questions[i]);
        });
      }
      running.clear();
      EXPECT_EQ(again, first) << threads;
    }
  }
}

TEST_F(EmbeddedStoreTest, CompactingMakesLargerSegmentsThanSealing) {
  // 250 rows of vectors; a merge takes whole segments, and so goes a little beyond it.
  const auto store = Create(
      {.tail_nodes_max = 10, .merged_rows_max = 100, .compacted_vectors_bytes_max = 250 * kDimension * sizeof(float)});
  StoreModel model(Metric::kCosine);
  for (int i = 0; i < 10; ++i) {
    const WriteBatch batch = Documents(25 * i, 25);
    model.Apply(batch, Value(store->Commit({}, batch)));
  }
  ASSERT_OK(store->Seal({}));
  EXPECT_EQ(StatisticsOf(*store).segments, 10u);
  ASSERT_OK(store->Compact({}));
  EXPECT_EQ(StatisticsOf(*store).segments, 4u);
  const auto files = SegmentFiles();
  ASSERT_OK(store->Compact({}));
  EXPECT_EQ(SegmentFiles(), files);
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  EXPECT_EQ(Value(store->Verify({})).size(), 0u);
}

TEST_F(EmbeddedStoreTest, CompactingTwiceChangesNothingMore) {
  const auto store = Create({.tail_nodes_max = 10, .merged_rows_max = 100});
  StoreModel model(Metric::kCosine);
  for (int i = 0; i < 30; ++i) {
    const WriteBatch batch = Documents(i % 20, 1 + i % 5);
    model.Apply(batch, Value(store->Commit({}, batch)));
  }
  ASSERT_OK(store->Compact({}));
  const auto files = SegmentFiles();
  const StoreStatistics statistics = StatisticsOf(*store);
  EXPECT_EQ(statistics.tail_nodes + statistics.deleted_nodes, 0u);
  EXPECT_LE(statistics.segments, 2u);
  ASSERT_OK(store->Compact({}));
  EXPECT_EQ(SegmentFiles(), files);
  model.ExpectEqual(*Value(store->OpenSnapshot()), random_);
}

TEST_F(EmbeddedStoreTest, SpaceOfDeletedNodesComesBack) {
  const auto store = Create({.tail_nodes_max = 10});
  const CommitResult result = Value(store->Commit({}, Documents(0, 100)));
  const uint64_t size_before = std::filesystem::file_size(SegmentFiles()[0]);
  const auto half = std::vector<DocumentId>(result.document_ids.begin(), result.document_ids.begin() + 50);
  Value(store->Commit({}, {.erased = half}));
  EXPECT_EQ(StatisticsOf(*store).deleted_nodes, 200u);
  ASSERT_OK(store->Seal({}));
  EXPECT_EQ(StatisticsOf(*store).deleted_nodes, 0u);
  EXPECT_EQ(StatisticsOf(*store).nodes, 200u);
  EXPECT_LT(std::filesystem::file_size(SegmentFiles()[0]), size_before * 3 / 4);
  const auto rest = std::vector<DocumentId>(result.document_ids.begin() + 50, result.document_ids.end());
  Value(store->Commit({}, {.erased = rest}));
  EXPECT_TRUE(SegmentFiles().empty()) << "a segment without live rows goes at once";
  EXPECT_EQ(StatisticsOf(*store).segments, 0u);
}

TEST_F(EmbeddedStoreTest, AnOldSnapshotReadsMergedAwaySegments) {
  const auto store = Create({.tail_nodes_max = 10});
  StoreModel model(Metric::kCosine);
  const WriteBatch batch = Documents(0, 30);
  const CommitResult result = Value(store->Commit({}, batch));
  model.Apply(batch, result);
  const auto snapshot = Value(store->OpenSnapshot());
  Value(store->Commit({}, {.erased = result.document_ids}));
  EXPECT_TRUE(SegmentFiles().empty());
  model.ExpectEqual(*snapshot, random_);
}

TEST_F(EmbeddedStoreTest, OrphansAreSweptAndForeignFilesStay) {
  auto store = Create({.tail_nodes_max = 10});
  Value(store->Commit({}, Documents(0, 30)));
  store->EndWrite();
  const auto segments = kb() / "segments";
  Copy(segments / "00000001", segments / "00000777");
  Copy(segments / "00000001", segments / "00000778.tmp");
  std::filesystem::create_directories(segments / "notes");
  std::ofstream(segments / "README") << "mine";
  ASSERT_OK(store->BeginWrite(0));
  EXPECT_FALSE(std::filesystem::exists(segments / "00000777"));
  EXPECT_FALSE(std::filesystem::exists(segments / "00000778.tmp"));
  EXPECT_TRUE(std::filesystem::exists(segments / "notes"));
  EXPECT_TRUE(std::filesystem::exists(segments / "README"));
  EXPECT_EQ(StatisticsOf(*store).nodes, 120u);
}

TEST_F(EmbeddedStoreTest, AMissingOrDamagedSegmentIsNamedAndNothingElseIsTouched) {
  {
    const auto store = Create({.tail_nodes_max = 10});
    Value(store->Commit({}, Documents(0, 30)));
  }
  const auto file = SegmentFiles().at(0);
  const auto expect_data_loss = [&](const char* what) {
    const auto store = Value(TryOpen(false));
    // A missing file shows when a snapshot is opened, any other damage when the segment is first looked into.
    const auto snapshot = store->OpenSnapshot();
    Status status = snapshot.status();
    if (status.ok()) {
      EXPECT_OK((*snapshot)->Files()) << what;
      status = (*snapshot)->SearchKeyword({}, {.text = "backup"}).status();
    }
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << what;
    EXPECT_NE(status.message().find("00000001"), std::string::npos) << status.ToString();
    EXPECT_FALSE(status.remedy().empty());
  };
  const std::string good = Value(ReadFile(file));
  const auto write = [&file](std::string_view bytes) {
    std::filesystem::remove(file);
    std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  write(std::string_view(good).substr(0, good.size() - 1));
  expect_data_loss("truncated");
  write("");
  expect_data_loss("empty");
  write(std::string(good.size(), '\0'));
  expect_data_loss("zeros");
  std::filesystem::remove(file);
  expect_data_loss("missing");
  write(good);
  EXPECT_EQ(StatisticsOf(*Value(TryOpen(false))).nodes, 120u) << "put back, all is well";
}

TEST_F(EmbeddedStoreTest, DamageOfAnyByteIsSeenByVerifyAndNeverCrashesASearch) {
  {
    const auto store = Create({.tail_nodes_max = 10});
    Value(store->Commit({}, Documents(0, 30)));
    EXPECT_OK(Soundness(*store));
  }
  const auto file = SegmentFiles().at(0);
  const std::string good = Value(ReadFile(file));
  // Gaps between sections are zeros that nobody reads.
  size_t seen = 0;
  constexpr int kRounds = 1500;
  for (int round = 0; round < kRounds; ++round) {
    std::string bad = good;
    const size_t at = random_.Below(bad.size());
    bad[at] = static_cast<char>(bad[at] ^ (1 << random_.Below(8)));
    std::filesystem::remove(file);
    std::ofstream(file, std::ios::binary).write(bad.data(), static_cast<std::streamsize>(bad.size()));
    const auto store = Value(TryOpen(false));
    seen += Soundness(*store).ok() ? 0 : 1;
    const auto snapshot = store->OpenSnapshot();
    if (!snapshot.ok()) continue;
    (void)(*snapshot)->SearchVector({}, {.vector = RandomVector(random_, kDimension), .limit = 20});
    (void)(*snapshot)->SearchVector({}, {.vector = RandomVector(random_, kDimension), .group = "paragraph"});
    (void)(*snapshot)->SearchKeyword({}, {.text = "backup 数据库 index", .limit = 20});
    std::vector<NodeId> ids(130);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<NodeId>(i);
    (void)(*snapshot)->GetNodes(ids);
    for (DocumentId id = 0; id < 33; ++id) (void)(*snapshot)->NodesOf(id);
  }
  EXPECT_GT(seen, kRounds / 3u);
}

TEST_F(EmbeddedStoreTest, ADamagedTailIsTold) {
  {
    const auto store = Create();
    Value(store->Commit({}, Documents(0, 3)));
  }
  const auto catalog = kb() / "catalog.sqlite";
  std::string bytes = Value(ReadFile(catalog));
  const size_t at = bytes.find("RAGTSEG");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 700] = static_cast<char>(bytes[at + 700] ^ 1);
  std::filesystem::remove(catalog);
  std::ofstream(catalog, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto snapshot = Value(TryOpen(false))->OpenSnapshot();
  EXPECT_THAT(snapshot, StatusIs(StatusCode::kDataLoss));
  EXPECT_NE(snapshot.status().message().find("tail"), std::string::npos);
}

TEST_F(EmbeddedStoreTest, AReaderThatMissesAFileReadsTheManifestAgain) {
  const auto writer = Create({.tail_nodes_max = 10, .small_segments_max = 1});
  std::atomic<bool> done = false;
  std::thread reading([&] {
    while (!done) {
      // A fresh store each time, so that each segment is opened anew.
      const auto store = Value(TryOpen(false));
      const auto snapshot = store->OpenSnapshot();
      EXPECT_OK(snapshot);
    }
  });
  for (int i = 0; i < 60; ++i) {
    Value(writer->Commit({}, Documents(i % 5, 5)));
    EXPECT_OK(writer->Seal({}));
  }
  done = true;
  reading.join();
}

TEST_F(EmbeddedStoreTest, AFolderThatCannotBeWrittenIsSearched) {
  {
    const auto store = Create({.tail_nodes_max = 10});
    Value(store->Commit({}, Documents(0, 5)));
    Value(store->Commit({}, Documents(5, 1)));
  }
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kb())) {
    std::filesystem::permissions(entry.path(), std::filesystem::perms(entry.is_directory() ? 0555 : 0444));
  }
  std::filesystem::permissions(kb(), std::filesystem::perms(0555));
  const pid_t child = ::fork();
  if (child == 0) {
    // Root may write everywhere, and so the child becomes another user.
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
    const auto store = TryOpen(false);
    if (!store.ok()) ::_exit(11);
    const auto snapshot = (*store)->OpenSnapshot();
    if (!snapshot.ok()) ::_exit(12);
    const auto hits = (*snapshot)->SearchVector({}, {.vector = std::vector<float>(kDimension, 1.0f)});
    if (!hits.ok() || hits->size() != 10) ::_exit(13);
    ::_exit((*store)->BeginWrite(0).code() == StatusCode::kPermissionDenied ? 0 : 14);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::filesystem::permissions(kb(), std::filesystem::perms(0755));
  std::filesystem::permissions(kb() / "segments", std::filesystem::perms(0755));
  for (const auto& entry : std::filesystem::directory_iterator(kb() / "segments")) {
    std::filesystem::permissions(entry.path(), std::filesystem::perms(0755));
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(EmbeddedStoreTest, TheLogIsEmptyAfterWritingEnds) {
  const auto store = Create();
  for (int i = 0; i < 20; ++i) Value(store->Commit({}, Documents(i, 2)));
  store->EndWrite();
  std::error_code error;
  const auto size = std::filesystem::file_size(kb() / "catalog.sqlite-wal", error);
  EXPECT_TRUE(error || size == 0);
}

}  // namespace
}  // namespace ragtime
