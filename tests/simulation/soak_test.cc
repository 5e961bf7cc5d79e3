// SPDX-License-Identifier: Apache-2.0
//
// Goal: any order of commits, deletions, moves, seals, compactions and reopenings, with merges in the background and
// readers in threads and in another process, leaves the store equal to a std::map.
// Method: random steps on a store and on StoreModel, for $RAGTIME_SOAK_SECONDS (default 10).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "base/str_cat.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "store/embedded/embedded_store.h"
#include "testing/status_matchers.h"
#include "testing/store_consistency.h"
#include "testing/store_model.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 8;
constexpr size_t kNodesMax = 700;  // Comparing everything stays a matter of milliseconds.

int SoakSeconds() {
  const char* seconds = std::getenv("RAGTIME_SOAK_SECONDS");
  return seconds != nullptr ? std::max(1, std::atoi(seconds)) : 10;
}

class SoakTest : public testing::Test {
 protected:
  std::filesystem::path kb() const { return folder_.path() / "kb"; }

  std::unique_ptr<EmbeddedStore> Open(Random& random) const {
    const EmbeddedLimits limits{.tail_nodes_max = 30 + random.Below(60),
                                .tail_size_bytes_max = 64 << 10,
                                .tail_segments_max = 4 + random.Below(8),
                                .small_segment_rows = 100,
                                .small_segments_max = 2,
                                .merged_rows_max = 150,
                                .deleted_share_max = 0.2,
                                .background = !random.OneIn(5),
                                // The slow ones are under way while many commits pass.
                                .background_bytes_per_s = random.OneIn(3) ? 0 : 50'000 + random.Below(1'000'000)};
    const IndexSet indexes{.vector = std::make_shared<FlatIndexType>(),
                           .keyword = std::make_shared<Bm25IndexType>(),
                           .fields = std::make_shared<ColumnsType>()};
    return Value(EmbeddedStore::Open({.uri = kb().string()}, indexes, true, limits));
  }

  std::string RandomPath() {
    return StrCat("d", random_.Below(3), "/e", random_.Below(3), "/f", random_.Below(10), ".md");
  }

  WriteBatch RandomBatch() {
    WriteBatch batch;
    if (model_.generation() == 0) batch.fields = TestFields();
    std::set<std::string> paths;
    std::vector<const StoreModel::Document*> known;
    for (const auto& [path, document] : model_.documents()) known.push_back(&document);
    const bool full = model_.LiveNodes().size() > kNodesMax;
    std::set<DocumentId> touched;
    for (uint64_t i = full ? 30 : random_.Below(4); i > 0 && !known.empty(); --i) {
      const auto* document = known[random_.Below(known.size())];
      if (!touched.insert(document->file.id).second) continue;
      if (full || random_.OneIn(2)) {
        batch.erased.push_back(document->file.id);
        continue;
      }
      DocumentWrite move{.file = document->file, .keep_id = true};
      if (!random_.OneIn(3)) move.file.file_path = RandomPath();
      move.file.modified_time_ns = static_cast<int64_t>(random_.Below(1000));
      if (paths.insert(move.file.file_path).second) batch.documents.push_back(move);
    }
    for (uint64_t i = full ? 0 : random_.Below(5); i > 0; --i) {
      const std::string path = RandomPath();
      if (!paths.insert(path).second) continue;
      const uint64_t nodes = random_.OneIn(10) ? 100 : random_.Below(12);
      batch.documents.push_back(RandomDocument(random_, path, nodes, kDimension));
      batch.documents.back().file.fields = RandomFields(random_);
    }
    std::sort(batch.documents.begin(), batch.documents.end(),
              [](const DocumentWrite& a, const DocumentWrite& b) { return a.file.file_path < b.file.file_path; });
    return batch;
  }

  const uint64_t seed_ = SeedFromEnvironment();
  testing::ScopedTrace trace_{__FILE__, __LINE__, StrCat("RAGTIME_SEED=", seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  StoreModel model_{Metric::kCosine};
};

TEST_F(SoakTest, RandomOperationsAgainstAMap) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(SoakSeconds());
  auto store = Open(random_);
  ASSERT_OK(store->BeginWrite(0));

  // Another process reads all the time.
  const pid_t reader = ::fork();
  if (reader == 0) {
    ::execl(RAGTIME_STORE_DRIVER, RAGTIME_STORE_DRIVER, "read", kb().c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  // Threads read too: through a store of their own, as this one is closed and opened again.
  std::atomic<bool> done = false;
  std::atomic<uint64_t> reads = 0;
  const auto read = [&](uint64_t seed) {
    Random random(seed);
    const auto own = Open(random);
    for (; !done; ++reads) {
      const auto snapshot = own->OpenSnapshot();
      ASSERT_OK(snapshot);
      ASSERT_OK(CheckConsistent(**snapshot, random, kDimension));
    }
  };
  std::thread first(read, seed_ + 1), second(read, seed_ + 2);

  uint64_t steps = 0;
  while (std::chrono::steady_clock::now() < end && !HasFailure()) {
    SCOPED_TRACE(StrCat("step ", ++steps));
    const WriteBatch batch = RandomBatch();
    const auto result = store->Commit({}, batch);
    EXPECT_OK(result);
    if (!result.ok()) break;
    model_.Apply(batch, *result);
    if (random_.OneIn(25)) {
      EXPECT_OK(store->Seal({}));
    }
    if (random_.OneIn(80)) {
      EXPECT_OK(store->Compact({}));
    }
    if (random_.OneIn(40)) {
      store->EndWrite();
      EXPECT_OK(store->BeginWrite(0));
    }
    if (random_.OneIn(40)) {
      store = Open(random_);
      EXPECT_OK(store->BeginWrite(0));
    }
    if (random_.OneIn(4)) model_.ExpectEqual(*Value(store->OpenSnapshot()), random_);
    if (random_.OneIn(100)) {
      EXPECT_OK(Soundness(*store));
    }
  }
  done = true;
  first.join();
  second.join();
  EXPECT_OK(Soundness(*store));
  model_.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  int status = 0;
  EXPECT_EQ(::waitpid(reader, &status, WNOHANG), 0) << "the reading process ended early";
  ::kill(reader, SIGTERM);
  ::waitpid(reader, &status, 0);
  EXPECT_GT(reads, 0u);
  std::printf("%llu steps, %llu reads of threads\n", static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(reads));
}

}  // namespace
}  // namespace ragtime
