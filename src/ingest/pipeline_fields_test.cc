// SPDX-License-Identifier: Apache-2.0
//
// Goal: fields come from front matter, sidecars and the caller, and follow every change of them.
#include "ingest/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "ingest/pipeline_fixture.h"

namespace ragtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<FieldSpec> SomeFields() {
  return {{"year", FieldType::kInt, FieldIndex::kBtree},         {"author", FieldType::kString, FieldIndex::kHash},
          {"tags", FieldType::kStringList, FieldIndex::kBitmap}, {"date", FieldType::kDatetime, FieldIndex::kBtree},
          {"score", FieldType::kFloat, FieldIndex::kNone},       {"draft", FieldType::kBool, FieldIndex::kBitmap}};
}

// "author="Li" year=2020"
std::string Shown(const Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text += (text.empty() ? "" : " ") + name + "=" + ToString(value);
  return text;
}

class FieldsTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    request_.fields = SomeFields();
  }
  std::string FieldsOf(const std::string& path) const { return Shown(Row(path).fields); }
  static std::vector<std::string> FieldWarnings(const IngestReport& report) {
    std::vector<std::string> messages;
    for (const Warning& warning : report.warnings) {
      if (warning.code == "field") messages.push_back(warning.message);
    }
    return messages;
  }
};

TEST_F(FieldsTest, FrontMatterFillsFields) {
  Write("a.md",
        "---\ntitle: 数据库入门\nauthor: 王小明\nyear: 2020\ntags: [数据, \"库\"]\ndate: 2024-01-02\nscore: 3\n"
        "draft: true\nother: {deep: 1}\n---\n# 标题\n\n正文。\n");
  Write("b.md", "---\r\ntags: x, y\r\nyear:\r\n...\r\nText of b.");
  Write("c.md", "Text of c.");
  const IngestReport report = MustIngest();
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(FieldsOf("a.md"),
            "author=\"王小明\" date=\"2024-01-02T00:00:00Z\" draft=true score=3.0 tags=[\"数据\", \"库\"] year=2020");
  EXPECT_EQ(FieldsOf("b.md"), "tags=[\"x\", \"y\"]");
  EXPECT_EQ(FieldsOf("c.md"), "");
  EXPECT_EQ(Text("b.md"), "Text of b.|");
  EXPECT_EQ(store_.state.fields, SomeFields());
  EXPECT_EQ(MustIngest().files_unchanged, 3u);
}

TEST_F(FieldsTest, ASidecarWinsAndEachOfItsChangesIsOne) {
  Write("a.md", "---\nyear: 1999\nauthor: Li\n---\n" + Sentences("first", 10));
  Write("b.html", "<p>Text of b.</p>");
  Write("b.html.meta.json", R"({"year": "2021", "draft": false, "unknown": [1]})");
  Write("nothing.md.meta.json", "{}");
  IngestReport report = MustIngest();
  EXPECT_THAT(Files(), ElementsAre("a.md", "b.html"));
  EXPECT_THAT(report.skipped_types, ElementsAre(Pair("json", 1u))) << "only the one beside nothing";
  EXPECT_EQ(FieldsOf("b.html"), "draft=false year=2021");
  EXPECT_THAT(report.warnings, IsEmpty());
  const size_t embedded = embedder_.embedded;

  const auto ingest_one_change = [&] {
    report = MustIngest();
    EXPECT_EQ(report.files_changed, 1u);
    EXPECT_EQ(report.files_unchanged, 1u);
    EXPECT_EQ(report.nodes_reused, report.nodes_added);
    EXPECT_EQ(embedder_.embedded, embedded);
    return FieldsOf("a.md");
  };
  EXPECT_EQ(FieldsOf("a.md"), "author=\"Li\" year=1999");
  Write("a.md.meta.json", R"({"year": 2020, "tags": "new"})");
  EXPECT_EQ(ingest_one_change(), "author=\"Li\" tags=[\"new\"] year=2020");
  Write("a.md.meta.json", R"({"year": 2021, "author": null})");  // Same age.
  EXPECT_EQ(ingest_one_change(), "year=2021");
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
  fs::remove(root_ / "a.md.meta.json");
  EXPECT_EQ(ingest_one_change(), "author=\"Li\" year=1999");

  // A file given by its name has its sidecar, too, and so has a link.
  Write("a.md.meta.json", R"({"year": 2022})");
  request_.paths = {root_ / "a.md"};
  EXPECT_EQ(MustIngest().files_changed, 1u);
  EXPECT_EQ(FieldsOf("a.md"), "author=\"Li\" year=2022");
  request_.paths = {root_};
  Write(".hidden/meta", R"({"year": 2023})");
  fs::remove(root_ / "a.md.meta.json");
  fs::create_symlink(root_ / ".hidden/meta", root_ / "a.md.meta.json");
  EXPECT_EQ(ingest_one_change(), "author=\"Li\" year=2023");
}

TEST_F(FieldsTest, AMovedFileKeepsItsIdUnlessItsFieldsChange) {
  Write("a.txt", "Text of a.");
  Write("a.txt.meta.json", R"({"year": 1})");
  Write("b.txt", "Text of b.");
  Write("b.txt.meta.json", R"({"year": 2})");
  MustIngest();
  const DocumentId a = Row("a.txt").id;
  const size_t embedded = embedder_.embedded;
  fs::create_directory(root_ / "sub");
  for (const char* name : {"a.txt", "a.txt.meta.json", "b.txt"}) fs::rename(root_ / name, root_ / "sub" / name);
  const IngestReport report = MustIngest();
  EXPECT_THAT(Files(), ElementsAre("sub/a.txt", "sub/b.txt"));
  EXPECT_EQ(report.files_moved, 2u);
  EXPECT_EQ(report.files_changed, 1u);
  EXPECT_EQ(Row("sub/a.txt").id, a);
  EXPECT_EQ(FieldsOf("sub/a.txt"), "year=1");
  EXPECT_EQ(FieldsOf("sub/b.txt"), "") << "its sidecar stayed behind";
  EXPECT_EQ(embedder_.embedded, embedded);
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
}

TEST_F(FieldsTest, WrongValuesAreNamedAndTheFileIsTakenUp) {
  Write("a.md", "---\nauthor: Li\nyear: last\n---\nText of a.");
  Write("b.md", "---\nauthor: [unclosed\n---\nText of b.");
  Write("c.md", "---\n# comment\n- a list\n---\nText of c.");
  Write("d.txt", "Text of d.");
  Write("d.txt.meta.json", R"({"year": 2020, "tags": [["deep"]], "draft": "perhaps", "score": "nan"})");
  Write("e.txt", "Text of e.");
  Write("e.txt.meta.json", R"({"year": 2020)");
  Write("f.txt", "Text of f.");
  Write("f.txt.meta.json", "[1]");
  Write("g.txt", "Text of g.");
  Write("g.txt.meta.json", "{\"year\": 3, \"author\": \"" + std::string(70000, 'x') + "\"}");
  Write("h.txt", "Text of h.");
  Write("h.txt.meta.json", std::string((1 << 20) + 1, ' '));
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_added, 8u);
  EXPECT_THAT(report.failed, IsEmpty());
  EXPECT_EQ(FieldsOf("a.md"), "author=\"Li\"");
  EXPECT_EQ(FieldsOf("d.txt"), "year=2020");
  EXPECT_EQ(FieldsOf("g.txt"), "year=3");
  using ::testing::AllOf;
  EXPECT_THAT(FieldWarnings(report),
              ElementsAre(AllOf(HasSubstr("a.md: in line 3"), HasSubstr("year"), HasSubstr("\"last\""),
                                HasSubstr("change the value")),
                          AllOf(HasSubstr("b.md: in the front matter"), HasSubstr("line ")),
                          AllOf(HasSubstr("c.md"), HasSubstr("no map")),
                          AllOf(HasSubstr("d.txt: in d.txt.meta.json"), HasSubstr("tags"), HasSubstr("deep")),
                          AllOf(HasSubstr("score"), HasSubstr("nan")), AllOf(HasSubstr("draft"), HasSubstr("perhaps")),
                          AllOf(HasSubstr("e.txt.meta.json"), HasSubstr("byte")),
                          AllOf(HasSubstr("f.txt.meta.json"), HasSubstr("no JSON object")),
                          AllOf(HasSubstr("g.txt"), HasSubstr("author"), HasSubstr("70000")),
                          AllOf(HasSubstr("h.txt.meta.json"), HasSubstr("1048576"))));
  EXPECT_EQ(MustIngest().files_unchanged, 8u);
}

TEST_F(FieldsTest, OtherDeclarationsHaveAllFilesReadAgain) {
  Write("a.md", "---\nyear: 2020\npages: 7\n---\nText of a.");
  Write("b.md", "---\nyear: 2021\n---\nText of b.");
  request_.fields.reset();
  MustIngest();
  EXPECT_EQ(FieldsOf("a.md"), "") << "nothing is declared";
  EXPECT_EQ(Row("a.md").meta_hash, "");
  const size_t embedded = embedder_.embedded;

  request_.fields = SomeFields();
  EXPECT_EQ(MustIngest().files_changed, 2u);
  EXPECT_EQ(FieldsOf("a.md"), "year=2020");
  // Without a declaration the recorded ones hold.
  request_.fields.reset();
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
  EXPECT_EQ(store_.state.fields, SomeFields());
  // Another index or order is declared, and changes no value.
  auto reordered = SomeFields();
  std::reverse(reordered.begin(), reordered.end());
  reordered.back().index = FieldIndex::kHash;
  request_.fields = reordered;
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
  EXPECT_EQ(store_.state.fields, reordered);
  // Another type, and one more.
  request_.fields = {{"year", FieldType::kString, FieldIndex::kHash}, {"pages", FieldType::kInt, FieldIndex::kNone}};
  EXPECT_EQ(MustIngest().files_changed, 2u);
  EXPECT_EQ(FieldsOf("a.md"), "pages=7 year=\"2020\"");
  EXPECT_EQ(FieldsOf("b.md"), "year=\"2021\"");
  // None.
  request_.fields.emplace();
  EXPECT_EQ(MustIngest().files_changed, 2u);
  EXPECT_EQ(FieldsOf("a.md"), "");
  EXPECT_THAT(store_.state.fields, IsEmpty());
  EXPECT_EQ(embedder_.embedded, embedded);
}

TEST_F(FieldsTest, ADeclarationCutShortGoesOn) {
  for (const char* name : {"a.md", "b.md", "c.md"}) Write(name, std::string("---\nyear: 2020\n---\nText of ") + name);
  request_.fields.reset();
  MustIngest();
  request_.fields = SomeFields();
  request_.limits.commit_nodes = 1;
  store_.commits_left = 2;
  EXPECT_FALSE(Ingest().ok());
  EXPECT_EQ(store_.state.fields, SomeFields());
  store_.commits_left = SIZE_MAX;
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_changed + report.files_unchanged, 3u);
  for (const char* name : {"a.md", "b.md", "c.md"}) EXPECT_EQ(FieldsOf(name), "year=2020");
}

TEST_F(FieldsTest, TheCallerWinsOverBoth) {
  Write("a.md", "---\nyear: 1\nauthor: Li\ntags: t\n---\nText of a.");
  Write("a.md.meta.json", R"({"year": 2, "author": "Wang"})");
  Write("b.txt", "Text of b.");
  Fields given = {{"year", int64_t{3}}, {"score", int64_t{4}}, {"nobody", true}};
  options_.fields_of = [&](const std::string& path) { return path == "a.md" ? given : Fields(); };
  IngestReport report = MustIngest();
  EXPECT_EQ(FieldsOf("a.md"), "author=\"Wang\" score=4.0 tags=[\"t\"] year=3");
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
  const size_t embedded = embedder_.embedded;
  given = {{"year", std::string("3")}, {"author", std::string("\xff")}, {"score", std::nan("")}};
  report = MustIngest();
  EXPECT_EQ(report.files_changed, 1u);
  EXPECT_EQ(FieldsOf("a.md"), "tags=[\"t\"]");
  EXPECT_EQ(FieldWarnings(report).size(), 3u);
  options_.fields_of = nullptr;
  EXPECT_EQ(MustIngest().files_changed, 1u);
  EXPECT_EQ(FieldsOf("a.md"), "author=\"Wang\" tags=[\"t\"] year=2");
  EXPECT_EQ(embedder_.embedded, embedded);
}

// Front matter and sidecars are written by anybody: whatever stands there, the file is taken up.
TEST_F(FieldsTest, MutatedFrontMatterAndSidecarsNeverFailAFile) {
  const std::string front = "year: 2020\nauthor: &a Li\ntags: [a, *a]\ndate: 2024-01-02\nscore: 1e9\ndraft: true\n";
  const std::string side = R"({"year": 2020, "author": "L\u738bi", "tags": ["a", "b"], "score": 1.5, "draft": true})";
  std::mt19937 random(7);
  const auto mutate = [&random](std::string text) {
    for (size_t n = random() % 4; n > 0 && !text.empty(); --n) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(1 + random() % 255);  // A NUL would make it a binary file.
          break;
        case 1:
          text.erase(at, random() % 6);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 12));
      }
    }
    return text;
  };
  for (int i = 0; i < 400; ++i) {
    const std::string name = "f" + std::to_string(i) + ".md";
    Write(name, "---\n" + mutate(front) + "---\nText of " + name);
    if (i % 2 == 0) Write(name + ".meta.json", mutate(side));
  }
  const IngestReport report = MustIngest();
  for (const FailedFile& failed : report.failed) ADD_FAILURE() << failed.file << ": " << failed.status.ToString();
  EXPECT_EQ(report.files_added, 400u);
  EXPECT_GT(FieldWarnings(report).size(), 50u);
  size_t values = 0;
  for (const auto& [path, row] : store_.state.files) {
    values += row.fields.size();
    for (const FieldSpec& spec : SomeFields()) {
      if (const auto found = row.fields.find(spec.name); found != row.fields.end()) {
        EXPECT_TRUE(HasType(found->second, spec.type)) << path << " " << spec.name;
      }
    }
  }
  EXPECT_GT(values, 800u);
}

}  // namespace
}  // namespace ragtime
