// SPDX-License-Identifier: Apache-2.0
//
// Goal: a mirror holds the table of files as the store does, catches up when it was away, and never fails a commit.
#include <gtest/gtest.h>

#include <algorithm>

#include "store/mirrored_store.h"
#include "testing/mirror_testing.h"
#include "testing/store_backends.h"

namespace ragtime {
namespace {

// In memory, and away when it is told to be.
class MemoryCatalog : public SharedCatalog {
 public:
  struct Shared {
    std::mutex mutex;
    SharedState state;
    bool away = false;
    int applied = 0;
  };
  explicit MemoryCatalog(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  Result<SharedCounters> ReadCounters(const Context& context) override {
    RAGTIME_ASSIGN_OR_RETURN(const SharedState state, ReadAll(context));
    return state.counters;
  }
  Result<SharedState> ReadAll(const Context&) override {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->away) return UnavailableError("the database is away", "wait");
    return shared_->state;
  }
  Status Apply(const Context&, const SharedChange& change) override {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->away) return UnavailableError("the database is away", "wait");
    SharedState& state = shared_->state;
    if (change.counters.version != state.counters.version + 1) return Status(StatusCode::kAborted, "stale");
    state.counters = change.counters;
    for (const DocumentId id : change.removed) {
      EXPECT_EQ(std::erase_if(state.files, [id](const FileRecord& file) { return file.id == id; }), 1u);
    }
    for (const FileRecord& file : change.put) state.files.push_back(file);
    std::sort(state.files.begin(), state.files.end(),
              [](const FileRecord& a, const FileRecord& b) { return a.file_path < b.file_path; });
    for (const auto& [key, value] : change.settings) state.settings[key] = value;
    ++shared_->applied;
    return Status();
  }
  Status AcquireWrite(const Context&, int64_t) override { return Status(); }
  void ReleaseWrite() override {}

 private:
  const std::shared_ptr<Shared> shared_;
};

class MirrorTest : public testing::TestWithParam<StoreBackend> {
 protected:
  std::unique_ptr<MirroredStore> Open() {
    return std::make_unique<MirroredStore>(
        GetParam().open(folder_.path(), Metric::kCosine),
        [shared = shared_](const Context&, const std::string&) -> Result<std::unique_ptr<SharedCatalog>> {
          return std::unique_ptr<SharedCatalog>(std::make_unique<MemoryCatalog>(shared));
        },
        std::vector<std::string>{"uuid", "metric"});
  }

  const uint64_t seed_ = SeedFromEnvironment();
  const testing::ScopedTrace trace_{__FILE__, __LINE__, "RAGTIME_SEED=" + std::to_string(seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  const std::shared_ptr<MemoryCatalog::Shared> shared_ = std::make_shared<MemoryCatalog::Shared>();
};

TEST_P(MirrorTest, HoldsTheTableOfFiles) {
  const auto store = Open();
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(store->BeginWrite(0));
    CommitRandom(*store, random_, 10);
    store->EndWrite();
    EXPECT_OK(store->MirrorStatus());
    ExpectMirrored(*store, shared_->state);
  }
  const int applied = shared_->applied;
  ASSERT_OK(store->BeginWrite(0));
  store->EndWrite();
  EXPECT_EQ(shared_->applied, applied) << "nothing has changed";
}

TEST_P(MirrorTest, CatchesUpWhenItWasAwayAndCommitsGoOn) {
  auto store = Open();
  ASSERT_OK(store->BeginWrite(0));
  CommitRandom(*store, random_, 5);
  store->EndWrite();
  shared_->away = true;
  ASSERT_OK(store->BeginWrite(0));
  CommitRandom(*store, random_, 5);
  store->EndWrite();
  EXPECT_THAT(store->MirrorStatus(), StatusIs(StatusCode::kUnavailable));
  shared_->away = false;
  if (GetParam().persistent) store = Open();  // Also another process makes it up.
  ASSERT_OK(store->BeginWrite(0));
  store->EndWrite();
  EXPECT_OK(store->MirrorStatus());
  ExpectMirrored(*store, shared_->state);
}

TEST_P(MirrorTest, ReadsAgainWhatAnotherProcessMirrored) {
  const auto store = Open();
  ASSERT_OK(store->BeginWrite(0));
  CommitRandom(*store, random_, 5);
  store->EndWrite();
  {
    const std::lock_guard lock(shared_->mutex);
    ++shared_->state.counters.version;
    if (!shared_->state.files.empty()) shared_->state.files.pop_back();
  }
  ASSERT_OK(store->BeginWrite(0));
  WriteBatch batch;
  batch.documents.push_back(RandomDocument(random_, "new", 1, 4));
  ASSERT_OK(store->Commit({}, std::move(batch)));
  store->EndWrite();
  EXPECT_OK(store->MirrorStatus());
  ExpectMirrored(*store, shared_->state);
}

INSTANTIATE_TEST_SUITE_P(Stores, MirrorTest, testing::ValuesIn(StoreBackends()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace ragtime
