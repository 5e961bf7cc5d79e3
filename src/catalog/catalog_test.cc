// SPDX-License-Identifier: Apache-2.0
//
// Goal: what is committed to the catalog is read back, also as of an earlier commit, and every bad file gets its own
// error.
#include "catalog/catalog.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "testing/status_matchers.h"

namespace ragtime {
namespace {

class CatalogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ragtime_catalog_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    ASSERT_OK(Catalog::Create(file(), {{"uuid", "u"}}));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path file() const { return folder_ / "catalog.sqlite"; }
  void Sql(const char* sql) const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }
  std::filesystem::path folder_;
};

FileRecord File(DocumentId id, std::string path) {
  FileRecord record;
  record.id = id;
  record.file_path = path;
  record.file_name = std::move(path);
  record.file_size = UINT64_MAX;
  record.parent_id = 7;
  record.create_time_ms = -5;
  record.error = std::string("a\0b", 3);
  record.status = FileStatus::kFailed;
  record.nodes = 3;
  return record;
}

TEST_F(CatalogTest, AnUnfinishedTransactionLeavesNothing) {
  auto catalog = Value(Catalog::Open(file(), Access::kWrite));
  {
    auto transaction = Value(catalog->BeginWrite());
    ASSERT_OK(catalog->PutSetting("k", "v"));
  }
  EXPECT_EQ(Value(catalog->ReadSetting("k")), std::nullopt);
  auto transaction = Value(catalog->BeginWrite());
  ASSERT_OK(catalog->PutSetting("k", ""));
  ASSERT_OK(transaction.Commit());
  EXPECT_EQ(Value(catalog->ReadSetting("k")), "");
  EXPECT_EQ(Value(catalog->ReadSetting("uuid")), "u");
}

TEST_F(CatalogTest, StateSegmentsImagesAndDeletionsAreReadBack) {
  auto catalog = Value(Catalog::Open(file(), Access::kWrite));
  const CatalogState state{1, 2, 3, 4, 5, 6, 7, 8};
  const SegmentRecord tail{3, true, 10, 100, 109, 50, 1000, 1, 5, 2};
  const SegmentRecord sealed{1, false, 20, 1, 20, 60, 2000, 0, 0, 0};
  const std::string bytes("\0\1\2", 3);
  auto transaction = Value(catalog->BeginWrite());
  ASSERT_OK(catalog->WriteState(state));
  ASSERT_OK(catalog->PutSegment(tail));
  ASSERT_OK(catalog->PutSegment(sealed));
  ASSERT_OK(catalog->PutTailImage(3, std::as_bytes(std::span(bytes))));
  ASSERT_OK(catalog->PutDeletions(3, std::as_bytes(std::span(bytes))));
  ASSERT_OK(transaction.Commit());

  auto reader = Value(Catalog::Open(file(), Access::kRead));
  EXPECT_EQ(Value(reader->ReadState()), state);
  EXPECT_EQ(Value(reader->ReadSegments()), (std::vector{sealed, tail}));
  std::string read;
  const auto use = [&read](std::span<const std::byte> blob) {
    read.assign(reinterpret_cast<const char*>(blob.data()), blob.size());
    return Status();
  };
  const auto room = [&read](size_t size_bytes) {
    read.assign(size_bytes, '?');
    return std::as_writable_bytes(std::span(read));
  };
  ASSERT_OK(reader->ReadDeletions(3, use));
  EXPECT_EQ(read, bytes);
  ASSERT_OK(reader->ReadTailImage(3, room));
  EXPECT_EQ(read, bytes);
  EXPECT_THAT(reader->ReadTailImage(4, room), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(reader->ReadDeletions(4, use), StatusIs(StatusCode::kDataLoss));

  const int64_t version = Value(reader->DataVersion());
  EXPECT_EQ(Value(reader->DataVersion()), version);
  {
    auto removal = Value(catalog->BeginWrite());
    ASSERT_OK(catalog->RemoveSegment(3));
    ASSERT_OK(removal.Commit());
  }
  EXPECT_NE(Value(reader->DataVersion()), version);
  EXPECT_EQ(Value(reader->ReadSegments()), std::vector{sealed});
  EXPECT_THAT(reader->ReadDeletions(3, use), StatusIs(StatusCode::kDataLoss));
}

TEST_F(CatalogTest, FilesAreReadAsOfACommit) {
  auto catalog = Value(Catalog::Open(file(), Access::kWrite));
  const auto commit = [&](CommitNumber number, const std::vector<DocumentId>& removed,
                          const std::vector<FileRecord>& put) {
    auto transaction = Value(catalog->BeginWrite());
    for (const DocumentId id : removed) EXPECT_OK(catalog->RemoveFile(id, number, static_cast<int64_t>(number) * 1000));
    for (const FileRecord& file : put) EXPECT_OK(catalog->PutFile(file, number));
    EXPECT_OK(transaction.Commit());
  };
  const FileRecord a = File(1, "a"), b = File(2, "b"), moved = File(1, "c"), other = File(3, "a");
  commit(1, {}, {b, a});
  commit(2, {1}, {moved, other});
  commit(3, {1, 2, 3}, {});
  EXPECT_EQ(Value(catalog->ReadFiles(0)), std::vector<FileRecord>());
  EXPECT_EQ(Value(catalog->ReadFiles(1)), (std::vector{a, b}));
  EXPECT_EQ(Value(catalog->ReadFiles(2)), (std::vector{other, b, moved}));
  EXPECT_EQ(Value(catalog->ReadFiles(3)), std::vector<FileRecord>());
  EXPECT_EQ(Value(catalog->FindFile(1, CommitNumber{1})), a);
  EXPECT_EQ(Value(catalog->FindFile(1, CommitNumber{2})), moved);
  const DocumentId ids[] = {99, 1, 1};
  EXPECT_EQ(Value(catalog->FindFiles(ids, CommitNumber{1})), (std::vector<std::optional<FileRecord>>{{}, a, a}));
  EXPECT_EQ(Value(catalog->FindFiles(ids, CommitNumber{2})),
            (std::vector<std::optional<FileRecord>>{{}, moved, moved}));
  EXPECT_TRUE(Value(catalog->FindFiles({}, CommitNumber{2})).empty());
  EXPECT_EQ(Value(catalog->FindFile("a", CommitNumber{1})), a);
  EXPECT_EQ(Value(catalog->FindFile("a", CommitNumber{2})), other);
  EXPECT_EQ(Value(catalog->FindFile("a", CommitNumber{3})), std::nullopt);

  auto transaction = Value(catalog->BeginWrite());
  CatalogState state = Value(catalog->ReadState());
  state.history_start = Value(catalog->TrimHistory(2500, state.history_start));
  EXPECT_EQ(state.history_start, 2u);
  ASSERT_OK(catalog->WriteState(state));
  ASSERT_OK(transaction.Commit());
  EXPECT_THAT(catalog->ReadFiles(1), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(catalog->FindFiles(ids, CommitNumber{1}), StatusIs(StatusCode::kAborted));
  EXPECT_EQ(Value(catalog->FindFile(1, CommitNumber{2})), moved);
}

TEST_F(CatalogTest, AReaderSeesOneStateWhileAWriterCommits) {
  auto writer = Value(Catalog::Open(file(), Access::kWrite));
  auto reader = Value(Catalog::Open(file(), Access::kRead));
  auto read = std::make_unique<Catalog::Transaction>(Value(reader->BeginRead()));
  EXPECT_EQ(Value(reader->ReadState()).generation, 0u);
  auto transaction = Value(writer->BeginWrite());
  ASSERT_OK(writer->WriteState({.generation = 9}));
  ASSERT_OK(transaction.Commit());
  EXPECT_EQ(Value(reader->ReadState()).generation, 0u);
  read.reset();
  EXPECT_EQ(Value(reader->ReadState()).generation, 9u);
}

TEST_F(CatalogTest, ABadFileIsNamedWithItsRemedy) {
  EXPECT_THAT(Catalog::Open(folder_ / "none.sqlite", Access::kRead), StatusIs(StatusCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none.sqlite"));
  Sql("UPDATE settings SET value='99' WHERE key='format_version'; INSERT INTO settings VALUES('needs_ragtime', "
      "'7.1.0')");
  const auto newer = Catalog::Open(file(), Access::kRead);
  EXPECT_THAT(newer, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(newer.status().remedy().find("7.1.0"), std::string::npos);
  Sql("DELETE FROM settings");
  EXPECT_THAT(Catalog::Open(file(), Access::kRead), StatusIs(StatusCode::kDataLoss));
  Sql("DROP TABLE settings");
  EXPECT_THAT(Catalog::Open(file(), Access::kRead), StatusIs(StatusCode::kDataLoss));
  std::ofstream(file(), std::ios::trunc) << std::string(8192, 'x');
  const auto foreign = Catalog::Open(file(), Access::kRead);
  EXPECT_THAT(foreign, StatusIs(StatusCode::kDataLoss));
  EXPECT_NE(foreign.status().message().find(file().string()), std::string::npos);
  EXPECT_FALSE(foreign.status().remedy().empty());
}

TEST_F(CatalogTest, ATruncatedOrFlippedFileNeverCrashes) {
  {
    auto catalog = Value(Catalog::Open(file(), Access::kWrite));
    auto transaction = Value(catalog->BeginWrite());
    for (DocumentId id = 1; id < 300; ++id) ASSERT_OK(catalog->PutFile(File(id, std::to_string(id)), 1));
    ASSERT_OK(transaction.Commit());
    ASSERT_OK(catalog->Checkpoint());
  }
  std::string good(std::filesystem::file_size(file()), '\0');
  std::ifstream(file(), std::ios::binary).read(good.data(), static_cast<std::streamsize>(good.size()));
  std::srand(11);
  for (int round = 0; round < 400; ++round) {
    std::string bad = good;
    if (round % 2 == 0) {
      bad.resize(static_cast<size_t>(std::rand()) % good.size());
    } else {
      for (int i = 0; i < 4; ++i) bad[static_cast<size_t>(std::rand()) % bad.size()] = static_cast<char>(std::rand());
    }
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file().string() + suffix);
    std::ofstream(file(), std::ios::binary | std::ios::trunc)
        .write(bad.data(), static_cast<std::streamsize>(bad.size()));
    const auto catalog = Catalog::Open(file(), Access::kRead);
    if (!catalog.ok()) {
      EXPECT_NE(catalog.status().message().find("catalog.sqlite"), std::string::npos);
      continue;
    }
    (void)(*catalog)->ReadState();
    (void)(*catalog)->ReadSegments();
    (void)(*catalog)->ReadFiles(5);
    (void)(*catalog)->FindDamage();
  }
}

TEST_F(CatalogTest, AFolderThatCannotBeWrittenIsReadAsItLies) {
  std::filesystem::permissions(folder_, std::filesystem::perms(0555));
  std::filesystem::permissions(file(), std::filesystem::perms(0444));
  // Root may write everywhere, and so the child becomes another user.
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
    const auto catalog = Catalog::Open(file(), Access::kRead);
    if (!catalog.ok()) ::_exit(11);
    const auto uuid = (*catalog)->ReadSetting("uuid");
    if (!uuid.ok() || *uuid != "u") ::_exit(12);
    const auto writer = Catalog::Open(file(), Access::kWrite);
    if (!writer.ok()) ::_exit(writer.status().code() == StatusCode::kPermissionDenied ? 0 : 13);
    ::_exit((*writer)->BeginWrite().status().code() == StatusCode::kPermissionDenied ? 0 : 14);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(std::filesystem::exists(file().string() + "-shm")) << "a reader made a file";
}

}  // namespace
}  // namespace ragtime
