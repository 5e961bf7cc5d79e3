// SPDX-License-Identifier: Apache-2.0
//
// Goal: collections of other programs come in whole, with fields, order and paths; a wrong model is found out; broken
// layouts and pieces are told and change nothing.
#include "ingest/import/import.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "index/scalar/columns.h"
#include "ingest/import/chroma_source.h"
#include "ingest/import/document_fields.h"
#include "ingest/import/llamaindex_source.h"
#include "model/scripted/scripted_embedder.h"
#include "store/map/map_store.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

const std::filesystem::path kFixture = std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests/golden/llamaindex/storage";

class ListSource : public ImportSource {
 public:
  explicit ListSource(std::vector<ImportedNode> nodes) : nodes_(std::move(nodes)) {}
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    std::vector<ImportedNode> batch;
    for (; next_ < nodes_.size() && batch.size() < std::min<size_t>(limit, 7); ++next_) batch.push_back(nodes_[next_]);
    return batch;
  }

 private:
  const std::vector<ImportedNode> nodes_;
  size_t next_ = 0;
};

class ImportTest : public testing::Test {
 protected:
  std::vector<float> Vector(const std::string& text) {
    return Value(embedder_.Embed({}, std::vector<std::string>{text}, TextKind::kPassage));
  }
  ImportedNode Piece(const std::string& id, const std::string& text, const std::string& metadata) {
    return {.id = id, .text = text, .vector = Vector(text), .metadata = Value(Json::Parse(metadata))};
  }
  std::vector<ImportedNode> Library() {
    return {
        Piece("1", "the heron stands in the reeds", R"({"file_path":"/d/birds/heron.md","year":2020,"x":1.5})"),
        Piece("2", "the owl hunts at night", R"({"file_path":"/d/birds/owl.md","year":2021,"tags":["night"]})"),
        Piece("3", "苍鹭站在芦苇丛中", R"({"file_path":"/d/birds/heron.md","year":2020,"page":"2","x":2})"),
        Piece("4", "bread is baked in the morning", R"({"file_path":"/d/bread.txt","at":"2024-01-02","draft":true})")};
  }
  Result<ImportReport> Import(std::vector<ImportedNode> nodes, ImportRequest request = {}) {
    ListSource source(std::move(nodes));
    if (request.from.empty()) request.from = "test:list";
    return ImportNodes(request, source, store_, embedder_, {});
  }
  FileRecord File(const std::string& path) {
    const auto file = Value(Value(store_.OpenSnapshot())->FindFile(path));
    EXPECT_TRUE(file.has_value()) << path;
    return file.value_or(FileRecord());
  }

  ScriptedEmbedder embedder_;
  MapStore store_{StoreConfig{}, std::make_shared<ColumnsType>()};
};

TEST_F(ImportTest, PiecesBecomeDocumentsWithFields) {
  const ImportReport report = Value(Import(Library()));
  EXPECT_EQ(report.files_imported, 3u);
  EXPECT_EQ(report.nodes_imported, 4u);
  EXPECT_NEAR(report.cosine_min, 1, 1e-5);
  EXPECT_EQ(report.nodes_checked, 4u);
  const auto type_of = [&](const std::string& name) {
    for (const FieldSpec& spec : report.fields) {
      if (spec.name == name) return std::string(FieldTypeName(spec.type));
    }
    return std::string("none");
  };
  EXPECT_EQ(type_of("year"), "int");
  EXPECT_EQ(type_of("at"), "datetime");
  EXPECT_EQ(type_of("draft"), "bool");
  EXPECT_EQ(type_of("tags"), "list");
  EXPECT_EQ(type_of("x"), "none") << "it differs within one document";
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_NE(report.warnings[0].message.find("metadata x"), std::string::npos);
  EXPECT_EQ(Value(store_.Setting("root")), "/d");
  const FileRecord heron = File("birds/heron.md");
  EXPECT_EQ(std::get<int64_t>(heron.fields.at("year")), 2020);
  const auto nodes = Value(Value(store_.OpenSnapshot())->NodesOf(heron.id));
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[1].node.text, "苍鹭站在芦苇丛中");
  EXPECT_EQ(nodes[1].node.page, 2u);
  EXPECT_EQ(nodes[1].vector, Vector("苍鹭站在芦苇丛中"));
  const ImportReport again = Value(Import(Library()));
  EXPECT_EQ(again.files_reused, 3u);
  EXPECT_EQ(again.files_imported, 0u);
}

TEST_F(ImportTest, KeysAreMappedAndTypesDeclared) {
  std::vector<ImportedNode> nodes;
  for (int i = 0; i < 3; ++i) {
    const std::string text = "text number " + std::to_string(i) + " of its kind";
    nodes.push_back(Piece("n" + std::to_string(i), text,
                          R"({"page_content":")" + text + R"(","where":"a/b.txt","pub_year":"1999","other":1})"));
    nodes.back().text.clear();
  }
  const ImportReport report =
      Value(Import(nodes, {.map = {{"text", "page_content"}, {"source", "where"}, {"year", "pub_year"}},
                           .fields = {{.name = "year", .type = FieldType::kInt}}}));
  EXPECT_EQ(report.fields.size(), 1u);
  EXPECT_EQ(std::get<int64_t>(File("a/b.txt").fields.at("year")), 1999);
  EXPECT_EQ(File("a/b.txt").nodes, 3u);
}

TEST_F(ImportTest, AnotherModelIsRefusedWithTheCosine) {
  std::vector<ImportedNode> nodes = Library();
  nodes[2].vector = Vector("something else altogether");
  const auto refused = Import(nodes);
  ASSERT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.status().message().find("least cosine is"), std::string::npos) << refused.status().ToString();
  EXPECT_NE(refused.status().message().find("piece 3"), std::string::npos);
  nodes = Library();
  for (ImportedNode& node : nodes) node.vector.pop_back();
  EXPECT_NE(Import(nodes).status().message().find("dimension 255"), std::string::npos);
  EXPECT_TRUE(Value(Value(store_.OpenSnapshot())->Files()).empty());
}

TEST_F(ImportTest, OfTextsThatWereEmbeddedWithMetadataTheWholeIsCompared) {
  std::vector<ImportedNode> nodes = Library();
  for (ImportedNode& node : nodes) {
    node.embedded_text = "year: 2020\n\n" + node.text;
    node.vector = Vector(node.embedded_text);
  }
  EXPECT_NEAR(Value(Import(nodes)).cosine_min, 1, 1e-5);
}

TEST_F(ImportTest, BadPiecesAreTold) {
  const auto one = [&](ImportedNode node) { return Import({std::move(node)}).status(); };
  ImportedNode node = Library()[0];
  node.vector[0] = NAN;
  EXPECT_THAT(one(node), StatusIs(StatusCode::kInvalidArgument));
  node = Library()[0];
  node.text = "\xff";
  EXPECT_THAT(one(node), StatusIs(StatusCode::kInvalidArgument));
  node.text = std::string(70000, 'a');
  EXPECT_THAT(one(node), StatusIs(StatusCode::kInvalidArgument));
  node = Library()[0];
  node.vector.clear();
  EXPECT_THAT(one(node), StatusIs(StatusCode::kNotFound));
  std::vector<ImportedNode> mixed = Library();
  mixed[1].vector.clear();
  EXPECT_EQ(Value(Import(mixed)).nodes_skipped, 1u);
  EXPECT_THAT(Import(Library(), {.from = "another:list"}), StatusIs(StatusCode::kAlreadyExists));
}

TEST_F(ImportTest, StrangePathsBecomePaths) {
  std::vector<ImportedNode> nodes = Library();
  nodes[0].metadata = Value(Json::Parse(R"({"source":"../../etc//passwd"})"));
  nodes[1].metadata = Value(Json::Parse(R"({"source":"https://example.org/a?b=c"})"));
  nodes[2].metadata = Value(Json::Parse(R"({"source":".."})"));
  nodes[3].metadata = Json();
  ASSERT_OK(Import(nodes));
  EXPECT_EQ(File("etc/passwd").nodes, 1u);
  EXPECT_EQ(File("https:/example.org/a?b=c").nodes, 1u);
  EXPECT_EQ(File("4").nodes, 1u);
}

TEST(LlamaIndexSourceTest, ReadsWhatTheRealLibraryWrote) {
  const auto source = Value(LlamaIndexSource::Open(kFixture));
  std::vector<ImportedNode> nodes = Value(source->Next({}, 5));
  EXPECT_EQ(nodes.size(), 5u);
  for (ImportedNode& node : Value(source->Next({}, 100))) nodes.push_back(std::move(node));
  EXPECT_TRUE(Value(source->Next({}, 100)).empty());
  ASSERT_EQ(nodes.size(), 8u);
  const ImportedNode& first = nodes[0];
  EXPECT_EQ(first.document, "doc-en/borrowing.md");
  EXPECT_EQ(first.order, 0);
  EXPECT_EQ(first.vector.size(), 384u);
  EXPECT_TRUE(first.text.starts_with("# Borrowing at Lakeside Library"));
  EXPECT_EQ(first.metadata["year"].AsInt(), 2024);
  EXPECT_TRUE(first.embedded_text.starts_with(
      "file_path: /data/library/en/borrowing.md\nyear: 2024\ntags: ['cards', 'fees']\n\n# Borrowing"))
      << first.embedded_text;
}

TEST(LlamaIndexSourceTest, BrokenFilesAreNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(LlamaIndexSource::Open(folder.path()), StatusIs(StatusCode::kNotFound));
  std::filesystem::copy_file(kFixture / "docstore.json", folder.path() / "docstore.json");
  std::ofstream(folder.path() / "default__vector_store.json") << "{\"embedding_dict\": [1, 2";
  const auto cut = LlamaIndexSource::Open(folder.path());
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.status().message().find("default__vector_store.json"), std::string::npos);
  std::ofstream(folder.path() / "default__vector_store.json") << "{\"other\": {}}";
  EXPECT_THAT(LlamaIndexSource::Open(folder.path()), StatusIs(StatusCode::kInvalidArgument));
}

TEST(ChromaSourceTest, SlipsAndDeadServersAreTold) {
  for (const char* uri : {"localhost:8000/x", "http://h:8000", "http://h:8000/", "http://h/x?colour=red"}) {
    EXPECT_THAT(ChromaSource::Open({}, uri, ""), StatusIs(StatusCode::kInvalidArgument)) << uri;
  }
  const auto dead = ChromaSource::Open({}, "http://me:secret@127.0.0.1:1/birds", "token");
  ASSERT_THAT(dead, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(dead.status().message().find("birds"), std::string::npos) << dead.status().ToString();
  EXPECT_EQ(dead.status().ToString().find("secret"), std::string::npos) << dead.status().ToString();
}

}  // namespace
}  // namespace ragtime
