// SPDX-License-Identifier: Apache-2.0
//
// Goal: the same call means the same thing on every Store backend.
// Method: each TEST_P runs on every line of StoreBackends(); StoreModel, a std::map with brute-force searches, is the
// oracle.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <deque>
#include <limits>
#include <thread>

#include "base/str_cat.h"
#include "testing/store_backends.h"
#include "testing/store_model.h"

// Those of the servers are programs of their own, as they take longer.
#ifdef RAGTIME_CHROMA
#include "testing/chroma_backend.h"
#define RAGTIME_BACKENDS ChromaBackends
#elif defined(RAGTIME_MILVUS)
#include "testing/milvus_backend.h"
#define RAGTIME_BACKENDS MilvusBackends
#else
#define RAGTIME_BACKENDS StoreBackends
#endif

namespace ragtime {
namespace {

constexpr size_t kDimension = 16;

class StoreConformance : public testing::TestWithParam<StoreBackend> {
 protected:
  void SetUp() override { Open(Metric::kCosine); }

  void Open(Metric metric) {
    store_ = GetParam().open(folder_.path(), metric);
    ASSERT_OK(store_->BeginWrite(1000));
  }

  std::shared_ptr<const Snapshot> Now() const { return Value(store_->OpenSnapshot()); }
  CommitResult Commit(WriteBatch batch) { return Value(store_->Commit({}, std::move(batch))); }
  std::vector<float> AnyVector() { return RandomVector(random_, kDimension); }
  WriteBatch OneNode(std::string path, std::string text) {
    return {.documents = {OneNodeDocument(std::move(path), std::move(text), AnyVector())}};
  }
  // The batch is refused, and nothing of it is seen.
  void ExpectRefused(WriteBatch batch, StatusCode code, const std::string& named) {
    const auto before = Now();
    const auto result = store_->Commit({}, std::move(batch));
    EXPECT_THAT(result, StatusIs(code));
    EXPECT_NE(result.status().message().find(named), std::string::npos) << result.status().ToString();
    const auto after = Now();
    EXPECT_EQ(after->generation(), before->generation());
    EXPECT_EQ(Value(after->Files()), Value(before->Files()));
    EXPECT_EQ(Value(after->Statistics()).nodes, Value(before->Statistics()).nodes);
  }
  std::vector<NodeId> Find(std::string text, std::string group = "") const {
    std::vector<NodeId> ids;
    for (const Hit& hit : Value(Now()->SearchKeyword({}, {.text = text, .limit = 100, .group = group})))
      ids.push_back(hit.node_id);
    return ids;
  }

  const uint64_t seed_ = SeedFromEnvironment();
  testing::ScopedTrace trace_{__FILE__, __LINE__, StrCat("RAGTIME_SEED=", seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreConformance, AnEmptyStoreAnswersWithNothing) {
  StoreModel(Metric::kCosine).ExpectEqual(*Now(), random_);
  EXPECT_TRUE(Value(Now()->SearchVector({}, {.vector = std::vector<float>(7, 1.0f)})).empty());
  EXPECT_TRUE(Value(Now()->SearchKeyword({}, {.text = "anything 任何"})).empty());
  EXPECT_FALSE(Value(store_->Setting("uuid")).value_or("").empty());
  EXPECT_EQ(Value(store_->Setting("none")), std::nullopt);
  EXPECT_EQ(Value(store_->Setting("dimension")), std::nullopt);
  EXPECT_OK(store_->Seal({}));
}

TEST_P(StoreConformance, WritingNeedsBeginWrite) {
  store_->EndWrite();
  EXPECT_THAT(store_->Commit({}, {}), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(store_->Seal({}), StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_OK(store_->BeginWrite(0));
  EXPECT_OK(store_->BeginWrite(0)) << "it has the right already";
  EXPECT_OK(store_->Commit({}, {}));
}

TEST_P(StoreConformance, IdsFollowTheOrderGivenAndAreNeverReused) {
  WriteBatch batch;
  for (const char* path : {"a/x.md", "a/y.md", "b.md"})
    batch.documents.push_back(RandomDocument(random_, path, 3, kDimension));
  const CommitResult first = Commit(batch);
  EXPECT_EQ(first.document_ids, (std::vector<DocumentId>{2, 3, 4})) << "folder a is 1";
  EXPECT_EQ(first.generation, 1u);
  NodeId next = 1;
  for (const DocumentId id : first.document_ids) {
    for (const NewNode& node : Value(Now()->NodesOf(id))) EXPECT_EQ(node.node.id, next++);
  }
  Commit({.erased = first.document_ids});
  EXPECT_TRUE(Value(Now()->Files()).empty());
  EXPECT_EQ(Commit(OneNode("a/x.md", "new")).document_ids, std::vector<DocumentId>{6});
  EXPECT_EQ(Find("new"), std::vector<NodeId>{10});
}

TEST_P(StoreConformance, GetKeepsTheOrderAskedAndMarksUnknownIds) {
  Commit(OneNode("a", "first"));
  Commit(OneNode("b", "second"));
  const std::vector<NodeId> ids = {2, 404, 1, 2};
  const auto nodes = Value(Now()->GetNodes(ids));
  ASSERT_EQ(nodes.size(), 4u);
  EXPECT_EQ(nodes[0]->text, "second");
  EXPECT_EQ(nodes[1], std::nullopt);
  EXPECT_EQ(nodes[2]->text, "first");
  EXPECT_EQ(nodes[3]->text, "second");
  EXPECT_TRUE(Value(Now()->GetNodes({})).empty());
}

TEST_P(StoreConformance, AReplacedDocumentIsNoLongerFound) {
  Commit(OneNode("a.md", "walrus 海象"));
  Commit(OneNode("b.md", "walrus"));
  Commit(OneNode("a.md", "penguin 企鹅"));
  EXPECT_EQ(Find("walrus"), std::vector<NodeId>{2});
  EXPECT_EQ(Find("海象"), std::vector<NodeId>{});
  EXPECT_EQ(Find("企鹅"), std::vector<NodeId>{3});
  EXPECT_EQ(Value(Now()->Statistics()).nodes, 2u);
  EXPECT_EQ(Value(Now()->Statistics()).files, 2u);
}

TEST_P(StoreConformance, AMovedFileKeepsItsIdAndNodes) {
  const DocumentId id = Commit(OneNode("old/a.md", "walrus")).document_ids[0];
  DocumentWrite move{.file = *Value(Now()->FindFile(id)), .keep_id = true};
  move.file.file_path = "new/b.md";
  const CommitResult result = Commit({.documents = {move}});
  EXPECT_EQ(result.document_ids, std::vector<DocumentId>{id});
  EXPECT_EQ(result.generation, 2u) << "hits name another file";
  EXPECT_EQ(Find("walrus"), std::vector<NodeId>{1});
  EXPECT_EQ(Value(Now()->FindFile(id))->file_name, "b.md");
  EXPECT_EQ(Value(Now()->FindFile("old")), std::nullopt);
  EXPECT_TRUE(Value(Now()->FindFile("new"))->is_dir);
}

TEST_P(StoreConformance, GenerationCountsWhatCanChangeAResult) {
  const DocumentId id = Commit(OneNode("a.md", "x")).document_ids[0];
  EXPECT_EQ(Now()->generation(), 1u);
  EXPECT_EQ(Commit({.settings = {{"k", "v"}}}).generation, 1u);
  DocumentWrite touched{.file = *Value(Now()->FindFile(id)), .keep_id = true};
  touched.file.modified_time_ns = 77;
  touched.file.status = FileStatus::kFailed;
  touched.file.error = "unreadable";
  EXPECT_EQ(Commit({.documents = {touched}}).generation, 1u);
  EXPECT_EQ(Value(Now()->FindFile(id))->error, "unreadable");
  EXPECT_OK(store_->Seal({}));
  EXPECT_EQ(Now()->generation(), 1u);
  EXPECT_EQ(Commit({.erased = {404}}).generation, 1u);
  EXPECT_EQ(Commit({.erased = {id}}).generation, 2u);
}

TEST_P(StoreConformance, SettingsAreKeptAndTheStoresOwnAreRefused) {
  Commit({.settings = {{"model", "e5"}, {"空", ""}}});
  EXPECT_EQ(Value(store_->Setting("model")), "e5");
  EXPECT_EQ(Value(store_->Setting("空")), "");
  Commit({.settings = {{"model", "e6"}}});
  EXPECT_EQ(Value(store_->Setting("model")), "e6");
  for (const char* key : {"uuid", "dimension", "format_version", "metric"}) {
    ExpectRefused({.settings = {{key, "x"}}}, StatusCode::kInvalidArgument, key);
  }
}

TEST_P(StoreConformance, BadBatchesAreRefusedWholeAndNamed) {
  Commit(OneNode("there.md", "x"));
  const auto with_node = [&](auto change) {
    WriteBatch batch = OneNode("good.md", "x");
    WriteBatch bad = OneNode("bad.md", "x");
    change(bad.documents[0]);
    batch.documents.push_back(bad.documents[0]);
    return batch;
  };
  const auto refuse = [&](auto change, const std::string& named = "bad.md") {
    ExpectRefused(with_node(change), StatusCode::kInvalidArgument, named);
  };
  refuse([](DocumentWrite& d) { d.nodes[0].vector.pop_back(); }, "15, not 16");
  refuse([](DocumentWrite& d) { d.nodes[0].vector.clear(); }, "0, not 16");
  refuse([](DocumentWrite& d) { d.nodes[0].vector[3] = std::numeric_limits<float>::quiet_NaN(); }, "node 0 of bad.md");
  refuse([](DocumentWrite& d) { d.nodes[0].vector[3] = std::numeric_limits<float>::infinity(); });
  refuse([](DocumentWrite& d) { d.nodes[0].vector.assign(kDimension, 0); }, "zero");
  refuse([](DocumentWrite& d) { d.nodes[0].node.text = "\xff"; });
  refuse([](DocumentWrite& d) { d.nodes[0].node.text.assign((1 << 20) + 1, 'x'); }, "1048577");
  refuse([](DocumentWrite& d) { d.nodes[0].node.heading = {std::string(70000, 'x')}; });
  refuse([](DocumentWrite& d) { d.nodes[0].node.bytes = Span{5, 4}; });
  refuse([](DocumentWrite& d) { d.nodes.push_back(d.nodes[0]); }, "order");
  refuse([](DocumentWrite& d) { d.keep_id = true; });
  refuse([](DocumentWrite& d) { d.file.file_path = "good.md"; }, "twice");
  for (const char* path : {"", "/a", "a/", "a//b", "./a", "a/../b", "\xff"}) {
    refuse([path](DocumentWrite& d) { d.file.file_path = path; }, "file path");
  }
  refuse([](DocumentWrite& d) { d.file.file_path = std::string(5000, 'x'); }, "file path");
  refuse([](DocumentWrite& d) { d.file.is_dir = true; });
  ExpectRefused({.documents = {{.file = {.id = 99, .file_path = "moved.md"}, .keep_id = true}}}, StatusCode::kNotFound,
                "moved.md");
  WriteBatch file_and_folder = OneNode("p", "x");
  file_and_folder.documents.push_back(OneNode("p/q", "x").documents[0]);
  ExpectRefused(file_and_folder, StatusCode::kInvalidArgument, "p as a file");
}

TEST_P(StoreConformance, NamedVectorsAreHeldToTheirDeclarations) {
  const auto named = [&](std::string key, std::vector<float> vector) {
    WriteBatch batch = OneNode("named.md", "x");
    batch.documents[0].nodes[0].named[std::move(key)] = std::move(vector);
    return batch;
  };
  if (!store_->traits().named_vectors) {
    ExpectRefused(named("english", {1, 0}), StatusCode::kUnimplemented, "node 0 of named.md");
    ExpectRefused({.dimensions = {{"english", 2}}}, StatusCode::kUnimplemented, "english");
    return;
  }
  ExpectRefused(named("english", {1, 0}), StatusCode::kInvalidArgument, "node 0 of named.md");
  WriteBatch first = named("english", {3, 4});
  first.dimensions = {{"english", 2}, {"unused", 3}};
  const DocumentId id = Commit(std::move(first)).document_ids[0];
  const std::vector<float> scaled = {0.6f, 0.8f};
  EXPECT_EQ(Value(Now()->NodesOf(id))[0].named.at("english"), scaled);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& vector : {std::vector<float>{1, 0, 0}, {}, {0, 0}, {nan, 0}}) {
    ExpectRefused(named("english", vector), StatusCode::kInvalidArgument, "\"english\" of node 0 of named.md");
  }
  for (const std::string& key : {std::string(), std::string(65, 'k'), std::string("a\nb")}) {
    ExpectRefused({.dimensions = {{key, 2}}}, StatusCode::kInvalidArgument, "no usable key");
  }
  ExpectRefused({.dimensions = {{"english", 3}}}, StatusCode::kInvalidArgument, "dimension 3");
  ExpectRefused({.dimensions = {{"zero", 0}}}, StatusCode::kInvalidArgument, "dimension 0");

  const std::vector<float> query = {1, 0};
  const auto hits = Value(Now()->SearchVector({}, {.vector = query, .key = "english"}));
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_NEAR(hits[0].score, 0.6, 1e-6);
  EXPECT_THAT(Now()->SearchVector({}, {.vector = query, .key = "unused"}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Now()->SearchVector({}, {.vector = query, .key = "no"}), StatusIs(StatusCode::kInvalidArgument));
  const std::vector<float> of_unused = {1, 0, 0};
  EXPECT_TRUE(Value(Now()->SearchVector({}, {.vector = of_unused, .key = "unused"})).empty());
  // A node that lacks the vector is found by its other one only.
  const DocumentId bare = Commit(OneNode("without.md", "x")).document_ids[0];
  const NodeId without = Value(Now()->NodesOf(bare))[0].node.id;
  EXPECT_EQ(Value(Now()->SearchVector({}, {.vector = query, .key = "english"})).size(), 1u);
  const std::vector<float> any = AnyVector();
  const auto all = Value(Now()->SearchVector({}, {.vector = any}));
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const Hit& hit) { return hit.node_id == without; }));
  ASSERT_OK(store_->Compact({}));
  EXPECT_EQ(Value(Now()->NodesOf(id))[0].named.at("english"), scaled);
  if (!GetParam().persistent) return;
  store_.reset();
  Open(Metric::kCosine);
  EXPECT_EQ(Value(Now()->SearchVector({}, {.vector = query, .key = "english"})), hits);
  ExpectRefused({.dimensions = {{"english", 3}}}, StatusCode::kInvalidArgument, "dimension 3");
}

TEST_P(StoreConformance, FieldsAreHeldToTheirDeclarations) {
  WriteBatch batch = OneNode("a.md", "x");
  batch.documents[0].file.fields = {{"year", int64_t{2020}}};
  ExpectRefused(batch, StatusCode::kInvalidArgument, "the field year of a.md is not declared");
  batch.fields = {{"year", FieldType::kString, FieldIndex::kHash}};
  ExpectRefused(batch, StatusCode::kInvalidArgument, "the field year of a.md is of type string, not 2020");
  batch.fields = {{"file_path", FieldType::kString, FieldIndex::kHash}};
  ExpectRefused(batch, StatusCode::kInvalidArgument, "\"file_path\" has the name");
  batch.fields = {{"a b", FieldType::kString, FieldIndex::kHash}};
  ExpectRefused(batch, StatusCode::kInvalidArgument, "\"a b\" is not made of letters");
  batch.fields = {{"year", FieldType::kInt, FieldIndex::kHash}, {"year", FieldType::kInt, FieldIndex::kHash}};
  ExpectRefused(batch, StatusCode::kInvalidArgument, "\"year\" is declared twice");
}

TEST_P(StoreConformance, FieldsCanBeDeclaredAnew) {
  const auto count = [this](const char* filter) {
    const auto now = Now();
    return Value(now->CountNodes({}, Value(Filter::Parse(filter, NodeFields(now->fields())))));
  };
  Commit(OneNode("before.md", "x"));
  WriteBatch batch = OneNode("a.md", "x");
  batch.fields = {{"year", FieldType::kInt, FieldIndex::kBtree}, {"author", FieldType::kString, FieldIndex::kHash}};
  batch.documents[0].file.fields = {{"year", int64_t{2020}}, {"author", std::string("Li")}};
  Commit(batch);
  EXPECT_EQ(count("year = 2020"), 1u);
  EXPECT_EQ(count("year is null"), 1u);
  // The type of one changes, another one comes, and the index of the third.
  WriteBatch again;
  again.fields = {{"year", FieldType::kString, FieldIndex::kBtree},
                  {"author", FieldType::kString, FieldIndex::kBtree},
                  {"tag", FieldType::kString, FieldIndex::kBtree}};
  const uint64_t generation = Now()->generation();
  Commit(again);
  EXPECT_EQ(Now()->generation(), generation + 1);
  EXPECT_EQ(Commit(again).generation, generation + 1) << "nothing changed";
  for (int sealed = 0; sealed < 2; ++sealed) {
    EXPECT_EQ(count("year is null"), 2u);
    EXPECT_EQ(count("author = 'Li'"), 1u);
    EXPECT_EQ(count("tag is null"), 2u);
    EXPECT_EQ(count("author between 'Lh' and 'Lj' and not (tag = 'x')"), 1u);
    ASSERT_OK(store_->Seal({}));
  }
}

TEST_P(StoreConformance, ACommitOverTheLimitIsRefused) {
  WriteBatch batch;
  DocumentWrite document{.file = {.file_path = "big.md"}};
  document.nodes.resize(store_->traits().commit_nodes_max + 1);
  batch.documents.push_back(std::move(document));
  ExpectRefused(std::move(batch), StatusCode::kInvalidArgument, "65537");
}

TEST_P(StoreConformance, QuestionsOfAnotherDimensionOrNotNumbersAreRefused) {
  Commit(OneNode("a.md", "x"));
  const auto ask = [&](std::vector<float> vector) { return Now()->SearchVector({}, {.vector = vector}).status(); };
  EXPECT_THAT(ask(std::vector<float>(15, 1.0f)), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_NE(ask(std::vector<float>(15, 1.0f)).message().find("15, not 16"), std::string::npos);
  EXPECT_THAT(ask(std::vector<float>(16, NAN)), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ask(std::vector<float>(16, 0.0f)), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(Value(store_->Setting("dimension")), "16");
}

TEST_P(StoreConformance, VectorsOfAnotherLengthAreScaledForCosine) {
  std::vector<float> vector = AnyVector();
  for (float& value : vector) value *= 37;
  Commit({.documents = {OneNodeDocument("a.md", "x", vector)}});
  const auto hits = Value(Now()->SearchVector({}, {.vector = vector}));
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_NEAR(hits[0].score, 1, 1e-5);
}

TEST_P(StoreConformance, InnerProductAndL2ScoreAsNamed) {
  for (const Metric metric : {Metric::kInnerProduct, Metric::kL2}) {
    store_.reset();
    std::filesystem::remove_all(folder_.path() / "kb");
    Open(metric);
    StoreModel model(metric);
    WriteBatch batch;
    for (int i = 0; i < 40; ++i) {
      batch.documents.push_back(RandomDocument(random_, StrCat("f", i), 3, kDimension));
      for (NewNode& node : batch.documents.back().nodes) {
        for (float& value : node.vector) value *= 1 + static_cast<float>(i) / 10;
      }
    }
    model.Apply(batch, Commit(batch));
    model.ExpectEqual(*Now(), random_);
    WriteBatch huge = OneNode("huge.md", "x");
    huge.documents[0].nodes[0].vector.assign(kDimension, 1e18f);
    ExpectRefused(huge, StatusCode::kInvalidArgument, "node 0 of huge.md is longer");
    EXPECT_THAT(Now()->SearchVector({}, {.vector = std::vector<float>(kDimension, 1e18f)}),
                StatusIs(StatusCode::kInvalidArgument));
  }
}

TEST_P(StoreConformance, NodesWithoutVectorsAreFoundByWordsOnly) {
  Commit({.documents = {OneNodeDocument("a.md", "walrus", {})}});
  EXPECT_EQ(Find("walrus"), std::vector<NodeId>{1});
  EXPECT_TRUE(Value(Now()->SearchVector({}, {.vector = AnyVector()})).empty());
  ExpectRefused(OneNode("b.md", "x"), StatusCode::kInvalidArgument, "16, not 0");
}

TEST_P(StoreConformance, EqualScoresOrderByIdAcrossCommitsAndSeals) {
  const std::vector<float> vector = AnyVector();
  for (int i = 0; i < 60; ++i) {
    Commit({.documents = {OneNodeDocument(StrCat("f", i), "same words", vector)}});
    if (i == 30) {
      ASSERT_OK(store_->Seal({}));
    }
  }
  std::vector<NodeId> expected;
  for (NodeId id = 1; id <= 20; ++id) expected.push_back(id);
  std::vector<NodeId> found;
  for (const Hit& hit : Value(Now()->SearchVector({}, {.vector = vector, .limit = 20}))) found.push_back(hit.node_id);
  EXPECT_EQ(found, expected);
  found.clear();
  for (const Hit& hit : Value(Now()->SearchKeyword({}, {.text = "words", .limit = 20}))) found.push_back(hit.node_id);
  EXPECT_EQ(found, expected);
}

TEST_P(StoreConformance, KeywordQuestionsOfAnyKindAreAnswered) {
  Commit(OneNode("1", "to be or not to be: that is the question"));
  Commit(OneNode("2", "שלום עולם مرحبا بالعالم"));
  Commit(OneNode("3", "walrus"));
  ASSERT_OK(store_->Seal({}));
  EXPECT_EQ(Find("the of and to be"), std::vector<NodeId>{1});  // Frequent words only.
  EXPECT_EQ(Find("עולם"), std::vector<NodeId>{2});              // Written from right to left.
  EXPECT_EQ(Find("بالعالم שלום"), std::vector<NodeId>{2});
  for (const char* nothing :
       {"", " \t\n", "?!… --- ()[]{}", "😀🚀👩‍💻", "\xED\xA0\x80\xED\xB0\x80", "\xFF\xFE"}) {
    EXPECT_EQ(Find(nothing), std::vector<NodeId>{}) << nothing;
  }
  std::string many = "walrus";
  for (int i = 0; i < 10000; ++i) many += StrCat(" absent", i % 5000, i % 3 == 0 ? " be" : "");
  EXPECT_EQ(Find(many), (std::vector<NodeId>{1, 3}));
}

TEST_P(StoreConformance, ChineseJapaneseKoreanAndMixedTextsAreFound) {
  Commit(OneNode("1", "数据库的备份与恢复"));
  Commit(OneNode("2", "PostgreSQL的索引类型"));
  Commit(OneNode("3", "データベースのバックアップ"));
  Commit(OneNode("4", "데이터베이스 백업"));
  Commit(OneNode("5", "Straße, naïve café"));
  EXPECT_EQ(Find("备份"), std::vector<NodeId>{1});
  EXPECT_EQ(Find("索引"), std::vector<NodeId>{2});
  EXPECT_EQ(Find("postgresql"), std::vector<NodeId>{2});
  EXPECT_EQ(Find("バックアップ"), std::vector<NodeId>{3});
  EXPECT_EQ(Find("백업"), std::vector<NodeId>{4});
  EXPECT_EQ(Find("STRASSE"), std::vector<NodeId>{5});
  EXPECT_EQ(Find("😀 , 。"), std::vector<NodeId>{});
}

TEST_P(StoreConformance, WordsInQuotesMustFollowOneAnother) {
  Commit(OneNode("1", "The write-ahead log of PostgreSQL is archived."));
  Commit(OneNode("2", "Write the log ahead of the archive."));
  Commit(OneNode("3", "数据库的备份，备份的库"));
  Commit(OneNode("4", "份备库据数"));
  Commit(OneNode("5", "备\n份"));
  ASSERT_OK(store_->Seal({}));
  EXPECT_THAT(Find("write ahead log"), testing::UnorderedElementsAre(1, 2));
  EXPECT_EQ(Find("\"write ahead log\""), std::vector<NodeId>{1});
  EXPECT_EQ(Find("“Write-Ahead”"), std::vector<NodeId>{1});
  EXPECT_EQ(Find("archive \"log ahead\""), std::vector<NodeId>{2});
  EXPECT_EQ(Find("\"ahead log\" \"postgresql is\""), std::vector<NodeId>{1});
  EXPECT_EQ(Find("\"ahead log\" \"log ahead\""), std::vector<NodeId>{});
  EXPECT_EQ(Find("「份的库」"), std::vector<NodeId>{3});
  EXPECT_EQ(Find("“数据库备份”"), std::vector<NodeId>{}) << "its pairs are all there but one";
  EXPECT_EQ(Find("“库据”"), std::vector<NodeId>{4});
  EXPECT_THAT(Find("\"备份\""), testing::UnorderedElementsAre(3, 5)) << "a line may end inside";
  EXPECT_THAT(Find("“备份"), testing::UnorderedElementsAre(3)) << "a quote that is not closed is none";
  EXPECT_THAT(Find("“!” archive"), testing::UnorderedElementsAre(1, 2)) << "no words, no condition";
  const auto loose = Value(Now()->SearchKeyword({}, {.text = "\"log ahead\"", .phrases = false}));
  EXPECT_EQ(loose.size(), 2u);
}

TEST_P(StoreConformance, AChineseQuestionWhosePairsAreUnknownIsFoundByItsCharacters) {
  Commit(OneNode("1", "数据库的索引"));
  Commit(OneNode("2", "天气很好"));
  EXPECT_EQ(Find("引索"), std::vector<NodeId>{1});
  EXPECT_EQ(Find("很多索引"), std::vector<NodeId>{1}) << "one known pair is enough to go by pairs";
}

TEST_P(StoreConformance, EmptyAndLongValuesComeBackAsTheyWere) {
  StoreModel model(Metric::kCosine);
  WriteBatch batch;
  DocumentWrite document{.file = {.file_path = "空 %41/ü 🙂.md", .create_time_ms = 1}};
  const std::vector<std::string> texts = {"",   std::string(64 << 10, 'x'), std::string("a\0b", 3),
                                          "🙂", std::string(1 << 20, 'y'),  " \n\t"};
  for (size_t i = 0; i < texts.size(); ++i) {
    NewNode node = RandomNode(random_, i % 2 == 0 ? "" : "g", 0, kDimension);
    node.node.group = StrCat("g", i / 3);
    node.node.position = static_cast<uint32_t>(i % 3) * 1'000'000'000;
    node.node.text = texts[i];
    node.node.heading = i == 2 ? std::vector<std::string>{"", "", ""} : std::vector<std::string>{};
    node.node.bytes = i == 1 ? std::optional(Span{0, UINT64_MAX}) : std::nullopt;
    node.node.page = i == 3 ? std::optional<uint32_t>(UINT32_MAX) : std::nullopt;
    document.nodes.push_back(node);
  }
  batch.documents = {document, {.file = {.file_path = "no nodes", .create_time_ms = 1, .error = "bad"}}};
  model.Apply(batch, Commit(batch));
  model.ExpectEqual(*Now(), random_);
  ASSERT_OK(store_->Seal({}));
  model.ExpectEqual(*Now(), random_);
}

TEST_P(StoreConformance, CancelledAndLateRequestsEndWithoutEffect) {
  Commit(OneNode("a.md", "x"));
  std::stop_source stop;
  stop.request_stop();
  const Context cancelled{.stop = stop.get_token()};
  const Context late{.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  EXPECT_THAT(store_->Commit(cancelled, OneNode("b.md", "x")), StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(store_->Commit(late, OneNode("b.md", "x")), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Now()->SearchVector(cancelled, {.vector = AnyVector()}), StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(Now()->SearchKeyword(late, {.text = "x"}), StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Value(Now()->Files()).size(), 1u);
}

TEST_P(StoreConformance, AMissingTimeIsSetByTheStore) {
  const DocumentId id = Commit(OneNode("a.md", "x")).document_ids[0];
  const int64_t time = Value(Now()->FindFile(id))->create_time_ms;
  EXPECT_GT(time, 1'600'000'000'000);
  const DocumentId again = Commit(OneNode("a.md", "y")).document_ids[0];
  EXPECT_EQ(Value(Now()->FindFile(again))->create_time_ms, time);
}

// Of the keys that random batches have, where the store keeps such vectors.
const std::map<std::string, size_t> kDimensions = {{"english", 12}, {"中文", 20}};

// One random step on store and model.
WriteBatch RandomBatch(Random& random, const StoreModel& model, const StoreTraits& traits) {
  WriteBatch batch;
  if (model.generation() == 0 && traits.named_vectors) batch.dimensions = kDimensions;
  if (model.generation() == 0) batch.fields = TestFields();
  std::set<std::string> paths;
  std::set<DocumentId> touched;
  std::vector<const StoreModel::Document*> known;
  for (const auto& [path, document] : model.documents()) known.push_back(&document);
  const auto random_path = [&random] {
    return StrCat("d", random.Below(3), "/e", random.Below(2), "/f", random.Below(8), ".md");
  };
  for (uint64_t i = random.Below(4); i > 0 && !known.empty(); --i) {
    const auto* document = known[random.Below(known.size())];
    if (!touched.insert(document->file.id).second) continue;
    if (random.OneIn(2)) {
      batch.erased.push_back(document->file.id);
      continue;
    }
    DocumentWrite move{.file = document->file, .keep_id = true};
    if (!random.OneIn(3)) move.file.file_path = random_path();
    move.file.modified_time_ns = static_cast<int64_t>(random.Below(1000));
    if (paths.insert(move.file.file_path).second) batch.documents.push_back(move);
  }
  for (uint64_t i = random.Below(5); i > 0; --i) {
    const std::string path = random_path();
    if (!paths.insert(path).second) continue;
    batch.documents.push_back(RandomDocument(random, path, random.OneIn(8) ? 50 : random.Below(12), kDimension));
    batch.documents.back().file.fields = RandomFields(random);
    if (traits.named_vectors) AddRandomNamed(random, kDimensions, batch.documents.back().nodes);
  }
  std::sort(batch.documents.begin(), batch.documents.end(),
            [](const DocumentWrite& a, const DocumentWrite& b) { return a.file.file_path < b.file.file_path; });
  return batch;
}

TEST_P(StoreConformance, AgreesWithTheModelUnderRandomCommitsSealsAndReopenings) {
  StoreModel model(Metric::kCosine);
  for (int step = 0; step < 120; ++step) {
    SCOPED_TRACE(StrCat("step ", step));
    const WriteBatch batch = RandomBatch(random_, model, store_->traits());
    const auto result = store_->Commit({}, batch);
    ASSERT_OK(result);
    model.Apply(batch, *result);
    if (random_.OneIn(8)) {
      ASSERT_OK(store_->Seal({}));
    }
    if (GetParam().persistent && random_.OneIn(10)) {
      store_.reset();
      Open(Metric::kCosine);
    }
    if (step % 4 == 0) model.ExpectEqual(*Now(), random_);
    if (HasFailure()) return;
  }
  model.ExpectEqual(*Now(), random_);
}

TEST_P(StoreConformance, ASnapshotIsIsolatedFromLaterCommits) {
  StoreModel model(Metric::kCosine);
  std::deque<std::pair<StoreModel, std::shared_ptr<const Snapshot>>> past;
  for (int step = 0; step < 30; ++step) {
    const WriteBatch batch = RandomBatch(random_, model, store_->traits());
    const auto result = store_->Commit({}, batch);
    ASSERT_OK(result);
    model.Apply(batch, *result);
    if (random_.OneIn(2)) past.emplace_back(model, Now());
    if (random_.OneIn(3)) {
      ASSERT_OK(store_->Seal({}));
    }
    if (random_.OneIn(4) && !past.empty()) past.pop_front();
  }
  for (const auto& [old_model, snapshot] : past) {
    old_model.ExpectEqual(*snapshot, random_);
    if (HasFailure()) return;
  }
  store_.reset();
  for (const auto& [old_model, snapshot] : past) old_model.ExpectEqual(*snapshot, random_);
}

TEST_P(StoreConformance, ReadersGoOnWhileCommitsAndSealsHappen) {
  Commit(OneNode("fixed.md", "walrus"));
  std::atomic<bool> done = false;
  std::atomic<int> searches = 0;
  const auto read = [&](uint64_t seed) {
    Random random(seed);
    uint64_t last_generation = 0;
    while (!done) {
      const auto snapshot = Now();
      EXPECT_GE(snapshot->generation(), last_generation);
      last_generation = snapshot->generation();
      const auto hits = Value(snapshot->SearchKeyword({}, {.text = "walrus"}));
      ASSERT_EQ(hits.size(), 1u);
      EXPECT_EQ(hits[0].node_id, 1);
      const auto near = Value(snapshot->SearchVector({}, {.vector = RandomVector(random, kDimension), .limit = 5}));
      std::vector<NodeId> ids;
      for (const Hit& hit : near) ids.push_back(hit.node_id);
      for (const auto& node : Value(snapshot->GetNodes(ids))) {
        ASSERT_TRUE(node.has_value());
        EXPECT_TRUE(Value(snapshot->FindFile(node->document_id)).has_value());
      }
      EXPECT_EQ(Value(snapshot->Statistics()).files + Value(snapshot->Statistics()).folders,
                Value(snapshot->Files()).size());
      ++searches;
    }
  };
  std::thread first(read, 1), second(read, 2);
  for (int step = 0; step < 60 || (searches < 20 && step < 2000); ++step) {
    WriteBatch batch;
    for (int i = 0; i < 3; ++i) {
      batch.documents.push_back(RandomDocument(random_, StrCat("d/", (step + i) % 9), 4, kDimension));
    }
    EXPECT_OK(store_->Commit({}, std::move(batch)));
    if (step % 7 == 0) {
      EXPECT_OK(store_->Seal({}));
    }
  }
  done = true;
  first.join();
  second.join();
}

INSTANTIATE_TEST_SUITE_P(, StoreConformance, testing::ValuesIn(RAGTIME_BACKENDS()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace ragtime
