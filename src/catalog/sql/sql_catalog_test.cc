// SPDX-License-Identifier: Apache-2.0
//
// Goal: a catalog in a real PostgreSQL or MariaDB holds what was committed and nothing else, while connections are cut,
// the server crashes, two write and names are strange; and no password shows up anywhere.
#include "catalog/sql/sql_catalog.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "testing/sql_servers.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

std::string RandomBytes(Random& random) {
  static const std::vector<std::string> parts = {
      "a", "文件", "😀", "'", "\"", "\\", ";--", " ", std::string(1, '\0'), "\xff", "\n", ":t0", "%", "\xc3\xa9"};
  std::string text;
  for (uint64_t i = random.Below(8); i > 0; --i) text += parts[random.Below(parts.size())];
  return text;
}

FileRecord RandomFile(Random& random, DocumentId id) {
  FileRecord file;
  file.id = id;
  file.file_name = RandomBytes(random);
  file.file_path = std::to_string(id) + RandomBytes(random);
  file.file_type = "md";
  file.is_dir = random.OneIn(4);
  file.file_size = random.Below(1000) == 0 ? UINT64_MAX : random.Below(1u << 30);
  if (!random.OneIn(3)) file.parent_id = 1 + static_cast<int64_t>(random.Below(100));
  file.create_time_ms = static_cast<int64_t>(random.Below(2000000000000));
  file.modified_time_ns = -static_cast<int64_t>(random.Below(1000000000));
  file.content_hash = RandomBytes(random);
  file.encoding = "UTF-8";
  file.fields = RandomFields(random);
  file.status = static_cast<FileStatus>(random.Below(3));
  file.error = random.OneIn(50) ? std::string(100000, 'e') : RandomBytes(random);
  file.nodes = random.Below(1000);
  return file;
}

// What a catalog must hold.
struct Model {
  SharedState state;
  std::map<DocumentId, FileRecord> files;

  SharedChange Next(Random& random) {
    SharedChange change;
    change.counters = state.counters;
    ++change.counters.version;
    change.counters.generation += random.Below(3);
    change.counters.next_node_id += static_cast<int64_t>(random.Below(100));
    for (const auto& [id, file] : files) {
      if (!random.OneIn(8)) continue;
      change.removed.push_back(id);
      if (random.OneIn(2)) change.put.push_back(RandomFile(random, id));
    }
    for (uint64_t i = random.Below(random.OneIn(5) ? 250 : 6); i > 0; --i) {
      change.put.push_back(RandomFile(random, change.counters.next_document_id++));
    }
    if (random.OneIn(2)) change.settings["key " + std::to_string(random.Below(4)) + " "] = RandomBytes(random);
    if (random.OneIn(3)) change.settings["KEY"] = RandomBytes(random);
    if (random.OneIn(3)) change.settings["key"] = RandomBytes(random);
    return change;
  }
  void Apply(const SharedChange& change) {
    state.counters = change.counters;
    for (const DocumentId id : change.removed) files.erase(id);
    for (const FileRecord& file : change.put) files[file.id] = file;
    for (const auto& [key, value] : change.settings) state.settings[key] = value;
  }
  void ExpectEqual(SharedCatalog& catalog) const {
    EXPECT_EQ(Value(catalog.ReadCounters({})), state.counters);
    const SharedState found = Value(catalog.ReadAll({}));
    EXPECT_EQ(found.counters, state.counters);
    EXPECT_EQ(found.settings, state.settings);
    std::vector<FileRecord> expected;
    for (const auto& [id, file] : files) expected.push_back(file);
    std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.file_path < b.file_path; });
    ASSERT_EQ(found.files.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(found.files[i], expected[i]) << expected[i].file_path;
  }
};

class SqlCatalogTest : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { servers_ = new std::map<std::string, std::unique_ptr<SqlServer>>(); }
  static void TearDownTestSuite() {
    delete servers_;
    servers_ = nullptr;
  }
  void SetUp() override {
    auto& server = (*servers_)[GetParam()];
    if (!server) server = GetParam() == "Postgresql" ? SqlServer::StartPostgresql() : SqlServer::StartMariadb();
    ASSERT_NE(server, nullptr);
    server_ = server.get();
  }
  std::unique_ptr<SqlCatalog> Open(const std::string& name = Name()) {
    return Value(SqlCatalog::Open({}, server_->uri(), name));
  }
  // Each test has a catalog of its own.
  static std::string Name() {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(name.begin(), name.end(), '/', '-');
    return name;
  }

  static std::map<std::string, std::unique_ptr<SqlServer>>* servers_;
  SqlServer* server_ = nullptr;
  const uint64_t seed_ = SeedFromEnvironment();
  const testing::ScopedTrace trace_{__FILE__, __LINE__, "RAGTIME_SEED=" + std::to_string(seed_)};
  Random random_{seed_};
};

std::map<std::string, std::unique_ptr<SqlServer>>* SqlCatalogTest::servers_ = nullptr;

TEST_P(SqlCatalogTest, HoldsWhatWasCommitted) {
  const auto catalog = Open();
  const auto other = Open();
  Model model;
  model.ExpectEqual(*catalog);
  for (int i = 0; i < 40; ++i) {
    const SharedChange change = model.Next(random_);
    ASSERT_OK(catalog->Apply({}, change));
    model.Apply(change);
    if (i % 8 == 0) model.ExpectEqual(*other);
  }
  model.ExpectEqual(*Open());
  Model nothing;
  nothing.ExpectEqual(*Open("another-catalog-of-" + GetParam()));
}

TEST_P(SqlCatalogTest, AStaleCommitIsRefusedAndChangesNothing) {
  const auto catalog = Open();
  const auto other = Open();
  Model model;
  const SharedChange first = model.Next(random_);
  ASSERT_OK(catalog->Apply({}, first));
  model.Apply(first);
  SharedChange stale = Model().Next(random_);  // Also version 1.
  stale.settings["stale"] = "1";
  EXPECT_THAT(other->Apply({}, stale), StatusIs(StatusCode::kAborted));
  stale.counters.version = 7;
  EXPECT_THAT(other->Apply({}, stale), StatusIs(StatusCode::kAborted));
  SharedChange twice = model.Next(random_);
  twice.put = {RandomFile(random_, 1000), RandomFile(random_, 1000)};
  EXPECT_FALSE(other->Apply({}, twice).ok()) << "one id was put twice";
  model.ExpectEqual(*catalog);
  const SharedChange next = model.Next(random_);
  ASSERT_OK(other->Apply({}, next));
  model.Apply(next);
  model.ExpectEqual(*catalog);
}

TEST_P(SqlCatalogTest, CommitsAreDoneOnceWhileConnectionsAreCut) {
  const auto catalog = Open();
  Model model;
  ASSERT_OK(catalog->AcquireWrite({}, 0));
  std::atomic<bool> stop = false;
  std::thread cutter([&] {
    while (!stop) {
      server_->KillClients();
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
  });
  int failed = 0;
  for (int i = 0; i < 60; ++i) {
    const SharedChange change = model.Next(random_);
    Status status = catalog->Apply({}, change);
    // Cut too often in a row: it is still not known to be done twice or by half.
    for (; !status.ok(); status = catalog->Apply({}, change)) {
      ASSERT_THAT(status, StatusIs(StatusCode::kUnavailable));
      const auto now = catalog->ReadCounters({});
      if (now.ok() && now->version == change.counters.version) break;
      ASSERT_LT(++failed, 1000);
    }
    model.Apply(change);
  }
  stop = true;
  cutter.join();
  model.ExpectEqual(*catalog);
}

TEST_P(SqlCatalogTest, TwoWritersNameEachOtherAndNothingIsLost) {
  const auto one = Open();
  const auto two = Open();
  Model model;
  const SharedChange first = model.Next(random_);
  ASSERT_OK(one->Apply({}, first));
  model.Apply(first);
  ASSERT_OK(one->AcquireWrite({}, 0));
  ASSERT_OK(one->AcquireWrite({}, 0));
  const Status refused = two->AcquireWrite({}, 100);
  ASSERT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.message().find("process " + std::to_string(::getpid())), std::string::npos) << refused.ToString();
  ASSERT_OK(Open("a-catalog-nobody-writes-to-" + GetParam())->AcquireWrite({}, 0));
  one->ReleaseWrite();
  ASSERT_OK(two->AcquireWrite({}, 5000));
  two->ReleaseWrite();

  std::atomic<uint64_t> committed = 0;
  const auto write = [&](SqlCatalog& catalog) {
    for (int i = 0; i < 15; ++i) {
      ASSERT_OK(catalog.AcquireWrite({}, 60000));
      SharedChange change{.counters = Value(catalog.ReadCounters({}))};
      ++change.counters.version;
      change.put.push_back({.id = change.counters.next_document_id++, .file_path = "x"});
      ASSERT_OK(catalog.Apply({}, change));
      ++committed;
      catalog.ReleaseWrite();
    }
  };
  std::thread thread([&] { write(*one); });
  write(*two);
  thread.join();
  EXPECT_EQ(committed, 30u);
  EXPECT_EQ(Value(two->ReadCounters({})).version, model.state.counters.version + 30);
  EXPECT_EQ(Value(two->ReadAll({})).files.size(), model.files.size() + 30);
}

TEST_P(SqlCatalogTest, TheRightToWriteIsLostWithItsConnectionAndTold) {
  const auto one = Open();
  const auto two = Open();
  Model model;
  SharedChange change = model.Next(random_);
  ASSERT_OK(one->AcquireWrite({}, 0));
  ASSERT_OK(one->Apply({}, change));
  model.Apply(change);
  server_->KillClients();
  ASSERT_OK(two->AcquireWrite({}, 10000));
  change = model.Next(random_);
  const Status lost = one->Apply({}, change);
  ASSERT_THAT(lost, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(lost.message().find("was lost"), std::string::npos) << lost.ToString();
  ASSERT_OK(two->Apply({}, change));
  two->ReleaseWrite();
}

TEST_P(SqlCatalogTest, AServerThatCrashedComesBackWithWhatWasCommitted) {
  const auto catalog = Open();
  Model model;
  SharedChange change = model.Next(random_);
  ASSERT_OK(catalog->Apply({}, change));
  model.Apply(change);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // This server flushes its log once a second.
  server_->Kill();
  change = model.Next(random_);
  const Status dead = catalog->Apply({}, change);
  ASSERT_THAT(dead, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(dead.message().find("catalogs: connecting"), std::string::npos) << dead.ToString();
  EXPECT_EQ(dead.ToString().find(SqlServer::kPassword), std::string::npos);
  EXPECT_THAT(catalog->ReadAll({}), StatusIs(StatusCode::kUnavailable));
  ASSERT_TRUE(server_->Start());
  ASSERT_OK(catalog->Apply({}, change));
  model.Apply(change);
  model.ExpectEqual(*catalog);
}

TEST_P(SqlCatalogTest, AServerThatStallsIsNotWaitedForWithoutEnd) {
  const auto catalog = Value(SqlCatalog::Open({}, server_->uri() + "&silence_timeout_s=1", Name()));
  Model model;
  SharedChange change = model.Next(random_);
  ASSERT_OK(catalog->Apply({}, change));
  model.Apply(change);
  server_->Stall(true);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(catalog->ReadCounters({}), StatusIs(StatusCode::kUnavailable));
  change = model.Next(random_);
  const Status stalled = catalog->Apply({}, change);
  EXPECT_THAT(stalled, StatusIs(StatusCode::kUnavailable));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(180));
  server_->Stall(false);
  ASSERT_OK(catalog->Apply({}, change));
  model.Apply(change);
  model.ExpectEqual(*catalog);
}

TEST_P(SqlCatalogTest, WhoMayNotIsTold) {
  const auto refused = SqlCatalog::Open({}, server_->wrong_uri(), "x");
  ASSERT_THAT(refused, StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(refused.status().ToString().find("wrong one"), std::string::npos) << refused.status().ToString();
  EXPECT_THAT(SqlCatalog::Open({}, server_->uri(), "no/name"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(SqlCatalog::Open({}, "mysql://h", "x"), StatusIs(StatusCode::kInvalidArgument));
  std::stop_source stop;
  stop.request_stop();
  const auto catalog = Open();
  EXPECT_THAT(catalog->ReadAll({.stop = stop.get_token()}), StatusIs(StatusCode::kCancelled));
  SharedChange change{.counters = {.version = 1}};
  EXPECT_THAT(catalog->Apply({.stop = stop.get_token()}, change), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(Value(catalog->ReadCounters({})).version, 0u);
}

INSTANTIATE_TEST_SUITE_P(Servers, SqlCatalogTest, testing::Values("Postgresql", "Mariadb"),
                         [](const auto& server) { return server.param; });

}  // namespace
}  // namespace ragtime
