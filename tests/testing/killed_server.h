// SPDX-License-Identifier: Apache-2.0
//
// What a knowledge base on the server of a vector database must bear: the server is killed in the middle of a commit,
// started again on the same folder, and written to again.
#ifndef RAGTIME_TESTS_TESTING_KILLED_SERVER_H_
#define RAGTIME_TESTS_TESTING_KILLED_SERVER_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "store/remote_catalog.h"
#include "store/remote_store.h"
#include "testing/store_backends.h"

namespace ragtime {

struct KilledServer {
  // Runs the server on its folder and connects to it.
  std::function<std::shared_ptr<CollectionServer>()> start;
  std::function<void()> kill;  // SIGKILL; from any thread.
  std::string named;           // What every error of it holds beside operation and collection.
  int large_commit_documents = 0;
  std::map<std::string, std::string> index_params = {};
};

// A store whose writer before is taken for dead at once.
inline Result<std::unique_ptr<RemoteStore>> OpenAfterWriterDied(const KilledServer& killed) {
  const std::shared_ptr<CollectionServer> server = killed.start();
  RemoteStoreOptions options{.server = server, .index_params = killed.index_params, .indexes = RealIndexes()};
  options.catalog = std::make_shared<RemoteCatalog>(server, "ragtime_catalog", "", RemoteCatalogLimits{.lease_ms = 1});
  return RemoteStore::Open({}, std::move(options), true);
}

// All that was acknowledged is there, whole and once, and nothing else.
inline void ExpectAcknowledged(const RemoteStore& store, const std::map<std::string, size_t>& acknowledged,
                               std::span<const float> query) {
  const auto snapshot = Value(store.OpenSnapshot());
  size_t nodes = 0;
  for (const auto& [path, count] : acknowledged) {
    const auto file = Value(snapshot->FindFile(path));
    ASSERT_TRUE(file.has_value()) << path;
    EXPECT_EQ(Value(snapshot->NodesOf(file->id)).size(), count) << path;
    nodes += count;
  }
  EXPECT_TRUE(Value(store.Verify({})).empty());
  EXPECT_EQ(Value(snapshot->Statistics()).nodes, nodes);
  const auto hits = Value(snapshot->SearchVector({}, {.vector = query, .limit = nodes + 1000}));
  EXPECT_EQ(hits.size(), nodes) << "a node twice, or not found";
}

// Three times: some commits, a large one in whose middle the server is killed at a random moment, and the same again on
// the server that was started anew.
inline void LosesNothingThatWasAcknowledged(const KilledServer& server) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(StrCat("RAGTIME_SEED=", seed));
  Random random(seed);
  constexpr size_t kDimension = 8;
  constexpr size_t kNodes = 10;
  const Context patient{.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(200)};
  std::map<std::string, size_t> acknowledged;
  const auto batch_of = [&](const std::string& folder, int documents) {
    WriteBatch batch;
    for (int i = 0; i < documents; ++i) {
      batch.documents.push_back(RandomDocument(random, StrCat(folder, "/", i), kNodes, kDimension));
    }
    return batch;
  };
  const auto note = [&](const WriteBatch& batch) {
    for (const DocumentWrite& document : batch.documents) acknowledged[document.file.file_path] = kNodes;
  };
  // Its answer may have been lost and not itself: then all of it is there.
  const auto note_if_committed = [&note](const RemoteStore& store, const WriteBatch& batch) {
    if (batch.documents.empty()) return;
    const auto snapshot = Value(store.OpenSnapshot());
    if (Value(snapshot->FindFile(batch.documents.back().file.file_path))) note(batch);
  };
  WriteBatch failed;
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(StrCat("round ", round));
    auto store = Value(OpenAfterWriterDied(server));
    ASSERT_OK(store->BeginWrite(5000));
    note_if_committed(*store, failed);
    if (!acknowledged.empty()) ExpectAcknowledged(*store, acknowledged, RandomVector(random, kDimension));
    if (!failed.documents.empty()) {
      ASSERT_OK(store->Commit(patient, failed).status());
      note(failed);
      ExpectAcknowledged(*store, acknowledged, RandomVector(random, kDimension));
    }
    for (int i = 0; i < 3; ++i) {
      const WriteBatch batch = batch_of(StrCat("small ", round, " ", i), 4);
      ASSERT_OK(store->Commit(patient, batch).status());
      note(batch);
    }
    // The files of the round before are replaced.
    failed = batch_of(StrCat("large ", round / 2), server.large_commit_documents);
    const Stopwatch one_commit;
    const WriteBatch like_it = batch_of("large like it", server.large_commit_documents);
    ASSERT_OK(store->Commit(patient, like_it).status());
    note(like_it);
    const std::chrono::microseconds pause(random.Below(static_cast<uint64_t>(one_commit.ElapsedMs() * 1000) + 1));
    std::jthread killer([&] {
      std::this_thread::sleep_for(pause);
      server.kill();
    });
    const auto result = store->Commit(patient, failed);
    killer.join();
    if (result.ok()) {
      note(failed);
      failed.documents.clear();
      continue;
    }
    EXPECT_NE(result.status().message().find(server.named), std::string::npos) << result.status().ToString();
    EXPECT_NE(result.status().message().find(" of "), std::string::npos) << result.status().ToString();
    EXPECT_NE(result.status().message().find("ragtime_"), std::string::npos) << result.status().ToString();
  }
  auto store = Value(OpenAfterWriterDied(server));
  ASSERT_OK(store->BeginWrite(5000));
  note_if_committed(*store, failed);
  ExpectAcknowledged(*store, acknowledged, RandomVector(random, kDimension));
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_KILLED_SERVER_H_
