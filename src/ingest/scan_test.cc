// SPDX-License-Identifier: Apache-2.0
//
// Goal: a scan finds every file that can be ingested once, under a stable name, whatever lies in the folders.
#include "ingest/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "ingest/folder_fixture.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class ScanTest : public FolderTest {
 protected:
  Result<ScanResult> ScanRoot() { return Scan({}, {{root_}, root_, root_ / "kb"}, readers_); }
  static std::vector<std::string> Names(const ScanResult& result) {
    std::vector<std::string> names;
    for (const ScannedFile& file : result.files) names.push_back(file.file_path);
    return names;
  }
};

TEST_F(ScanTest, FindsFilesBelowFoldersInOrderOfTheirNames) {
  for (const char* name : {"b.txt", "a/z.md", "a/b/c.HTML", "a.txt", "a-b.txt", "no_extension", "x.bin", "中文.txt"})
    Write(name);
  Write("size.txt", "12345");
  const auto result = ScanRoot();
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(Names(*result), ElementsAre("a-b.txt", "a.txt", "a/b/c.HTML", "a/z.md", "b.txt", "size.txt", "中文.txt"));
  EXPECT_THAT(result->skipped, ElementsAre(Pair("", 1u), Pair("bin", 1u)));
  EXPECT_EQ(result->files[2].reader->type(), "html");
  EXPECT_EQ(result->files[5].size_bytes, 5u);
  EXPECT_GT(result->files[5].modified_time_ns, int64_t{1'000'000'000'000'000'000});
  EXPECT_THAT(result->failed, IsEmpty());
}

TEST_F(ScanTest, PassesOverHiddenNamesAndTheKnowledgeBase) {
  for (const char* name : {".hidden.txt", ".git/a.txt", "kb/notes.txt", "kb/segments/1/a.md", "docs/kb.txt"})
    Write(name);
  const auto result = ScanRoot();
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Names(*result), ElementsAre("docs/kb.txt"));
  EXPECT_THAT(result->skipped, IsEmpty());
  const auto inside = Scan({}, {{root_ / "kb/notes.txt"}, root_, root_ / "kb"}, readers_);
  EXPECT_EQ(inside.status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ScanTest, TakesEachFileOnceHoweverItIsReached) {
  Write("docs/a.txt");
  Write("docs/sub/b.txt");
  const auto result =
      Scan({}, {{root_ / "docs", root_ / "docs/sub", root_ / "docs/sub/b.txt", root_ / "docs/../docs"}, root_, {}},
           readers_);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Names(*result), ElementsAre("docs/a.txt", "docs/sub/b.txt"));
}

TEST_F(ScanTest, FollowsLinksToFilesOnceAndNeverToFolders) {
  Write("docs/a.txt");
  Write("outside/b.txt");
  fs::create_symlink(root_ / "outside/b.txt", root_ / "docs/link1.txt");
  fs::create_symlink(root_ / "outside/b.txt", root_ / "docs/link2.txt");
  fs::create_symlink("a.txt", root_ / "docs/link3.txt");
  fs::create_symlink("..", root_ / "docs/loop");
  fs::create_symlink("nowhere.txt", root_ / "docs/broken.txt");
  fs::create_symlink("self.txt", root_ / "docs/self.txt");
  const auto result = Scan({}, {{root_ / "docs"}, root_, {}}, readers_);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Names(*result), ElementsAre("docs/a.txt", "docs/link1.txt"));
  ASSERT_EQ(result->warnings.size(), 3u);
  EXPECT_THAT(result->warnings[0].message, HasSubstr("docs/broken.txt leads to nothing"));
  EXPECT_THAT(result->warnings[1].message, HasSubstr("docs/loop to a folder was not followed"));
}

TEST_F(ScanTest, NamesPathsOutsideOfTheRoot) {
  Write("root/a.txt");
  Write("other/b.txt");
  const auto result = Scan({}, {{root_ / "root", root_ / "other"}, root_ / "root", {}}, readers_);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Names(*result), ElementsAre("../other/b.txt", "a.txt"));
}

TEST_F(ScanTest, RefusesAMissingPathByName) {
  const auto result = Scan({}, {{root_ / "missing"}, root_, {}}, readers_);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(result.status().message(), HasSubstr((root_ / "missing").string()));
  EXPECT_FALSE(result.status().remedy().empty());
}

TEST_F(ScanTest, FailsAGivenFileThatNoReaderTakes) {
  Write("a.xyz");
  const auto result = Scan({}, {{root_ / "a.xyz"}, root_, {}}, readers_);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->failed.size(), 1u);
  EXPECT_EQ(result->failed[0].file, "a.xyz");
  EXPECT_THAT(result->failed[0].status.remedy(), HasSubstr("html"));
}

TEST_F(ScanTest, ReportsAFolderThatCannotBeReadAndGoesOn) {
  Write("open/a.txt");
  Write("shut/b.txt");
  fs::permissions(root_ / "shut", fs::perms::none);
  // Permission bits do not hold root back.
  const uid_t user = ::geteuid();
  if (user == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto result = ScanRoot();
  if (user == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::permissions(root_ / "shut", fs::perms::all);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_THAT(Names(*result), ElementsAre("open/a.txt"));
  ASSERT_EQ(result->failed.size(), 1u);
  EXPECT_EQ(result->failed[0].file, "shut");
  EXPECT_EQ(result->failed[0].status.code(), StatusCode::kPermissionDenied);
  EXPECT_FALSE(result->failed[0].status.remedy().empty());
  EXPECT_THAT(result->unreadable, ElementsAre(root_ / "shut"));
}

TEST_F(ScanTest, EscapesNamesThatAreNotUtf8) {
  Write("a\xff.txt");
  Write("100%.txt");
  const auto result = ScanRoot();
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Names(*result), ElementsAre("100%.txt", "a%FF.txt"));
  EXPECT_TRUE(fs::exists(root_ / UnescapeFilePath("a%FF.txt")));
}

TEST_F(ScanTest, StopsWhenCancelled) {
  Write("a.txt");
  std::stop_source source;
  source.request_stop();
  const Context context{.stop = source.get_token()};
  EXPECT_EQ(Scan(context, {{root_}, root_, {}}, readers_).status().code(), StatusCode::kCancelled);
}

TEST(EscapeFilePath, IsReversibleForAllNames) {
  EXPECT_EQ(EscapeFilePath("a\xff/b"), "a%FF/b");
  EXPECT_EQ(EscapeFilePath("a%FF/b"), "a%25FF/b");
  EXPECT_EQ(EscapeFilePath("foo%20bar 100%.txt"), "foo%20bar 100%.txt");
  EXPECT_EQ(EscapeFilePath("中文"), "中文");
  std::mt19937 random(1);
  const std::vector<std::string> pieces = {
      "%", "2", "5", "F", "f", "8", "0", "a", "\xff", "\x80", "\xe4\xb8\xad", "\xe4\xb8", "/"};
  for (int round = 0; round < 20000; ++round) {
    std::string path;
    for (size_t i = random() % 8; i > 0; --i) path += pieces[random() % pieces.size()];
    const std::string escaped = EscapeFilePath(path);
    EXPECT_EQ(FindInvalidUtf8(escaped), std::string::npos);
    EXPECT_EQ(UnescapeFilePath(escaped), path) << escaped;
  }
}

}  // namespace
}  // namespace ragtime
