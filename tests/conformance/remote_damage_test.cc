// SPDX-License-Identifier: Apache-2.0
//
// Goal: what stands in a row of the catalog on a server may be anything: the knowledge base is read, or refused with
// what to do; nothing of it is overwritten, and no reading is without end. Method: rows of a good catalog in memory
// are changed, one at a time, and the store is opened and used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/str_cat.h"
#include "store/remote_store.h"
#include "testing/store_backends.h"
#include "testing/store_testing.h"
#include "wire/json.h"

namespace ragtime {
namespace {

using testing::HasSubstr;

constexpr char kCatalog[] = "ragtime_catalog";
constexpr size_t kDimension = 4;

class RemoteDamageTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Value(Open());
    ASSERT_OK(store->BeginWrite(100));
    for (int i = 0; i < 5; ++i) {
      WriteBatch batch;
      batch.documents = {Document(StrCat("folder/", i, ".md")), Document("again.md")};
      ASSERT_OK(store->Commit({}, batch));
    }
  }

  Result<std::unique_ptr<RemoteStore>> Open() {
    RemoteStoreOptions options{.server = server_, .indexes = RealIndexes(), .state_folder = folder_.path() / "state"};
    // The newest two commits stand behind a checkpoint, each in parts.
    options.catalog = std::make_shared<RemoteCatalog>(
        server_, kCatalog, "", RemoteCatalogLimits{.log_commits_max = 3, .row_bytes_max = 300, .lease_ms = 1});
    return RemoteStore::Open({}, std::move(options), true);
  }

  DocumentWrite Document(const std::string& path) {
    DocumentWrite document{.file = {.file_path = path}};
    for (uint32_t i = 0; i < 3; ++i) {
      NewNode node{.vector = RandomVector(random_, kDimension)};
      node.node.position = i;
      node.node.text = StrCat("part ", i);
      document.nodes.push_back(std::move(node));
    }
    return document;
  }

  // All that a reader asks for.
  static Status UseAll(const RemoteStore& store) {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store.OpenSnapshot());
    RAGTIME_RETURN_IF_ERROR(snapshot->Statistics().status());
    RAGTIME_ASSIGN_OR_RETURN(const auto files, snapshot->Files());
    for (const FileRecord& file : files) RAGTIME_RETURN_IF_ERROR(snapshot->NodesOf(file.id).status());
    RAGTIME_RETURN_IF_ERROR(
        snapshot->SearchVector({}, {.vector = std::vector<float>(kDimension, 0.5f), .limit = 10}).status());
    return snapshot->SearchKeyword({}, {.text = "part", .limit = 10}).status();
  }

  Status OpenAndUse() {
    RAGTIME_ASSIGN_OR_RETURN(const auto store, Open());
    return UseAll(*store);
  }

  // The id of the newest commit. Its row has a line of JSON that says where the rest is.
  int64_t Newest() const {
    int64_t newest = 0;
    for (const int64_t id : server_->IdsOf(kCatalog)) {
      if (id % 4096 == 0) newest = std::max(newest, id);
    }
    return newest;
  }

  // What reading gives where one member of the newest commit's row is another.
  Status WithMember(const std::string& key, const Json& value) {
    const int64_t id = Newest();
    std::string before;
    server_->Change(kCatalog, id, [&](CollectionRow& row) {
      before = row.payload;
      const size_t line = std::min(before.find('\n'), before.size());
      Json json = *Json::Parse(std::string_view(before).substr(0, line));
      row.payload = json.Set(key, value).Dump() + before.substr(line);
    });
    Status status = OpenAndUse();
    server_->Change(kCatalog, id, [&](CollectionRow& row) { row.payload = before; });
    EXPECT_OK(OpenAndUse());
    return status;
  }

  const uint64_t seed_ = SeedFromEnvironment();
  testing::ScopedTrace trace_{__FILE__, __LINE__, StrCat("RAGTIME_SEED=", seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  std::shared_ptr<MemoryCollections> server_ = std::make_shared<MemoryCollections>();
};

TEST_F(RemoteDamageTest, ACommitThatFollowsItselfIsNoEndlessChain) {
  const int64_t sequence = Newest() / 4096;
  for (const int64_t previous : {sequence, sequence + 1, int64_t{-1}}) {
    const Status status = WithMember("previous", previous);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << previous;
    EXPECT_THAT(status.ToString(), HasSubstr("follows a later one"));
  }
}

TEST_F(RemoteDamageTest, ACommitOfMorePartsThanThereCanBeIsNotAskedFor) {
  for (const int64_t parts : {int64_t{2048}, INT64_MAX, int64_t{-1}}) {
    const Status status = WithMember("parts", parts);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << parts;
    EXPECT_THAT(status.ToString(), HasSubstr("parts"));
  }
}

TEST_F(RemoteDamageTest, CountersBelowWhatIsThereAreRefusedBeforeAnythingIsWrittenOverIt) {
  const auto damage = [&](int64_t version, int64_t generation, int64_t document, int64_t node) {
    const Status status = WithMember("counters", Json::Array{version, generation, document, node});
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kDataLoss) << status.ToString();
    return status.ToString();
  };
  EXPECT_EQ(damage(1000, 1000, 1000, 1000), "ok");
  EXPECT_THAT(damage(0, 1000, 1000, 1000), HasSubstr("counts backwards"));  // A new knowledge base would be made.
  EXPECT_THAT(damage(1000, 0, 1000, 1000), HasSubstr("counts backwards"));
  EXPECT_THAT(damage(1000, 1000, 2, 1000), HasSubstr("counts backwards"));
  EXPECT_THAT(damage(1000, 1000, 1000, 5), HasSubstr("counts backwards"));
  // More than the commit before, but not more than its own document and nodes: 11, from 28 to 30.
  EXPECT_THAT(damage(1000, 1000, 11, 1000), HasSubstr("holds the document 11 and counts to 11"));
  EXPECT_THAT(damage(1000, 1000, 1000, 30), HasSubstr("3 nodes from 28 on and counts to 30"));
}

TEST_F(RemoteDamageTest, AnyChangeOfARowIsReadOrRefused) {
  const std::vector<int64_t> ids = server_->IdsOf(kCatalog);
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    SCOPED_TRACE(StrCat("round ", round));
    const int64_t id = ids[random_.Below(ids.size())];
    std::string before;
    server_->Change(kCatalog, id, [&](CollectionRow& row) {
      before = row.payload;
      std::string& text = row.payload;
      const size_t at = random_.Below(random_.OneIn(2) ? std::min<size_t>(text.size(), 60) : text.size());
      if (text[at] >= '0' && text[at] <= '9' && random_.OneIn(2)) {
        text.replace(at, 1, random_.OneIn(2) ? "9223372036854775807" : "-1");
      } else if (random_.OneIn(3)) {
        text.erase(at, 1 + random_.Below(6));
      } else {
        text[at] = static_cast<char>(random_.Below(256));
      }
    });
    const Status status = OpenAndUse();
    if (!status.ok()) {
      ++refused;
      EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status.ToString();
      EXPECT_FALSE(status.remedy().empty()) << status.ToString();
    }
    server_->Change(kCatalog, id, [&](CollectionRow& row) { row.payload = before; });
  }
  EXPECT_GT(refused, 100);
  EXPECT_OK(OpenAndUse());
}

}  // namespace
}  // namespace ragtime
