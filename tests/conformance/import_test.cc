// SPDX-License-Identifier: Apache-2.0
//
// Goal: collections of other programs come in whole, with fields, order and paths; a wrong model is found out; broken
// layouts and pieces are told and change nothing.
#include "ingest/import/import.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "index/scalar/columns.h"
#include "ingest/import/chroma_source.h"
#include "ingest/import/document_fields.h"
#include "ingest/import/lazyllm_source.h"
#include "ingest/import/lazyllm_stores.h"
#include "ingest/import/llamaindex_node.h"
#include "ingest/import/llamaindex_source.h"
#include "ingest/import/milvus_source.h"
#include "model/scripted/scripted_embedder.h"
#include "store/map/map_store.h"
#include "store/milvus/milvus.h"
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
    node.embedded_texts = {"another: 1\n\n" + node.text, "year: 2020\n\n" + node.text};
    node.vector = Vector(node.embedded_texts.back());
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
  ASSERT_EQ(first.embedded_texts.size(), 1u);
  EXPECT_TRUE(first.embedded_texts[0].starts_with(
      "file_path: /data/library/en/borrowing.md\nyear: 2024\ntags: ['cards', 'fees']\n\n# Borrowing"))
      << first.embedded_texts[0];
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

TEST(LlamaIndexNodeTest, IsFoundInWhatItsVectorStoresWrite) {
  ImportedNode row;
  row.id = "n1";
  row.vector = {1, 2};
  row.metadata = Value(
      Json::Parse(R"({"text":"The heron.","_node_content":"{\"text\":\"\",\"metadata\":{\"year\":2020,\"draft\":true},)"
                  R"(\"excluded_embed_metadata_keys\":[\"draft\"],\"start_char_idx\":7,)"
                  R"(\"relationships\":{\"1\":{\"node_id\":\"d\"}}}","doc_id":"d"})"));
  TakeLlamaIndexNode(row);
  EXPECT_EQ(row.id, "n1");
  EXPECT_EQ(row.vector.size(), 2u);
  EXPECT_EQ(row.text, "The heron.");
  EXPECT_EQ(row.embedded_texts, std::vector<std::string>{"year: 2020\n\nThe heron."});
  EXPECT_EQ(row.document, "d");
  EXPECT_EQ(row.order, 7);
  EXPECT_EQ(row.metadata.Dump(), R"({"year":2020,"draft":true})");
  ImportedNode other;
  other.metadata = Value(Json::Parse(R"({"text":"x","_node_content":"no JSON"})"));
  TakeLlamaIndexNode(other);
  EXPECT_EQ(other.metadata["text"].AsString(), "x");
}

TEST_F(ImportTest, TextsOfAProgramWithoutVectorsAreEmbedded) {
  class Texts : public ListSource {
   public:
    using ListSource::ListSource;
    bool keeps_vectors() const override { return false; }
  };
  std::vector<ImportedNode> nodes = Library();
  for (ImportedNode& node : nodes) node.vector.clear();
  Texts source(nodes);
  const ImportReport report = Value(ImportNodes({.from = "test:texts"}, source, store_, embedder_, {}));
  EXPECT_EQ(report.nodes_imported, 4u);
  EXPECT_EQ(report.nodes_checked, 0u);
  EXPECT_EQ(report.warnings.back().code, "embedded");
  EXPECT_EQ(Value(Value(store_.OpenSnapshot())->NodesOf(File("birds/heron.md").id))[1].vector,
            Vector("苍鹭站在芦苇丛中"));
}

const std::filesystem::path kLazyLlm = std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests/golden/lazyllm/stores";

TEST(LazyLlmStoresTest, EverySpellingOfAStoreConf) {
  const auto parse = [](const std::string& conf) { return Value(ParseLazyLlmStores(conf)); };
  LazyLlmStores stores = parse("{'type': 'map', 'kwargs': {'uri': '/d/nodes.db'}}");
  EXPECT_EQ(stores.segments, "/d/nodes.db");
  EXPECT_EQ(stores.vector_type, "");
  stores = parse(R"({"type": "MilvusStore", "kwargs": {"uri": "/d/kb.db", "index_kwargs": [{"embed_key": "a"}]}})");
  EXPECT_EQ(stores.segments, "/d/lazyllm_kb_segments.db");
  EXPECT_EQ(stores.vector_type, "milvus");
  EXPECT_EQ(stores.vector_uri, "/d/kb.db");
  stores = parse("type: chromadb\nkwargs: {dir: /d/chroma}\n");
  EXPECT_EQ(stores.segments, "/d/chroma/lazyllm_chroma_segments.db");
  EXPECT_EQ(stores.vector_type, "chroma");
  stores = parse("{type: map, indices: {smart_embedding_index: {backend: milvus, kwargs: {uri: /d/kb}}}}");
  EXPECT_EQ(stores.segments, "/d/kb/lazyllm_milvus_segments.db");
  stores = parse(
      "{segment_store: {type: sqlite, kwargs: {db_path: /d/s.db}}, vector_store: {type: milvus, kwargs: {uri: "
      "'http://h:19530', db_name: x}}}");
  EXPECT_EQ(stores.segments, "/d/s.db");
  EXPECT_EQ(stores.vector_uri, "http://h:19530");
  EXPECT_EQ(stores.db_name, "x");
}

TEST(LazyLlmStoresTest, WhatCannotBeReadIsTold) {
  const auto message = [](const std::string& conf) { return ParseLazyLlmStores(conf).status().ToString(); };
  EXPECT_THAT(message("{type: milvus, kwargs: {uri: 'http://h:19530'}}"), testing::HasSubstr("in memory only"));
  EXPECT_THAT(message("{'type': 'map', 'kwargs': {'uri': None}}"), testing::HasSubstr("names no file"));
  EXPECT_THAT(message("{segment_store: {type: opensearch}}"), testing::HasSubstr("opensearch"));
  EXPECT_THAT(message("{segment_store: {type: map, kwargs: {uri: x}}, vector_store: {type: oceanbase}}"),
              testing::HasSubstr("oceanbase"));
  EXPECT_THAT(message("{kwargs: {}}"), testing::HasSubstr("neither type nor"));
  EXPECT_THAT(message("[1, {"), testing::HasSubstr("store_conf of LazyLLM"));
  EXPECT_THAT(message("/nowhere.yaml"), testing::HasSubstr("/nowhere.yaml"));
}

TEST(LazyLlmSourceTest, ReadsWhatTheRealLibraryWrote) {
  const auto several = LazyLlmSegments::Open(kLazyLlm / "map.db", "");
  EXPECT_THAT(several.status().ToString(), testing::HasSubstr("block, title"));
  EXPECT_THAT(LazyLlmSegments::Open(kLazyLlm / "map.db", "x"), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(LazyLlmSegments::Open(kLazyLlm / "none.db", ""), StatusIs(StatusCode::kNotFound));
  LazyLlmSource source(Value(LazyLlmSegments::Open(kLazyLlm / "map.db", "block")), nullptr);
  EXPECT_FALSE(source.keeps_vectors());
  std::vector<ImportedNode> nodes;
  for (;;) {
    std::vector<ImportedNode> batch = Value(source.Next({}, 5));
    if (batch.empty()) break;
    std::move(batch.begin(), batch.end(), std::back_inserter(nodes));
  }
  ASSERT_EQ(nodes.size(), 17u);
  for (const ImportedNode& node : nodes) {
    EXPECT_FALSE(node.text.empty());
    EXPECT_TRUE(node.order.has_value());
    EXPECT_TRUE(node.metadata["lazyllm_doc_path"].AsString().ends_with(".md"));
    EXPECT_FALSE(node.metadata.Has("lazyllm_store_num"));
    EXPECT_TRUE(node.embedded_texts.front().starts_with("lazyllm_store_num: ")) << node.embedded_texts.front();
    EXPECT_EQ(node.embedded_texts.back(), node.text);
  }
}

TEST(MilvusLiteFileTest, ReadsWhatMilvusLite2Wrote) {
  const std::string file = (kLazyLlm / "milvus.db").string();
  MilvusSource source(Value(ReadMilvus({}, {.uri = file}, {.name = "col_block"})));
  std::vector<ImportedNode> nodes = Value(source.Next({}, 10));
  EXPECT_EQ(nodes.size(), 10u);
  for (ImportedNode& node : Value(source.Next({}, 10))) nodes.push_back(std::move(node));
  EXPECT_TRUE(Value(source.Next({}, 10)).empty());
  ASSERT_EQ(nodes.size(), 17u);
  for (const ImportedNode& node : nodes) {
    EXPECT_EQ(node.id.size(), 36u);
    ASSERT_EQ(node.vector.size(), 384u);
    double length = 0;
    for (const float value : node.vector) length += double{value} * value;
    EXPECT_NEAR(length, 1, 1e-3);
    EXPECT_EQ(node.metadata["global_meta_file_type"].AsString(), "text/markdown");
    EXPECT_GT(node.metadata["global_meta_file_size"].AsInt(), 1000);
    EXPECT_FALSE(node.metadata.Has("Timestamp"));
  }
  const auto unknown = ReadMilvus({}, {.uri = file}, {.name = "other"});
  ASSERT_THAT(unknown, StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(unknown.status().ToString(), testing::HasSubstr("col_block"));
  EXPECT_THAT(ReadMilvus({}, {.uri = file}, {.name = "col_block", .vector = "x"}),
              StatusIs(StatusCode::kInvalidArgument));
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "text.db") << "no database, but long enough to be looked into by SQLite as one";
  EXPECT_FALSE(ReadMilvus({}, {.uri = (folder.path() / "text.db").string()}, {.name = "x"}).ok());
  EXPECT_THAT(ReadMilvus({}, {.uri = (folder.path() / "none").string()}, {.name = "x"}),
              StatusIs(StatusCode::kNotFound));
}

TEST(MilvusSourceTest, SlipsAreTold) {
  for (const char* uri : {"localhost", "http://h:19530", "http://h:19530/", "/x", "http://h/x?colour=red"}) {
    EXPECT_THAT(ParseMilvusAddress(uri), StatusIs(StatusCode::kInvalidArgument)) << uri;
  }
  const CollectionAddress address = Value(ParseMilvusAddress("http://h:19530/x?db_name=d"));
  EXPECT_EQ(address.server, "http://h:19530");
  EXPECT_EQ(address.collection, "x");
  EXPECT_EQ(address.parameters.at("db_name"), "d");
  EXPECT_EQ(Value(ParseMilvusAddress("./milvus.db/x")).server, "./milvus.db");
}

}  // namespace
}  // namespace ragtime
