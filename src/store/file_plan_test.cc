// SPDX-License-Identifier: Apache-2.0
//
// Goal: folders come and go with their files, moves keep ids, and impossible batches are refused with the path.
#include "store/file_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/status_matchers.h"

namespace ragtime {
namespace {

class Table : public FileRows {
 public:
  Result<std::optional<FileRecord>> Find(DocumentId id) const override {
    const auto found = rows.find(id);
    return found == rows.end() ? std::nullopt : std::optional(found->second);
  }
  Result<std::optional<FileRecord>> Find(std::string_view path) const override {
    for (const auto& [id, row] : rows) {
      if (row.file_path == path) return std::optional(row);
    }
    return std::optional<FileRecord>();
  }
  Result<uint64_t> CountChildren(DocumentId folder) const override { return Value(Children(folder)).size(); }
  Result<std::vector<DocumentId>> Children(DocumentId folder) const override {
    std::vector<DocumentId> ids;
    for (const auto& [id, row] : rows) {
      if (row.parent_id == folder) ids.push_back(id);
    }
    return ids;
  }

  Result<FileChanges> Plan(const WriteBatch& batch) const { return PlanFiles(*this, batch, next_id, 1234); }
  FileChanges Apply(const WriteBatch& batch) {
    FileChanges changes = Value(Plan(batch));
    for (const DocumentId id : changes.removed) EXPECT_EQ(rows.erase(id), 1u);
    for (const FileRecord& row : changes.put) EXPECT_TRUE(rows.emplace(row.id, row).second);
    next_id = changes.next_document_id;
    files += changes.files_added;
    folders += changes.folders_added;
    EXPECT_EQ(files, std::count_if(rows.begin(), rows.end(), [](const auto& row) { return !row.second.is_dir; }));
    EXPECT_EQ(folders, std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.second.is_dir; }));
    return changes;
  }
  std::string Paths() const {
    std::vector<std::string> paths;
    for (const auto& [id, row] : rows)
      paths.push_back(row.file_path + (row.is_dir ? "/" : "") + "=" + std::to_string(id));
    std::sort(paths.begin(), paths.end());
    std::string all;
    for (const std::string& path : paths) all += (all.empty() ? "" : " ") + path;
    return all;
  }

  std::map<DocumentId, FileRecord> rows;
  DocumentId next_id = 1;
  int64_t files = 0;
  int64_t folders = 0;
};

DocumentWrite File(std::string path, size_t nodes = 1) {
  DocumentWrite document;
  document.file.file_path = std::move(path);
  document.nodes.resize(nodes);
  return document;
}

DocumentWrite Kept(DocumentId id, std::string path) {
  DocumentWrite document = File(std::move(path), 0);
  document.file.id = id;
  document.keep_id = true;
  return document;
}

TEST(FilePlan, MakesTheFoldersAboveAndNumbersInOrder) {
  Table table;
  const FileChanges changes =
      table.Apply({.documents = {File("a/b/x.md"), File("a/b/y.md"), File("a/z.md"), File("top.md")}});
  EXPECT_EQ(table.Paths(), "a/=1 a/b/=2 a/b/x.md=3 a/b/y.md=4 a/z.md=5 top.md=6");
  EXPECT_EQ(changes.document_ids, (std::vector<DocumentId>{3, 4, 5, 6}));
  EXPECT_TRUE(changes.changes_results);
  EXPECT_EQ(table.rows[2].parent_id, 1);
  EXPECT_EQ(table.rows[3].parent_id, 2);
  EXPECT_EQ(table.rows[3].file_name, "x.md");
  EXPECT_EQ(table.rows[6].parent_id, std::nullopt);
  EXPECT_EQ(table.rows[1].create_time_ms, 1234);
}

TEST(FilePlan, ReplacingGivesANewIdAndKeepsTheFolderAndItsTime) {
  Table table;
  DocumentWrite first = File("a/x.md");
  first.file.create_time_ms = 99;
  table.Apply({.documents = {first}});
  const FileChanges changes = table.Apply({.documents = {File("a/x.md")}});
  EXPECT_EQ(table.Paths(), "a/=1 a/x.md=3");
  EXPECT_EQ(changes.cleared, std::vector<DocumentId>{2});
  EXPECT_EQ(table.rows[3].create_time_ms, 99);
}

TEST(FilePlan, ErasingTakesEmptyFoldersAlongAndUnknownIdsAreFine) {
  Table table;
  table.Apply({.documents = {File("a/b/c/x.md"), File("a/y.md")}});  // a=1 b=2 c=3 x=4 y=5
  const FileChanges changes = table.Apply({.erased = {4, 404, 1}});
  EXPECT_EQ(table.Paths(), "a/=1 a/y.md=5");
  EXPECT_EQ(changes.cleared, std::vector<DocumentId>{4});
  EXPECT_EQ(changes.next_document_id, 6);
}

TEST(FilePlan, TwoFilesCanSwapTheirPaths) {
  Table table;
  table.Apply({.documents = {File("a/x.md"), File("b/y.md")}});  // a=1 x=2 b=3 y=4
  const FileChanges changes = table.Apply({.documents = {Kept(4, "a/x.md"), Kept(2, "b/y.md")}});
  EXPECT_EQ(table.Paths(), "a/=1 a/x.md=4 b/=3 b/y.md=2");
  EXPECT_TRUE(changes.cleared.empty());
  EXPECT_TRUE(changes.changes_results) << "the path in a hit is another";
  EXPECT_EQ(table.rows[2].nodes, 1u);
  EXPECT_EQ(table.rows[2].parent_id, 3);
}

TEST(FilePlan, AMoveOntoAFileReplacesItAndLeavesNoEmptyFolder) {
  Table table;
  table.Apply({.documents = {File("a/x.md"), File("b/y.md")}});
  const FileChanges changes = table.Apply({.documents = {Kept(2, "b/y.md")}});
  EXPECT_EQ(table.Paths(), "b/=3 b/y.md=2");
  EXPECT_EQ(changes.cleared, std::vector<DocumentId>{4});
}

TEST(FilePlan, AnotherTimeOrErrorChangesNoResult) {
  Table table;
  table.Apply({.documents = {File("x.md")}});
  DocumentWrite touched = Kept(1, "x.md");
  touched.file.modified_time_ns = 5;
  EXPECT_FALSE(table.Apply({.documents = {touched}}).changes_results);
  EXPECT_EQ(table.rows[1].modified_time_ns, 5);
  const FileChanges same = table.Apply({.documents = {touched}});
  EXPECT_TRUE(same.put.empty());
  EXPECT_FALSE(table.Apply({.documents = {File("failed.md", 0)}}).changes_results);
}

TEST(FilePlan, AFileMayBecomeAFolderAndAFolderAFile) {
  Table table;
  table.Apply({.documents = {File("a")}});
  EXPECT_EQ(table.Apply({.documents = {File("a/b/x.md")}}).cleared, std::vector<DocumentId>{1});
  EXPECT_EQ(table.Paths(), "a/=2 a/b/=3 a/b/x.md=4");
  EXPECT_THAT(table.Plan({.documents = {File("a")}}), StatusIs(StatusCode::kFailedPrecondition));
  table.Apply({.documents = {File("a")}, .erased = {4}});
  EXPECT_EQ(table.Paths(), "a=5");
}

TEST(FilePlan, ImpossibleBatchesNameThePath) {
  Table table;
  table.Apply({.documents = {File("d/x.md")}});  // d=1 x=2
  const auto unknown = table.Plan({.documents = {Kept(77, "y.md")}});
  EXPECT_THAT(unknown, StatusIs(StatusCode::kNotFound));
  EXPECT_NE(unknown.status().message().find("y.md"), std::string::npos);
  EXPECT_THAT(table.Plan({.documents = {Kept(1, "e")}}), StatusIs(StatusCode::kNotFound)) << "a folder is not moved";
  EXPECT_THAT(table.Plan({.documents = {Kept(2, "y.md")}, .erased = {2}}), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(table.Plan({.documents = {File("p"), File("p/q")}}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(table.Plan({.documents = {File("p/q"), File("p")}}), StatusIs(StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace ragtime
