// SPDX-License-Identifier: Apache-2.0
//
// Goal: taking files and folders out takes out what was named and nothing else, and a slip names what was meant.
#include "engine/keeping.h"

#include <gtest/gtest.h>

#include "store/map/map_store.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

class DeleteTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(store_.BeginWrite(0));
    WriteBatch batch;
    for (const char* path : {"a/b.md", "a/b/c.md", "a/b/d.md", "a/x.md", "ab/c.md", "readme.md"}) {
      batch.documents.push_back(RandomDocument(random_, path, 2, 4));
    }
    ASSERT_OK(store_.Commit({}, batch));
    store_.EndWrite();
  }
  Result<DeleteReport> Delete(std::vector<std::string> paths) {
    return DeletePaths(store_, {.paths = std::move(paths), .root = "/data/docs"}, {});
  }
  std::vector<std::string> Left() {
    std::vector<std::string> paths;
    for (const FileRecord& file : Value(Value(store_.OpenSnapshot())->Files())) paths.push_back(file.file_path);
    return paths;
  }

  Random random_{1};
  MapStore store_{StoreConfig{}, nullptr};
};

TEST_F(DeleteTest, AFolderGoesWithAllBelowAndItsNamesakeStays) {
  const DeleteReport report = Value(Delete({"a/b"}));
  EXPECT_EQ(report.file_paths, (std::vector<std::string>{"a/b/c.md", "a/b/d.md"}));
  EXPECT_EQ(report.files, 2u);
  EXPECT_EQ(report.folders, 1u);
  EXPECT_EQ(report.nodes, 4u);
  EXPECT_EQ(Left(), (std::vector<std::string>{"a", "a/b.md", "a/x.md", "ab", "ab/c.md", "readme.md"}));
}

TEST_F(DeleteTest, PathsAreTakenAsWrittenAndAsTheyLieOnDisk) {
  EXPECT_EQ(Value(Delete({"./a/x.md"})).files, 1u);
  EXPECT_EQ(Value(Delete({"/data/docs/readme.md"})).files, 1u);
  EXPECT_EQ(Value(Delete({"a/"})).folders, 2u);
  EXPECT_EQ(Left(), (std::vector<std::string>{"ab", "ab/c.md"}));
}

TEST_F(DeleteTest, AFileNamedTwiceGoesOnce) { EXPECT_EQ(Value(Delete({"a/x.md", "a", "a/x.md"})).files, 4u); }

TEST_F(DeleteTest, AnUnknownPathNamesNearOnesAndNothingIsDeleted) {
  const auto before = Left();
  const auto refused = Delete({"a/x.md", "x.md"});
  EXPECT_THAT(refused, StatusIs(StatusCode::kNotFound));
  EXPECT_NE(refused.status().message().find("a/x.md"), std::string::npos) << refused.status().ToString();
  EXPECT_NE(Delete({"raedme.md"}).status().message().find("near it are readme.md"), std::string::npos);
  EXPECT_EQ(Delete({"completely different"}).status().message().find("near"), std::string::npos);
  EXPECT_THAT(Delete({}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Delete({""}), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(Left(), before);
  ASSERT_OK(store_.BeginWrite(0));
}

TEST_F(DeleteTest, CompactingSaysWhatItWasBefore) {
  ASSERT_OK(Delete({"a"}));
  const CompactReport report = Value(CompactStore(store_, 0, {}, {}));
  EXPECT_EQ(report.before.deleted_nodes, 8u);
  EXPECT_EQ(report.after.deleted_nodes, 0u);
  EXPECT_LT(report.after.size_bytes, report.before.size_bytes);
}

}  // namespace
}  // namespace ragtime
