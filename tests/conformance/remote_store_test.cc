// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever a server does, what RemoteStore acknowledged is there, nothing is there twice, and errors say so.
// Method: a server in memory fails at every call in turn, loses answers, loses everything; the same batches are then
// committed again, and the store is compared with what was written.
#include "store/remote_store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "base/str_cat.h"
#include "testing/store_backends.h"
#include "testing/store_model.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 8;

class RemoteStoreTest : public testing::Test {
 protected:
  // A lease of 1 ms stands for a writer whose process has ended.
  Result<std::unique_ptr<Store>> Open(int64_t lease_ms = 60000) {
    RemoteStoreOptions options{.server = server_, .indexes = RealIndexes(), .state_folder = folder_.path() / "state"};
    options.catalog = std::make_shared<RemoteCatalog>(
        server_, "ragtime_catalog", "",
        RemoteCatalogLimits{.log_commits_max = 2, .row_bytes_max = 700, .lease_ms = lease_ms});
    RAGTIME_ASSIGN_OR_RETURN(auto store, RemoteStore::Open({}, std::move(options), true));
    return std::unique_ptr<Store>(std::move(store));
  }

  DocumentWrite Document(const std::string& path, const std::string& text, size_t nodes = 2) {
    DocumentWrite document{.file = {.file_path = path}};
    for (size_t i = 0; i < nodes; ++i) {
      NewNode node{.vector = RandomVector(random_, kDimension)};
      node.node.position = static_cast<uint32_t>(i);
      node.node.text = StrCat(text, " part ", i);
      document.nodes.push_back(std::move(node));
    }
    return document;
  }

  // Compares the documents with what they must hold: texts by path. Rows that nobody sees must be gone too.
  void ExpectHolds(Store& store, const std::map<std::string, std::string>& expected) {
    const auto snapshot = Value(store.OpenSnapshot());
    std::set<int64_t> ids;
    std::map<std::string, std::string> found;
    for (const FileRecord& file : Value(snapshot->Files())) {
      if (file.is_dir) continue;
      const auto nodes = Value(snapshot->NodesOf(file.id));
      ASSERT_EQ(nodes.size(), file.nodes) << file.file_path;
      for (const NewNode& node : nodes) EXPECT_TRUE(ids.insert(node.node.id).second);
      found[file.file_path] = nodes.empty() ? "" : nodes[0].node.text.substr(0, nodes[0].node.text.find(" part"));
    }
    EXPECT_EQ(found, expected);
    const auto hits = Value(snapshot->SearchVector({}, {.vector = RandomVector(random_, kDimension), .limit = 1000}));
    std::set<int64_t> hit_ids;
    for (const Hit& hit : hits) hit_ids.insert(hit.node_id);
    EXPECT_EQ(hit_ids, ids);
    std::set<int64_t> words;
    for (const Hit& hit : Value(snapshot->SearchKeyword({}, {.text = "part", .limit = 1000})))
      words.insert(hit.node_id);
    EXPECT_EQ(words, ids);
    const std::vector<int64_t> rows = server_->IdsOf("ragtime_nodes");
    EXPECT_EQ(std::set<int64_t>(rows.begin(), rows.end()), ids) << "rows that no document has, or lost ones";
    EXPECT_TRUE(Value(store.Verify({})).empty());
  }

  // The commits of a run: new documents, replaced ones, an erased one, several at once.
  std::vector<WriteBatch> Batches() {
    std::vector<WriteBatch> batches(5);
    batches[0].documents = {Document("a.md", "a1"), Document("b/c.md", "c1", 3)};
    batches[1].documents = {Document("a.md", "a2", 1)};
    batches[2].documents = {Document("b/c.md", "c2"), Document("d.md", "d1", 4)};
    batches[2].settings = {{"k", std::string(2000, 'v')}};
    batches[3].documents = {Document("a.md", "a3"), Document("d.md", "d2")};
    batches[4].documents = {Document("e.md", "e1")};
    return batches;
  }

  const uint64_t seed_ = SeedFromEnvironment();
  testing::ScopedTrace trace_{__FILE__, __LINE__, StrCat("RAGTIME_SEED=", seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  std::shared_ptr<MemoryCollections> server_ = std::make_shared<MemoryCollections>();
};

void Take(const WriteBatch& batch, std::map<std::string, std::string>& texts) {
  for (const DocumentWrite& document : batch.documents) {
    const std::string& text = document.nodes[0].node.text;
    texts[document.file.file_path] = text.substr(0, text.find(" part"));
  }
}

TEST_F(RemoteStoreTest, OneCallFailsAndTheCommitIsTriedAgain) {
  const std::vector<WriteBatch> batches = Batches();
  bool struck = true;
  for (const Fault fault : {Fault::kBefore, Fault::kHalf, Fault::kAfter}) {
    struck = true;
    for (uint64_t at = 0; struck; ++at) {
      SCOPED_TRACE(StrCat("fault ", static_cast<int>(fault), " at call ", at));
      server_ = std::make_shared<MemoryCollections>();
      std::filesystem::remove_all(folder_.path() / "state");
      auto store = Value(Open());
      ASSERT_OK(store->BeginWrite(100));
      struck = false;
      const uint64_t first = server_->calls();
      server_->SetFaults([&, first](uint64_t call, std::string_view, std::string_view) {
        if (call != first + at) return Fault::kNone;
        struck = true;
        return fault;
      });
      std::map<std::string, std::string> texts;
      for (const WriteBatch& batch : batches) {
        auto result = store->Commit({}, batch);
        if (!result.ok()) {
          EXPECT_THAT(result, StatusIs(StatusCode::kUnavailable));
          result = store->Commit({}, batch);
        }
        ASSERT_OK(result);
        Take(batch, texts);
      }
      store->EndWrite();
      server_->SetFaults(nullptr);
      ASSERT_OK(store->BeginWrite(100));
      ExpectHolds(*store, texts);
      if (HasFailure()) return;
    }
  }
}

TEST_F(RemoteStoreTest, TheWriterDiesAtEveryCallAndAnotherOneGoesOn) {
  const std::vector<WriteBatch> batches = Batches();
  for (const Fault fault : {Fault::kBefore, Fault::kHalf, Fault::kAfter}) {
    bool struck = true;
    for (uint64_t at = 0; struck; ++at) {
      SCOPED_TRACE(StrCat("fault ", static_cast<int>(fault), " at call ", at));
      server_ = std::make_shared<MemoryCollections>();
      std::filesystem::remove_all(folder_.path() / "state");
      std::map<std::string, std::string> texts;
      size_t next = 0;
      {
        auto store = Value(Open(1));
        ASSERT_OK(store->BeginWrite(100));
        struck = false;
        const uint64_t first = server_->calls();
        server_->SetFaults([&, first](uint64_t call, std::string_view, std::string_view) {
          if (call < first + at) return Fault::kNone;
          struck = true;
          return call == first + at ? fault : Fault::kBefore;
        });
        for (; next < batches.size() && store->Commit({}, batches[next]).ok(); ++next) Take(batches[next], texts);
      }
      server_->SetFaults(nullptr);
      auto store = Value(Open(1));
      // Before anybody writes: what was acknowledged is there, and what was not is there whole or not at all.
      std::map<std::string, std::string> seen;
      const auto snapshot = Value(store->OpenSnapshot());
      for (const FileRecord& file : Value(snapshot->Files())) {
        if (!file.is_dir) seen[file.file_path] = "";
      }
      for (auto& [path, text] : seen) {
        const auto nodes = Value(snapshot->NodesOf(Value(snapshot->FindFile(path))->id));
        text = nodes.at(0).node.text.substr(0, nodes[0].node.text.find(" part"));
      }
      std::map<std::string, std::string> with_last = texts;
      if (next < batches.size()) Take(batches[next], with_last);
      EXPECT_TRUE(seen == texts || seen == with_last);
      ASSERT_OK(store->BeginWrite(1000));
      for (; next < batches.size(); ++next) {
        ASSERT_OK(store->Commit({}, batches[next]));
        Take(batches[next], texts);
      }
      store->EndWrite();
      ASSERT_OK(store->BeginWrite(1000));
      if (snapshot->generation() == Value(store->OpenSnapshot())->generation()) ExpectHolds(*store, texts);
      if (HasFailure()) return;
    }
  }
}

TEST_F(RemoteStoreTest, AServerThatComesBackEmptyIsAnErrorAndIsNotFilledAgain) {
  auto store = Value(Open());
  ASSERT_OK(store->BeginWrite(100));
  ASSERT_OK(store->Commit({}, Batches()[0]));
  const auto snapshot = Value(store->OpenSnapshot());
  server_->LoseEverything();
  const auto lost = store->OpenSnapshot();
  EXPECT_THAT(lost, StatusIs(StatusCode::kDataLoss));
  EXPECT_NE(lost.status().message().find("on memory is at commit 0, and was at 2"), std::string::npos)
      << lost.status().ToString();
  EXPECT_FALSE(store->Commit({}, Batches()[1]).ok());
  EXPECT_FALSE(snapshot->NodesOf(1).ok());
  EXPECT_FALSE(store->OpenSnapshot().ok()) << "still";
  store->EndWrite();
  EXPECT_THAT(store->BeginWrite(100), StatusIs(StatusCode::kDataLoss));
  auto fresh = Value(Open());
  ASSERT_OK(fresh->BeginWrite(2000));
  ASSERT_OK(fresh->Commit({}, Batches()[0]));
  ExpectHolds(*fresh, {{"a.md", "a1"}, {"b/c.md", "c1"}});
}

TEST_F(RemoteStoreTest, OnlyTheNodesAreLost) {
  auto store = Value(Open());
  ASSERT_OK(store->BeginWrite(100));
  ASSERT_OK(store->Commit({}, Batches()[0]));
  ASSERT_OK(server_->Drop({}, "ragtime_nodes"));
  store->EndWrite();
  auto again = Value(Open());
  const auto hits = Value(again->OpenSnapshot())->SearchVector({}, {.vector = RandomVector(random_, kDimension)});
  EXPECT_THAT(hits, StatusIs(StatusCode::kDataLoss));
  EXPECT_NE(hits.status().message().find("ragtime_nodes"), std::string::npos);
  EXPECT_FALSE(Value(server_->Exists({}, "ragtime_nodes"))) << "must not be made anew over recorded nodes";
}

TEST_F(RemoteStoreTest, ASecondWriterWaitsAndIsToldWhoWrites) {
  auto first = Value(Open());
  auto second = Value(Open());
  ASSERT_OK(first->BeginWrite(100));
  const Status refused = second->BeginWrite(50);
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.message().find(StrCat("process ", ::getpid())), std::string::npos) << refused.ToString();
  first->EndWrite();
  EXPECT_OK(second->BeginWrite(100));
}

TEST_F(RemoteStoreTest, AWriterThatWasTakenForDeadDoesNotOverwriteTheOther) {
  auto first = Value(Open(1));
  ASSERT_OK(first->BeginWrite(100));
  ASSERT_OK(first->Commit({}, Batches()[0]));
  auto second = Value(Open(1));
  ASSERT_OK(second->BeginWrite(1000));
  ASSERT_OK(second->Commit({}, Batches()[1]));
  EXPECT_THAT(first->Commit({}, Batches()[4]), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(first->Commit({}, Batches()[4]), StatusIs(StatusCode::kFailedPrecondition)) << "it writes no longer";
  second->EndWrite();
  first->EndWrite();
  ASSERT_OK(second->BeginWrite(1000));
  ExpectHolds(*second, {{"a.md", "a2"}, {"b/c.md", "c1"}});
}

TEST_F(RemoteStoreTest, AnotherProcessSeesCommitsAndWhatItReadsMayBeReplaced) {
  auto writer = Value(Open());
  auto reader = Value(Open());
  ASSERT_OK(writer->BeginWrite(100));
  ASSERT_OK(writer->Commit({}, Batches()[0]));
  const auto before = Value(reader->OpenSnapshot());
  const DocumentId document = Value(before->FindFile("a.md"))->id;
  const auto nodes = Value(before->NodesOf(document));
  ASSERT_EQ(nodes.size(), 2u);
  ASSERT_OK(writer->Commit({}, Batches()[1]));
  EXPECT_EQ(Value(Value(reader->OpenSnapshot())->NodesOf(Value(Value(reader->OpenSnapshot())->FindFile("a.md"))->id))[0]
                .node.text,
            "a2 part 0");
  EXPECT_THAT(before->NodesOf(document), StatusIs(StatusCode::kAborted));
  const std::vector<NodeId> ids = {nodes[0].node.id};
  EXPECT_EQ(Value(before->GetNodes(ids))[0], std::nullopt);
  for (const Hit& hit : Value(before->SearchVector({}, {.vector = nodes[0].vector, .limit = 100}))) {
    EXPECT_LE(hit.node_id, 5) << "a hit that this snapshot does not have";
  }
}

TEST_F(RemoteStoreTest, NoFewerHitsThanThereAreThoughTheServersIndexMissesSome) {
  server_->SetMissedBySearch(3);
  auto store = Value(Open());
  ASSERT_OK(store->BeginWrite(100));
  for (const WriteBatch& batch : Batches()) ASSERT_OK(store->Commit({}, batch));
  const auto snapshot = Value(store->OpenSnapshot());
  const auto find = [&](size_t limit, const char* filter) {
    return Value(snapshot->SearchVector({}, {.vector = RandomVector(random_, kDimension),
                                             .limit = limit,
                                             .filter = Value(Filter::Parse(filter, NodeFields({})))}))
        .size();
  };
  EXPECT_EQ(find(100, ""), 8u);
  EXPECT_EQ(find(8, ""), 8u);
  EXPECT_EQ(find(8, "position = 0"), 4u);
  EXPECT_EQ(find(8, "file_path like '%.md' and position >= 0"), 8u);
}

TEST_F(RemoteStoreTest, VerifyNamesWhatIsDamagedAndWhatIsMissing) {
  auto store = Value(Open());
  ASSERT_OK(store->BeginWrite(100));
  ASSERT_OK(store->Commit({}, Batches()[0]));
  EXPECT_TRUE(Value(store->Verify({})).empty());
  server_->Damage("ragtime_nodes", 2);
  const auto damaged = Value(store->Verify({}));
  ASSERT_EQ(damaged.size(), 1u);
  EXPECT_NE(damaged[0].message.find("node 2 of a.md"), std::string::npos) << damaged[0].message;
}

TEST_F(RemoteStoreTest, TheWordsOnThisMachineAreMadeAgainWhereTheyAreDamagedOrGone) {
  const auto state = folder_.path() / "state";
  const auto count = [](Store& store) {
    return Value(Value(store.OpenSnapshot())->SearchKeyword({}, {.text = "part", .limit = 100})).size();
  };
  {
    auto store = Value(Open());
    ASSERT_OK(store->BeginWrite(100));
    for (const WriteBatch& batch : Batches()) ASSERT_OK(store->Commit({}, batch));
    EXPECT_EQ(count(*store), 8u);
  }
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(state)) {
    if (entry.path().extension() != ".words") continue;
    ++files;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto size = std::filesystem::file_size(entry.path());
    for (uint64_t at = 200; at < size; at += 16) {
      file.seekp(static_cast<std::streamoff>(at));
      file.write("\xff\xff\xff\xff", 4);
    }
  }
  EXPECT_GT(files, 0u);
  {
    auto store = Value(Open());
    EXPECT_EQ(count(*store), 8u);
  }
  std::filesystem::remove_all(state);
  auto store = Value(Open());
  EXPECT_EQ(count(*store), 8u);
  const uint64_t calls = server_->calls();
  EXPECT_EQ(count(*store), 8u);
  EXPECT_LE(server_->calls() - calls, 1u) << "the second search fetches no text";
}

TEST_F(RemoteStoreTest, BadNamesAndOtherMetricsAreRefused) {
  RemoteStoreOptions options{.server = server_, .name = "a b", .indexes = RealIndexes()};
  EXPECT_THAT(RemoteStore::Open({}, options, true), StatusIs(StatusCode::kInvalidArgument));
  options.name = "ab";
  EXPECT_THAT(RemoteStore::Open({}, options, false), StatusIs(StatusCode::kNotFound));
  ASSERT_OK(RemoteStore::Open({}, options, true));
  options.metric = Metric::kL2;
  EXPECT_THAT(RemoteStore::Open({}, options, true), StatusIs(StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace ragtime
