// SPDX-License-Identifier: Apache-2.0
//
// Goal: files and nodes can be filtered, ordered, paged, counted and grouped; what cannot be is refused by name.
#include "query/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/test_doubles.h"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Row = std::vector<FieldValue>;

FieldValue Int(int64_t value) { return value; }
FieldValue Text(std::string value) { return value; }

class TableTest : public testing::Test {
 protected:
  TableTest() {
    snapshot_.field_specs = {{"year", FieldType::kInt, FieldIndex::kBtree},
                             {"author", FieldType::kString, FieldIndex::kHash}};
    AddFile("a.md", {{"year", Int(2020)}, {"author", Text("Li")}}, 3);
    AddFile("b.md", {{"year", Int(2018)}, {"author", Text("Wang")}}, 1);
    AddFile("c.md", {{"author", Text("Li")}}, 2);
    AddFile("d.md", {{"year", Int(2020)}}, 0);
  }
  void AddFile(const std::string& path, Fields fields, int nodes) {
    const DocumentId id = static_cast<DocumentId>(snapshot_.files.size() + 1);
    snapshot_.files.push_back({.id = id, .file_name = path, .file_path = path, .nodes = static_cast<uint64_t>(nodes)});
    snapshot_.files.back().fields = std::move(fields);
    for (int i = 0; i < nodes; ++i) snapshot_.Add(path, path + " text " + std::to_string(i));
  }
  std::vector<Row> Rows(const TableRequest& request, uint64_t total) {
    const auto result = QueryTable(snapshot_, request);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (!result.ok()) return {};
    EXPECT_EQ(result->total, total);
    for (const Row& row : result->rows) EXPECT_EQ(row.size(), result->columns.size());
    return result->rows;
  }

  FakeSnapshot snapshot_;
};

TEST_F(TableTest, FilesAreFilteredOrderedAndPaged) {
  TableRequest request{.select = {"file_path", "year"}};
  EXPECT_THAT(Rows(request, 4), ElementsAre(Row{Text("a.md"), Int(2020)}, Row{Text("b.md"), Int(2018)},
                                            Row{Text("c.md"), FieldValue()}, Row{Text("d.md"), Int(2020)}));
  request.order_by = {{"year", true}, {"file_path", true}};
  EXPECT_THAT(Rows(request, 4), ElementsAre(Row{Text("d.md"), Int(2020)}, Row{Text("a.md"), Int(2020)},
                                            Row{Text("b.md"), Int(2018)}, Row{Text("c.md"), FieldValue()}));
  request.order_by = {{"year", false}};
  request.offset = 1;
  request.limit = 2;
  EXPECT_THAT(Rows(request, 4), ElementsAre(Row{Text("a.md"), Int(2020)}, Row{Text("d.md"), Int(2020)}));
  request = {.filter = "author = 'Li' and year is null", .select = {"id"}};
  EXPECT_THAT(Rows(request, 1), ElementsAre(Row{Int(3)}));
  request = {.select = {"id"}, .limit = 0};
  EXPECT_THAT(Rows(request, 4), ElementsAre());
  request.order_by = {{"id", false}};
  EXPECT_THAT(Rows(request, 4), ElementsAre());
}

TEST_F(TableTest, NodesTakeTheFieldsOfTheirFiles) {
  TableRequest request{.from = TableSource::kNodes,
                       .filter = "author = 'Li'",
                       .select = {"file_path", "position", "text"},
                       .order_by = {{"file_path", true}, {"position", true}},
                       .limit = 2};
  EXPECT_THAT(Rows(request, 5), ElementsAre(Row{Text("c.md"), Int(1), Text("c.md text 1")},
                                            Row{Text("c.md"), Int(0), Text("c.md text 0")}));
  request = {.from = TableSource::kNodes, .filter = "position > 0", .select = {"id"}};
  EXPECT_THAT(Rows(request, 3), ElementsAre(Row{Int(102)}, Row{Int(103)}, Row{Int(106)}));
}

TEST_F(TableTest, GroupsAreCountedWithTheirLeastAndGreatest) {
  TableRequest request{.group_by = {"author"},
                       .aggregates = {{}, {AggregateKind::kMin, "year"}, {AggregateKind::kMax, "year"}}};
  EXPECT_THAT(Rows(request, 3), ElementsAre(Row{FieldValue(), Int(1), Int(2020), Int(2020)},
                                            Row{Text("Li"), Int(2), Int(2020), Int(2020)},
                                            Row{Text("Wang"), Int(1), Int(2018), Int(2018)}));
  request.order_by = {{"count", true}};
  request.limit = 1;
  EXPECT_THAT(Rows(request, 3), ElementsAre(Row{Text("Li"), Int(2), Int(2020), Int(2020)}));
  request = {.from = TableSource::kNodes, .group_by = {"year"}};
  EXPECT_THAT(Rows(request, 3), ElementsAre(Row{FieldValue(), Int(2)}, Row{Int(2018), Int(1)}, Row{Int(2020), Int(3)}));
  for (const TableSource from : {TableSource::kFiles, TableSource::kNodes}) {
    EXPECT_THAT(Rows({.from = from, .filter = "year = 1", .aggregates = {{}}}, 1), ElementsAre(Row{Int(0)}));
    EXPECT_THAT(Rows({.from = from, .filter = "year = 1", .aggregates = {{AggregateKind::kMax, "year"}}}, 1),
                ElementsAre(Row{FieldValue()}));
  }
}

TEST_F(TableTest, WhatIsUnknownIsNamedWithWhatIsKnown) {
  const auto refused = [&](const TableRequest& request, const char* named) {
    const auto result = QueryTable(snapshot_, request);
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(result.status().message(), HasSubstr(named));
    EXPECT_FALSE(result.status().remedy().empty());
  };
  refused({.select = {"yeer"}}, "no column yeer of files");
  refused({.order_by = {{"page", false}}}, "no column page of files");
  refused({.filter = "yeer = 1"}, "yeer");
  refused({.group_by = {"x"}}, "no column x");
  refused({.from = TableSource::kNodes, .group_by = {"text"}}, "text");
  refused({.order_by = {{"year", false}}, .group_by = {"author"}}, "groups cannot be ordered by year");
  refused({.select = {"year"}, .group_by = {"author"}}, "cannot select");
  refused({.from = TableSource::kNodes, .select = {"parent_id"}}, "no column parent_id of nodes");
}

}  // namespace
}  // namespace ragtime
