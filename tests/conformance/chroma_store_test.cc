// SPDX-License-Identifier: Apache-2.0
//
// Goal: a Chroma server that dies, stalls or answers garbage costs an error that names it, and nothing acknowledged.
// Method: a real server that is killed while it is written to, and scripted ones.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "testing/chroma_backend.h"
#include "testing/scripted_http_server.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 8;

class ChromaStoreTest : public testing::Test {
 protected:
  Result<std::unique_ptr<RemoteStore>> Open(const std::string& url) {
    ChromaOptions chroma{.uri = url};
    chroma.policy = {.timeout_ms = 20000, .idle_timeout_ms = 10000, .retry = {.attempts_max = 2, .backoff_ms = 50}};
    RAGTIME_ASSIGN_OR_RETURN(auto server, ChromaServer::Connect({}, chroma));
    RemoteStoreOptions options{.server = server, .indexes = RealIndexes()};
    // The writer before is taken for dead at once.
    options.catalog =
        std::make_shared<RemoteCatalog>(server, "ragtime_catalog", "", RemoteCatalogLimits{.lease_ms = 1});
    return RemoteStore::Open({}, std::move(options), true);
  }

  Random random_{SeedFromEnvironment()};
  TemporaryFolder folder_;
};

TEST_F(ChromaStoreTest, KilledWhileItIsWrittenToItLosesNothingThatWasAcknowledged) {
  const auto data = folder_.path() / "chroma";
  std::map<std::string, size_t> acknowledged;
  int next = 0;
  for (int round = 0; round < 3; ++round) {
    auto process = Value(ChromaProcess::Start({}, data, ChromaCommand()));
    auto store = Value(Open(process->url()));
    ASSERT_OK(store->BeginWrite(5000));
    {
      const auto snapshot = Value(store->OpenSnapshot());
      for (const auto& [path, nodes] : acknowledged) {
        const auto file = Value(snapshot->FindFile(path));
        ASSERT_TRUE(file.has_value()) << path;
        EXPECT_EQ(Value(snapshot->NodesOf(file->id)).size(), file->nodes);
      }
      EXPECT_TRUE(Value(store->Verify({})).empty());
      const auto all = Value(snapshot->SearchVector({}, {.vector = RandomVector(random_, kDimension), .limit = 1000}));
      EXPECT_EQ(all.size(), Value(snapshot->Statistics()).nodes) << "a node twice, or not found";
    }
    if (round == 2) break;
    // In the middle of a commit, once some have been acknowledged.
    std::atomic<int> commits = 0;
    const auto pause = std::chrono::milliseconds(random_.Below(50));
    std::jthread killer([&](const std::stop_token& stop) {
      while (commits < 3 && !stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::this_thread::sleep_for(pause);
      process->Kill();
    });
    Random batches(next);
    for (;; ++next) {
      WriteBatch batch;
      for (int j = 0; j < 4; ++j) {
        batch.documents.push_back(RandomDocument(batches, StrCat("f", next % 7, "/", j), 10, kDimension));
      }
      const auto result =
          store->Commit({.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20)}, batch);
      if (!result.ok()) {
        EXPECT_NE(result.status().message().find("chroma http://127.0.0.1"), std::string::npos)
            << result.status().ToString();
        break;
      }
      ++commits;
      for (const DocumentWrite& document : batch.documents) acknowledged[document.file.file_path] = 10;
    }
    EXPECT_GE(commits, 3);
    killer.request_stop();
    killer.join();
  }
  EXPECT_FALSE(acknowledged.empty());
}

TEST_F(ChromaStoreTest, WhatIsNoChromaOrStallsIsNamed) {
  ScriptedHttpServer garbage([](const auto&, auto& reply) { reply.SendAnswer(200, "<html>hello"); });
  const auto refused = ChromaServer::Connect({}, {.uri = garbage.url(), .policy = {.retry = {.attempts_max = 1}}});
  EXPECT_THAT(refused, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(refused.status().message().find(garbage.url()), std::string::npos) << refused.status().ToString();
  ScriptedHttpServer silent([](const auto&, auto& reply) { reply.WaitForClientToLeave(); });
  const auto late = ChromaServer::Connect(
      {}, {.uri = silent.url(), .policy = {.idle_timeout_ms = 200, .retry = {.attempts_max = 1}}});
  EXPECT_THAT(late, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(late.status().message().find("sent nothing for 200 ms"), std::string::npos) << late.status().ToString();
  EXPECT_THAT(ChromaServer::Connect({}, {.uri = (folder_.path() / "x").string(), .command = "no-such-chroma"}),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(ChromaStoreTest, AServerThatIsBusyIsAskedAgainAndATokenIsSentAndNotTold) {
  int asked = 0;
  ScriptedHttpServer busy([&](const auto& request, auto& reply) {
    if (++asked == 1) return reply.SendAnswer(503, "{}");
    if (request.target.find("pre-flight") != std::string::npos)
      return reply.SendAnswer(200, R"({"max_batch_size":10})");
    return reply.SendAnswer(401, R"({"message":"no"})");
  });
  const auto refused = ChromaServer::Connect({}, {.uri = busy.url(), .token = "secret-1"});
  EXPECT_THAT(refused, StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(refused.status().ToString().find("secret-1"), std::string::npos);
  ASSERT_EQ(busy.requests().size(), 3u);
  EXPECT_EQ(busy.requests()[0].headers.at("x-chroma-token"), "secret-1");
}

TEST_F(ChromaStoreTest, TenantsAndDatabasesAreMadeAndKeptApart) {
  auto process = Value(ChromaProcess::Start({}, folder_.path() / "chroma", ChromaCommand()));
  const auto open = [&](const std::string& database) {
    auto server =
        Value(ChromaServer::Connect({}, {.uri = process->url(), .tenant = "tenant one", .database = database}));
    return Value(RemoteStore::Open({}, {.server = server, .indexes = RealIndexes()}, true));
  };
  auto first = open("first_db");
  ASSERT_OK(first->BeginWrite(1000));
  ASSERT_OK(first->Commit({}, {.documents = {OneNodeDocument("a.md", "walrus", RandomVector(random_, kDimension))}}));
  EXPECT_TRUE(Value(Value(open("second_db")->OpenSnapshot())->Files()).empty());
  EXPECT_EQ(Value(Value(open("first_db")->OpenSnapshot())->Files()).size(), 1u);
}

}  // namespace
}  // namespace ragtime
