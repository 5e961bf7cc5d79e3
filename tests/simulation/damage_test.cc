// SPDX-License-Identifier: Apache-2.0
//
// Goal: a knowledge base in which any byte of any file is flipped, or any file is cut, missing, unreadable or of a
// newer format, answers or says which file is wrong; it never crashes, and others' files stay as they are.
// Method: a knowledge base that a killed writer left, with segments, a tail, deletions and a log that is not empty.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "base/files.h"
#include "base/str_cat.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "simulation/numbered_batches.h"
#include "store/embedded/embedded_store.h"
#include "testing/status_matchers.h"
#include "testing/store_consistency.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

IndexSet Indexes() {
  return {.vector = std::make_shared<FlatIndexType>(),
          .keyword = std::make_shared<Bm25IndexType>(),
          .fields = std::make_shared<ColumnsType>()};
}

void Write(const fs::path& file, std::string_view bytes) {
  fs::remove(file);
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Opens, reads and verifies everything. The first error, or OK.
Status UseAll(const fs::path& kb, Random& random) {
  RAGTIME_ASSIGN_OR_RETURN(const auto store,
                           EmbeddedStore::Open({.uri = kb.string()}, Indexes(), false, SimulationLimits()));
  const auto snapshot = store->OpenSnapshot();
  Status status = snapshot.status();
  if (snapshot.ok()) {
    status = CheckConsistent(**snapshot, random, kSimulationDimension);
    std::vector<NodeId> ids(100);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<NodeId>(i);
    (void)(*snapshot)->GetNodes(ids);
    for (DocumentId id = 0; id < 40; ++id) (void)(*snapshot)->NodesOf(id);
  }
  // Searching does not compare what it reads with checksums, so that it may answer wrongly; verifying tells.
  const Status sound = Soundness(*store);
  EXPECT_FALSE(status.code() == StatusCode::kInternal && sound.ok()) << status.ToString();
  return status.ok() || status.code() == StatusCode::kInternal ? sound : status;
}

class DamageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    fs::create_directories(folder_->path());
    const pid_t child = ::fork();
    if (child == 0) {
      const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
      ::dup2(null, STDOUT_FILENO);
      ::setenv("LD_PRELOAD", RAGTIME_FAULTY_FS, 1);
      ::setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
      const std::string kb = Good().string();
      ::setenv("FAULTY_FS_PATH", kb.c_str(), 1);
      ::setenv("FAULTY_FS_MODE", "kill", 1);
      ::setenv("FAULTY_FS_AT", "400", 1);
      ::execl(RAGTIME_STORE_DRIVER, RAGTIME_STORE_DRIVER, "write", kb.c_str(), "1", "100", static_cast<char*>(nullptr));
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(WEXITSTATUS(status), 137);
    fs::remove(Good() / "catalog.sqlite-shm");  // An index of the log, made anew by whoever opens it.
    fs::copy(Good(), Clean(), fs::copy_options::recursive);
    const auto store = Value(EmbeddedStore::Open({.uri = Clean().string()}, Indexes(), false, SimulationLimits()));
    ASSERT_OK(store->BeginWrite(0));
    store->EndWrite();
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(Clean() / StrCat("catalog.sqlite", suffix));
  }
  static void TearDownTestSuite() { delete folder_; }
  // As the killed writer left it: much of the catalog is in the log, and a segment may lie there that nobody names.
  static fs::path Good() { return folder_->path() / "good"; }
  // As the next writer leaves it: each file there counts.
  static fs::path Clean() { return folder_->path() / "clean"; }

  // A copy to damage.
  fs::path Copy(const fs::path& from = Clean()) const {
    const fs::path kb = folder_->path() / "bad";
    fs::remove_all(kb);
    fs::copy(from, kb, fs::copy_options::recursive);
    return kb;
  }
  static std::vector<fs::path> FilesOf(const fs::path& kb) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(kb)) {
      if (entry.is_regular_file() && entry.path().filename() != "LOCK") files.push_back(fs::relative(entry.path(), kb));
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  // An error names a file of the knowledge base and says what to do.
  static void ExpectNamed(const Status& status, const fs::path& kb) {
    EXPECT_NE(status.ToString().find(kb.string()), std::string::npos) << status.ToString();
    EXPECT_NE(status.code(), StatusCode::kUnknown);
  }
  // Runs `work` as a user who is not root.
  static int AsOrdinaryUser(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(100);
      ::_exit(work());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
  }

  static TemporaryFolder* folder_;
  const uint64_t seed_ = SeedFromEnvironment();
  testing::ScopedTrace trace_{__FILE__, __LINE__, StrCat("RAGTIME_SEED=", seed_)};
  Random random_{seed_};
};
TemporaryFolder* DamageTest::folder_ = nullptr;

TEST_F(DamageTest, TheUndamagedOneIsWholeAndHasOneOfEach) {
  EXPECT_GT(fs::file_size(Good() / "catalog.sqlite-wal"), 0u);
  EXPECT_OK(UseAll(Copy(Good()), random_));
  const fs::path kb = Copy();
  EXPECT_OK(UseAll(kb, random_));
  const auto store = Value(EmbeddedStore::Open({.uri = kb.string()}, Indexes(), false));
  const StoreStatistics statistics = Value(Value(store->OpenSnapshot())->Statistics());
  EXPECT_GT(statistics.segments, 0u);
  EXPECT_GT(statistics.tail_nodes, 0u);
  EXPECT_GT(statistics.deleted_nodes, 0u);
}

TEST_F(DamageTest, AFlippedByteOfAnyFileIsToldOrHarmless) {
  for (const fs::path& from : {Clean(), Good()}) {
    for (const fs::path& file : FilesOf(from)) {
      const std::string good = Value(ReadFile(from / file));
      size_t told = 0;
      for (int round = 0; round < 60; ++round) {
        SCOPED_TRACE(StrCat((from / file).string(), " round ", round));
        const fs::path kb = Copy(from);
        std::string bad = good;
        // Headers decide most.
        const size_t at = random_.Below(random_.OneIn(2) ? std::min<size_t>(bad.size(), 4200) : bad.size());
        bad[at] = static_cast<char>(bad[at] ^ (1 << random_.Below(8)));
        Write(kb / file, bad);
        const Status status = UseAll(kb, random_);
        if (status.ok()) continue;
        ++told;
        ExpectNamed(status, kb);
      }
      if (from == Clean()) {
        EXPECT_GT(told, 0u) << file;
      }
    }
  }
}

TEST_F(DamageTest, AFileCutAnywhereIsToldOrAnOlderState) {
  for (const fs::path& from : {Clean(), Good()}) {
    for (const fs::path& file : FilesOf(from)) {
      const std::string good = Value(ReadFile(from / file));
      for (int round = 0; round < 25; ++round) {
        const size_t size = round == 0 ? 0 : random_.Below(good.size());
        SCOPED_TRACE(StrCat((from / file).string(), " of ", good.size(), " bytes cut to ", size));
        const fs::path kb = Copy(from);
        Write(kb / file, std::string_view(good).substr(0, size));
        const Status status = UseAll(kb, random_);
        // What is not whole at the end of the log counts as never acknowledged.
        if (from == Clean()) {
          EXPECT_FALSE(status.ok());
        }
        if (!status.ok()) ExpectNamed(status, kb);
      }
    }
  }
}

TEST_F(DamageTest, AMissingSegmentIsNamed) {
  for (const fs::path& file : FilesOf(Clean())) {
    if (file.filename() != "segment.rag") continue;
    const fs::path kb = Copy();
    fs::remove_all((kb / file).parent_path());
    const auto store = Value(EmbeddedStore::Open({.uri = kb.string()}, Indexes(), false));
    const auto snapshot = store->OpenSnapshot();
    EXPECT_THAT(snapshot, StatusIs(StatusCode::kDataLoss));
    EXPECT_NE(snapshot.status().message().find((kb / file).string()), std::string::npos);
    const auto damages = Value(store->Verify({}));
    ASSERT_FALSE(damages.empty());
    EXPECT_EQ(damages[0].file, (kb / file).string());
  }
}

TEST_F(DamageTest, AFolderThatCannotBeWrittenIsSearchedAndVerified) {
  const fs::path kb = Copy();
  fs::permissions(folder_->path(), fs::perms(0755));
  for (const auto& entry : fs::recursive_directory_iterator(kb)) {
    fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0555 : 0444));
  }
  fs::permissions(kb, fs::perms(0555));
  const int code = AsOrdinaryUser([&] {
    Random random(1);
    if (const Status status = UseAll(kb, random); !status.ok()) return 1;
    const auto store = EmbeddedStore::Open({.uri = kb.string()}, Indexes(), false);
    if (!store.ok()) return 2;
    return (*store)->BeginWrite(0).code() == StatusCode::kPermissionDenied ? 0 : 3;
  });
  EXPECT_EQ(code, 0);
  for (const auto& entry : fs::recursive_directory_iterator(kb)) {
    fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0755 : 0644));
  }
  fs::permissions(kb, fs::perms(0755));
}

TEST_F(DamageTest, AFileThatCannotBeReadIsNamed) {
  fs::permissions(folder_->path(), fs::perms(0755));
  for (const fs::path& file : FilesOf(Clean())) {
    const fs::path kb = Copy();
    for (const auto& entry : fs::recursive_directory_iterator(kb)) {
      fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0777 : 0666));
    }
    fs::permissions(kb, fs::perms(0777));
    fs::permissions(kb / file, fs::perms::none);
    const int code = AsOrdinaryUser([&] {
      Random random(1);
      const Status status = UseAll(kb, random);
      if (status.code() != StatusCode::kPermissionDenied) return 1;
      if (status.message().find((kb / file).string()) == std::string::npos) return 2;
      return status.remedy().empty() ? 3 : 0;
    });
    EXPECT_EQ(code, 0) << file;
  }
}

TEST_F(DamageTest, ANewerSegmentSaysSo) {
  for (const fs::path& file : FilesOf(Clean())) {
    if (file.filename() != "segment.rag") continue;
    const fs::path kb = Copy();
    std::string bytes = Value(ReadFile(kb / file));
    bytes[8] = 9;  // format_version
    Write(kb / file, bytes);
    const Status status = UseAll(kb, random_);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(status.remedy().find("newer Ragtime"), std::string::npos);
    ExpectNamed(status, kb);
  }
}

}  // namespace
}  // namespace ragtime
