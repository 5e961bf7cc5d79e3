// SPDX-License-Identifier: Apache-2.0
//
// Goal: whatever call to the file system fails, is cut in half or is the last one of the process, the knowledge base
// opens, holds exactly the acknowledged commits or one more (the one in flight), answers, and takes the next commit.
// Method: a driver commits numbered batches under faulty_fs, which strikes at each counted call in turn. A MapStore
// that took the same batches is the oracle. RAGTIME_CRASH_POINTS is how many calls of each run are struck (default 100;
// 0: all).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "base/str_cat.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "simulation/numbered_batches.h"
#include "store/embedded/embedded_store.h"
#include "store/map/map_store.h"
#include "testing/status_matchers.h"
#include "testing/store_model.h"

namespace ragtime {
namespace {

constexpr int kBatches = 14;

struct DriverRun {
  int exit_code = 0;  // 137: killed.
  int acknowledged = 0;
  std::string output;
};

class CrashTest : public testing::Test {
 protected:
  std::filesystem::path kb() const { return folder_.path() / "kb"; }

  // What the store must hold after batch k.
  const StoreModel& ModelAfter(int k) {
    while (static_cast<int>(models_.size()) <= k) {
      const WriteBatch batch = NumberedBatch(static_cast<int>(models_.size()));
      StoreModel model = models_.back();
      model.Apply(batch, Value(oracle_.Commit({}, batch)));
      models_.push_back(std::move(model));
    }
    return models_[static_cast<size_t>(k)];
  }

  void SetUp() override { ASSERT_OK(oracle_.BeginWrite(0)); }

  // Starts the driver with its output in a file; `environment` is added to ours.
  pid_t Start(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) const {
    const int fd = ::open((folder_.path() / "output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const pid_t child = ::fork();
    if (child != 0) {
      ::close(fd);
      return child;
    }
    ::dup2(fd, STDOUT_FILENO);
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> argv = {const_cast<char*>(RAGTIME_STORE_DRIVER)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  DriverRun Finish(pid_t child) const {
    int status = 0;
    ::waitpid(child, &status, 0);
    DriverRun run;
    run.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    run.output = Value(ReadFile(folder_.path() / "output"));
    std::istringstream lines(run.output);
    for (std::string word; lines >> word;) {
      if (word == "ack") lines >> run.acknowledged;
    }
    return run;
  }

  std::vector<std::string> Faulty(const std::string& mode, long at) const {
    return {StrCat("LD_PRELOAD=", RAGTIME_FAULTY_FS), "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0",
            StrCat("FAULTY_FS_PATH=", kb().string()), StrCat("FAULTY_FS_MODE=", mode), StrCat("FAULTY_FS_AT=", at)};
  }

  DriverRun WriteUnder(const std::string& mode, long at, const std::string& command = "write") const {
    std::filesystem::remove_all(kb());
    return Finish(Start({command, kb().string(), "1", StrCat(kBatches)}, Faulty(mode, at)));
  }

  // The calls of an undisturbed run, as lines of faulty_fs's log.
  std::vector<std::string> LogOfARun() const {
    std::filesystem::remove_all(kb());
    const auto log = folder_.path() / "log";
    auto environment = Faulty("count", 0);
    environment.push_back(StrCat("FAULTY_FS_LOG=", log.string()));
    const DriverRun run = Finish(Start({"write", kb().string(), "1", StrCat(kBatches)}, environment));
    EXPECT_EQ(run.exit_code, 0) << run.output;
    EXPECT_EQ(run.acknowledged, kBatches);
    std::vector<std::string> lines;
    std::ifstream in(log);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  std::vector<long> Points() const {
    long calls = 0;
    for (const std::string& line : LogOfARun()) calls += line[0] != '-';
    EXPECT_GT(calls, 200) << "too few calls: is faulty_fs loaded?";
    const char* wanted = std::getenv("RAGTIME_CRASH_POINTS");
    const long count = wanted != nullptr ? std::atol(wanted) : 100;
    std::vector<long> points;
    const long step = count == 0 ? 1 : std::max(1L, calls / count);
    // Each run of the test begins elsewhere, so that in time every call is struck.
    const long first = 1 + static_cast<long>(SeedFromEnvironment() % static_cast<uint64_t>(step));
    for (long at = first; at <= calls; at += step) points.push_back(at);
    return points;
  }

  std::unique_ptr<EmbeddedStore> Open(bool create) const {
    const IndexSet indexes{.vector = std::make_shared<FlatIndexType>(),
                           .keyword = std::make_shared<Bm25IndexType>(),
                           .fields = std::make_shared<ColumnsType>()};
    return Value(EmbeddedStore::Open({.uri = kb().string()}, indexes, create, SimulationLimits()));
  }

  size_t SegmentFolders() const {
    const auto entries = std::filesystem::directory_iterator(kb() / "segments");
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
  }

  // Looks at what a disturbed driver left, and goes on with it. Returns the last batch it holds.
  int ExpectWholeAndGoOn(int acknowledged) {
    Random random(1);
    if (acknowledged == 0 && !std::filesystem::exists(kb() / "catalog.sqlite")) Open(true);
    auto store = Open(false);
    const int held = std::atoi(Value(store->Setting(kBatchSetting)).value_or("0").c_str());
    EXPECT_GE(held, acknowledged) << "an acknowledged commit is lost";
    EXPECT_LE(held, acknowledged + 1);
    ModelAfter(held).ExpectEqual(*Value(store->OpenSnapshot()), random);
    EXPECT_OK(Soundness(*store));
    EXPECT_OK(store->BeginWrite(0));
    EXPECT_EQ(SegmentFolders(), Value(Value(store->OpenSnapshot())->Statistics()).segments) << "an orphan is left";
    EXPECT_OK(store->Commit({}, NumberedBatch(held + 1)));
    ModelAfter(held + 1).ExpectEqual(*Value(store->OpenSnapshot()), random);
    EXPECT_OK(store->Seal({}));
    store->EndWrite();
    store = Open(false);
    ModelAfter(held + 1).ExpectEqual(*Value(store->OpenSnapshot()), random);
    return held + 1;
  }

  TemporaryFolder folder_;
  MapStore oracle_{StoreConfig{}, std::make_shared<ColumnsType>()};
  std::vector<StoreModel> models_ = {StoreModel(Metric::kCosine)};
};

TEST_F(CrashTest, KilledBeforeAnyCall) {
  for (const long at : Points()) {
    SCOPED_TRACE(StrCat("call ", at));
    const DriverRun run = WriteUnder("kill", at);
    ASSERT_EQ(run.exit_code, 137) << run.output;
    ExpectWholeAndGoOn(run.acknowledged);
    if (HasFailure()) return;
  }
}

TEST_F(CrashTest, KilledInTheMiddleOfAnyCall) {
  for (const long at : Points()) {
    SCOPED_TRACE(StrCat("call ", at));
    const DriverRun run = WriteUnder("torn", at);
    ASSERT_EQ(run.exit_code, 137) << run.output;
    ExpectWholeAndGoOn(run.acknowledged);
    if (HasFailure()) return;
  }
}

TEST_F(CrashTest, AFullDiskIsAClearErrorAndLosesNothing) {
  int errors = 0;
  for (const long at : Points()) {
    SCOPED_TRACE(StrCat("call ", at));
    const DriverRun run = WriteUnder("enospc", at);
    if (run.exit_code != 0) {
      ASSERT_EQ(run.exit_code, 1) << run.output;
      EXPECT_NE(run.output.find("error resource_exhausted"), std::string::npos) << run.output;
      EXPECT_NE(run.output.find("free some disk space"), std::string::npos) << run.output;
      ++errors;
    }
    ExpectWholeAndGoOn(run.acknowledged);
    if (HasFailure()) return;
  }
  EXPECT_GT(errors, 0);
}

TEST_F(CrashTest, AnErrorOfTheDiskLosesNothingAndTheNextTryWorks) {
  for (const long at : Points()) {
    SCOPED_TRACE(StrCat("call ", at));
    const DriverRun run = WriteUnder("eio", at, "retry");
    EXPECT_EQ(run.exit_code, 0) << run.output;
    EXPECT_EQ(run.acknowledged, kBatches);
    ExpectWholeAndGoOn(run.acknowledged);
    if (HasFailure()) return;
  }
}

TEST_F(CrashTest, KilledAtRandomMoments) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(StrCat("RAGTIME_SEED=", seed));
  Random random(seed);
  int held = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(StrCat("round ", round));
    if (round % 20 == 0) {
      // Grown too large to be compared in no time.
      std::filesystem::remove_all(kb());
      held = 0;
    }
    const std::string command = round % 2 == 0 ? "background" : "write";
    const pid_t child = Start({command, kb().string(), StrCat(held + 1), "1000000"}, {});
    std::this_thread::sleep_for(std::chrono::microseconds(random.Below(40'000)));
    ::kill(child, SIGKILL);
    const DriverRun run = Finish(child);
    ASSERT_EQ(run.exit_code, 137) << run.output;
    held = ExpectWholeAndGoOn(std::max(held, run.acknowledged));
    if (HasFailure()) return;
  }
  RecordProperty("batches", held);
}

// Calls of a thread come in another order each time, so that a run may also end before the call that was chosen.
TEST_F(CrashTest, AnyFailureWithMergesInTheBackground) {
  const std::vector<long> points = Points();
  int disturbed = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const std::string mode = std::vector<std::string>{"kill", "torn", "enospc", "eio"}[i % 4];
    SCOPED_TRACE(StrCat(mode, " at call ", points[i]));
    const DriverRun run = WriteUnder(mode, points[i], "background");
    EXPECT_TRUE(run.exit_code == 0 || run.exit_code == 1 || run.exit_code == 137) << run.exit_code << run.output;
    disturbed += run.exit_code == 0 ? 0 : 1;
    ExpectWholeAndGoOn(run.acknowledged);
    if (HasFailure()) return;
  }
  EXPECT_GT(disturbed, 0);
}

TEST_F(CrashTest, AClockThatJumpsLosesNothing) {
  for (const int step_s : {-86400, -1, 86400}) {
    SCOPED_TRACE(StrCat("a question moves the clock by ", step_s, " s"));
    std::filesystem::remove_all(kb());
    auto environment = Faulty("count", 0);
    environment.push_back(StrCat("FAULTY_CLOCK_STEP_S=", step_s));
    const DriverRun run = Finish(Start({"background", kb().string(), "1", StrCat(kBatches)}, environment));
    ASSERT_EQ(run.exit_code, 0) << run.output;
    ASSERT_EQ(run.acknowledged, kBatches);
    ExpectWholeAndGoOn(run.acknowledged);
    if (HasFailure()) return;
  }
}

TEST_F(CrashTest, AnUpgradeThatIsKilledGoesOnFromThere) {
  ASSERT_EQ(WriteUnder("count", 0).exit_code, 0);
  const auto good = folder_.path() / "good";
  std::filesystem::copy(kb(), good, std::filesystem::copy_options::recursive);
  const auto upgrade_under = [&](const std::string& mode, long at) {
    std::filesystem::remove_all(kb());
    std::filesystem::copy(good, kb(), std::filesystem::copy_options::recursive);
    return Finish(Start({"upgrade", kb().string()}, Faulty(mode, at)));
  };
  const auto notes = [&] { return Finish(Start({"notes", kb().string()}, {})).output; };
  ASSERT_EQ(upgrade_under("count", 0).exit_code, 0);
  const std::string expected = notes();
  EXPECT_NE(expected.find("bc:"), std::string::npos) << expected;
  for (const std::string mode : {"kill", "torn", "enospc", "eio"}) {
    int disturbed = 0;
    for (long at = 1; at < 100; ++at) {
      SCOPED_TRACE(StrCat(mode, " at call ", at));
      const DriverRun run = upgrade_under(mode, at);
      if (run.exit_code == 0) break;  // It has fewer calls.
      ++disturbed;
      ASSERT_EQ(run.exit_code, mode == "kill" || mode == "torn" ? 137 : 1) << run.output;
      ASSERT_EQ(Finish(Start({"upgrade", kb().string()}, {})).exit_code, 0);
      EXPECT_EQ(notes(), expected);
      if (HasFailure()) return;
    }
    EXPECT_GT(disturbed, 3) << mode;
  }
}

TEST_F(CrashTest, AReaderInAnotherProcessNeedsNoLock) {
  const auto store = Open(true);
  ASSERT_OK(store->BeginWrite(0));
  for (int k = 1; k <= 3; ++k) {
    ASSERT_OK(store->Commit({}, NumberedBatch(k)));
    const DriverRun run = Finish(Start({"count", kb().string()}, {}));
    EXPECT_EQ(run.output, StrCat(ModelAfter(k).LiveNodes().size(), " failed_precondition\n"));
  }
}

// What must be on disk is asked of the kernel in the right order: this is what holds when the power fails.
TEST_F(CrashTest, FilesAreSyncedBeforeTheCommitThatNamesThem) {
  size_t renames = 0;
  std::set<std::string> unsynced;    // Written, and not fsynced since.
  std::set<std::string> renamed_in;  // Folders with a new name, not fsynced since.
  for (const std::string& line : LogOfARun()) {
    std::istringstream words(line);
    std::string number, call, path;
    words >> number >> call >> path;
    SCOPED_TRACE(line);
    if (call == "write" || call == "pwrite" || call == "ftruncate" || call == "create") {
      if (!path.ends_with("-shm") && !path.ends_with("LOCK")) unsynced.insert(path);
      if (call == "create") renamed_in.insert(std::filesystem::path(path).parent_path());
      if (path.ends_with("catalog.sqlite-wal") && call == "pwrite") {
        for (const std::string& file : unsynced)
          EXPECT_FALSE(file.ends_with("segment.rag")) << file << " is not synced";
        for (const std::string& folder : renamed_in) EXPECT_EQ(folder.find("segments"), std::string::npos) << folder;
      }
    } else if (call == "mkdir") {
      renamed_in.insert(std::filesystem::path(path).parent_path());
    } else if (call == "fsync") {
      unsynced.erase(path);
      renamed_in.erase(path);
    } else if (call == "rename") {
      EXPECT_FALSE(unsynced.contains(path + "/segment.rag"));
      EXPECT_FALSE(unsynced.contains(path));
      EXPECT_FALSE(renamed_in.contains(path));
      renamed_in.insert(std::filesystem::path(path).parent_path());
      ++renames;
    } else if (call == "ack") {
      for (const std::string& file : unsynced)
        EXPECT_FALSE(file.ends_with("-wal")) << "acknowledged before it was synced";
    }
  }
  EXPECT_GT(renames, 3u);
}

}  // namespace
}  // namespace ragtime
