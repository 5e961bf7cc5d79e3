// SPDX-License-Identifier: Apache-2.0
//
// Goal: a map store is found again in its file, whole or not at all, and a file that is damaged says so.
#include "store/map/map_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "index/scalar/columns.h"
#include "store/map/map_store.h"
#include "testing/status_matchers.h"
#include "testing/store_model.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 4;

class MapFileTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_.path()); }
  Result<std::unique_ptr<MapStore>> Open(bool create = false, std::optional<Metric> metric = {}) const {
    return MapStore::Open({.uri = file_.string(), .metric = metric}, std::make_shared<ColumnsType>(), create);
  }
  CommitResult Commit(Store& store, const std::string& path) {
    WriteBatch batch;
    if (model_.generation() == 0) batch.fields = TestFields();
    batch.documents.push_back(RandomDocument(random_, path, 3, kDimension));
    batch.documents.back().file.fields = RandomFields(random_);
    const CommitResult result = Value(store.Commit({}, batch));
    model_.Apply(batch, result);
    return result;
  }
  // What was saved of two documents, one of which was replaced.
  std::string Good() {
    const auto store = Value(Open(true));
    EXPECT_OK(store->BeginWrite(0));
    Commit(*store, "d/a.md");
    Commit(*store, "b.md");
    Commit(*store, "d/a.md");
    store->EndWrite();
    return Value(ReadFile(file_));
  }
  void Write(std::string_view bytes) const {
    std::ofstream(file_, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  Random random_{7};
  TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "kb.ragmap";
  StoreModel model_{Metric::kCosine};
};

TEST_F(MapFileTest, IsMadeByWritingOnlyAndFoundAgain) {
  EXPECT_THAT(Open(), StatusIs(StatusCode::kNotFound));
  Value(Open(true));
  EXPECT_FALSE(std::filesystem::exists(file_));
  Good();
  const auto store = Value(Open());
  model_.ExpectEqual(*Value(store->OpenSnapshot()), random_);
  ASSERT_OK(store->BeginWrite(0));
  Commit(*store, "c.md");
  ASSERT_OK(store->Seal({}));
  const auto other = Value(Open());
  model_.ExpectEqual(*Value(other->OpenSnapshot()), random_);
  EXPECT_EQ(Value(other->Setting("uuid")), Value(store->Setting("uuid")));
  EXPECT_THAT(Open(false, Metric::kL2), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(MapFileTest, ABackupIsAnotherFile) {
  Good();
  const auto store = Value(Open());
  const auto copy = folder_.path() / "copy.ragmap";
  EXPECT_EQ(Value(store->Backup({}, copy, false)).nodes, 6u);
  EXPECT_THAT(store->Backup({}, copy, false), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(store->Backup({}, folder_.path() / "copy", false), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(Value(ReadFile(copy)), Value(ReadFile(file_)));
}

TEST_F(MapFileTest, AnyFlippedBitAndAnyCutIsToldWithTheName) {
  const std::string good = Good();
  for (int round = 0; round < 3000; ++round) {
    std::string bad = good;
    const size_t at = round < 256 ? static_cast<size_t>(round) / 8 : random_.Below(bad.size());
    if (random_.OneIn(3)) {
      bad.resize(at);
    } else {
      bad[at] = static_cast<char>(bad[at] ^ (1 << random_.Below(8)));
    }
    if (at >= 12 && at < 16 && bad.size() == good.size()) continue;  // Reserved.
    Write(bad);
    const auto store = Open();
    ASSERT_FALSE(store.ok()) << "at " << at;
    EXPECT_NE(store.status().message().find(file_.string()), std::string::npos) << store.status().ToString();
    EXPECT_FALSE(store.status().remedy().empty());
  }
  Write(good);
  EXPECT_OK(Open());
}

TEST_F(MapFileTest, ANewerFormatSaysSo) {
  std::string bytes = Good();
  bytes[8] = 1;
  Write(bytes);
  const auto store = Open();
  EXPECT_THAT(store, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(store.status().remedy().find("newer Ragtime"), std::string::npos);
}

TEST_F(MapFileTest, WhatCannotBeSavedIsToldAndStaysInMemory) {
  const auto store = Value(Open(true));
  ASSERT_OK(store->BeginWrite(0));
  Commit(*store, "a.md");
  std::filesystem::remove_all(folder_.path());
  const Status lost = store->Seal({});
  EXPECT_THAT(lost, StatusIs(StatusCode::kNotFound));
  EXPECT_NE(lost.message().find("kb.ragmap"), std::string::npos);
  store->EndWrite();
  EXPECT_FALSE(store->BeginWrite(0).ok());
  std::filesystem::create_directories(folder_.path());
  ASSERT_OK(store->BeginWrite(0));
  model_.ExpectEqual(*Value(Value(Open())->OpenSnapshot()), random_);
}

}  // namespace
}  // namespace ragtime
