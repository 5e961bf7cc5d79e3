// SPDX-License-Identifier: Apache-2.0
//
// Goal: a collection on a real Milvus keeps the contract of store/collection.h.
// Method: Milvus Lite runs as a child; a std::map with brute-force filters and searches is the oracle.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/child_process.h"
#include "base/str_cat.h"
#include "store/milvus/lite_process.h"
#include "store/milvus/milvus.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 8;

MilvusOptions LiteOptions(const std::filesystem::path& folder) {
  return {.uri = folder.string(), .lite_program = RAGTIME_TEST_SERVERS "/bin/milvus-lite"};
}

using Rows = std::map<int64_t, CollectionRow>;

// A server's columns have ASCII names only; RemoteStore keeps the others to itself.
constexpr std::string_view kOddName = "标签";

std::vector<FieldSpec> Columns() {
  std::vector<FieldSpec> columns = TestFields();
  for (FieldSpec& column : columns) {
    if (column.name == kOddName) column.name = "tags";
  }
  return columns;
}

bool NamesColumnsOnly(const FilterNode& node, const std::vector<FieldSpec>& columns) {
  const bool known = node.field.empty() || std::any_of(columns.begin(), columns.end(), [&](const FieldSpec& column) {
                       return column.name == node.field;
                     });
  return known && std::all_of(node.operands.begin(), node.operands.end(),
                              [&](const FilterNode& operand) { return NamesColumnsOnly(operand, columns); });
}

class MilvusCollectionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    server_ = Value(OpenMilvus({}, LiteOptions(folder_->path())));
  }
  static void TearDownTestSuite() {
    server_.reset();
    folder_.reset();
  }

  CollectionSpec Spec(Metric metric = Metric::kCosine) const {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    return {.name = StrCat(test->name(), "_", static_cast<int>(metric)),
            .dimension = kDimension,
            .metric = metric,
            .columns = Columns()};
  }
  std::shared_ptr<Collection> Make(const CollectionSpec& spec) { return Value(server_->OpenOrMake({}, spec)); }
  CollectionRow AnyRow(int64_t id) {
    CollectionRow row{.id = id, .vector = RandomVector(random_, kDimension), .text = RandomText(random_, 5)};
    row.columns = RandomFields(random_);
    if (auto odd = row.columns.extract(std::string(kOddName))) {
      odd.key() = "tags";
      row.columns.insert(std::move(odd));
    }
    row.payload = StrCat("{\"n\": ", id, "}");
    return row;
  }

  static void ExpectRow(const CollectionRow& actual, const CollectionRow& wanted, bool with_vectors) {
    EXPECT_EQ(actual.id, wanted.id);
    EXPECT_EQ(actual.text, wanted.text);
    EXPECT_EQ(actual.payload, wanted.payload);
    EXPECT_EQ(actual.columns, wanted.columns) << "row " << wanted.id;
    EXPECT_EQ(actual.vector, with_vectors ? wanted.vector : std::vector<float>());
  }
  static bool Matches(const Filter& filter, const CollectionRow& row) {
    static const FieldValue null;
    return filter.Matches([&](std::string_view field) -> const FieldValue& {
      const auto value = row.columns.find(field);
      return value == row.columns.end() ? null : value->second;
    });
  }
  static float Score(Metric metric, std::span<const float> a, std::span<const float> b) {
    float score = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      score += metric == Metric::kL2 ? -(a[i] - b[i]) * (a[i] - b[i]) : a[i] * b[i];
    }
    return score;
  }

  void ExpectEqual(const Collection& collection, const Rows& rows, const Filter& filter) {
    SCOPED_TRACE(filter.ToString());
    std::vector<int64_t> wanted;
    for (const auto& [id, row] : rows) {
      if (Matches(filter, row)) wanted.push_back(id);
    }
    EXPECT_EQ(Value(collection.Count({}, filter)), wanted.size());
    const bool with_vectors = random_.OneIn(2);
    std::vector<int64_t> scanned;
    for (int64_t after = 0;;) {
      const auto page = Value(collection.Scan({}, filter, after, 7, with_vectors));
      for (const CollectionRow& row : page) {
        scanned.push_back(row.id);
        ASSERT_TRUE(rows.contains(row.id));
        ExpectRow(row, rows.at(row.id), with_vectors);
      }
      if (page.size() < 7) break;
      after = page.back().id;
    }
    EXPECT_EQ(scanned, wanted);

    const std::vector<float> query = RandomVector(random_, kDimension);
    const Metric metric = collection.spec().metric;
    std::vector<float> scores;
    for (const int64_t id : wanted) scores.push_back(Score(metric, query, rows.at(id).vector));
    std::sort(scores.rbegin(), scores.rend());
    const auto hits = Value(collection.SearchVector({}, query, 5, filter));
    ASSERT_EQ(hits.size(), std::min<size_t>(5, wanted.size()));
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_TRUE(std::binary_search(wanted.begin(), wanted.end(), hits[i].id));
      EXPECT_NEAR(hits[i].score, scores[i], 1e-5);
      EXPECT_NEAR(hits[i].score, Score(metric, query, rows.at(hits[i].id).vector), 1e-5);
    }
  }

  const uint64_t seed_ = SeedFromEnvironment();
  testing::ScopedTrace trace_{__FILE__, __LINE__, StrCat("RAGTIME_SEED=", seed_)};
  Random random_{seed_};
  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<CollectionServer> server_;
};

std::unique_ptr<TemporaryFolder> MilvusCollectionTest::folder_;
std::unique_ptr<CollectionServer> MilvusCollectionTest::server_;

TEST_F(MilvusCollectionTest, RandomOperationsAsInAMap) {
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    const auto collection = Make(Spec(metric));
    Rows rows;
    int translated = 0;
    for (int round = 0; round < 6; ++round) {
      std::vector<CollectionRow> put;
      for (int i = 0; i < 20; ++i) put.push_back(AnyRow(static_cast<int64_t>(random_.Below(300) + 1)));
      std::sort(put.begin(), put.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
      put.erase(std::unique(put.begin(), put.end(), [](const auto& a, const auto& b) { return a.id == b.id; }),
                put.end());
      ASSERT_OK(collection->Put({}, put));
      for (const CollectionRow& row : put) rows[row.id] = row;
      std::vector<int64_t> gone = {404};
      for (int i = 0; i < 5; ++i) gone.push_back(static_cast<int64_t>(random_.Below(300) + 1));
      ASSERT_OK(collection->Erase({}, gone));
      for (const int64_t id : gone) rows.erase(id);
      ExpectEqual(*collection, rows, Filter());
      for (int i = 0; i < 25; ++i) {
        std::string text = RandomFilter(random_);
        for (size_t at; (at = text.find(kOddName)) != std::string::npos;) text.replace(at, kOddName.size(), "tags");
        const Filter filter = Value(Filter::Parse(text, NodeFields(Columns())));
        if (!NamesColumnsOnly(filter.root(), Columns()) || !collection->Translates(filter)) continue;
        ++translated;
        ExpectEqual(*collection, rows, filter);
      }
      const std::vector<int64_t> some = {1, 2, 3, 150, 404};
      size_t wanted = 0;
      for (const int64_t id : some) wanted += rows.count(id);
      EXPECT_EQ(Value(collection->Get({}, some, true)).size(), wanted);
    }
    EXPECT_GT(translated, 5);
  }
}

TEST_F(MilvusCollectionTest, LongAndOddTexts) {
  const auto collection = Make(Spec());
  std::string wide;
  for (int i = 0; i < 100000; ++i) wide += "海";
  const std::vector<std::string> texts = {
      "",   "\"quoted\" \\ back\n\ttab", "👍🏽 e\u0301", std::string(65535, 'x'), std::string(65536, 'x'),
      wide, std::string(1 << 20, 'y')};
  std::vector<CollectionRow> rows;
  for (size_t i = 0; i < texts.size(); ++i) {
    rows.push_back(AnyRow(static_cast<int64_t>(i + 1)));
    rows.back().text = texts[i];
    rows.back().payload = texts[texts.size() - 1 - i];
  }
  ASSERT_OK(collection->Put({}, rows));
  const auto found = Value(collection->Scan({}, Filter(), 0, 100, true));
  ASSERT_EQ(found.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) ExpectRow(found[i], rows[i], true);

  rows[0].text = std::string(5 << 20, 'z');
  const Status refused = collection->Put({}, std::span(rows).first(1));
  EXPECT_THAT(refused, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_NE(refused.message().find("row 1 has 5242880 in text"), std::string::npos) << refused.ToString();
}

TEST_F(MilvusCollectionTest, ManyRowsInSeveralRequests) {
  const auto collection = Make(Spec());
  std::vector<CollectionRow> rows;
  for (int64_t id = 1; id <= 5000; ++id) rows.push_back({.id = id, .vector = RandomVector(random_, kDimension)});
  ASSERT_OK(collection->Put({}, rows));
  ASSERT_OK(collection->Put({}, rows)) << "as after an answer that was lost";
  EXPECT_EQ(Value(collection->Count({}, Filter())), 5000u);
  const auto page = Value(collection->Scan({}, Filter(), 4990, 100, false));
  ASSERT_EQ(page.size(), 10u);
  EXPECT_EQ(page.front().id, 4991);
  EXPECT_EQ(Value(collection->SearchVector({}, rows[17].vector, 3, Filter()))[0].id, 18);
}

TEST_F(MilvusCollectionTest, AVectorOfOneNumber) {
  CollectionSpec spec = Spec();
  spec.dimension = 1;
  spec.metric = Metric::kInnerProduct;
  const auto collection = Make(spec);
  ASSERT_OK(collection->Put({}, std::vector<CollectionRow>{{.id = 1, .vector = {2}}, {.id = 2, .vector = {3}}}));
  EXPECT_EQ(Value(collection->Get({}, std::vector<int64_t>{2}, true))[0].vector, std::vector<float>{3});
  const auto hits = Value(collection->SearchVector({}, std::vector<float>{2}, 2, Filter()));
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0].id, 2);
  EXPECT_FLOAT_EQ(hits[0].score, 6);
}

TEST_F(MilvusCollectionTest, SaysWhatDiffersAndDropsWhatIsThere) {
  const CollectionSpec spec = Spec();
  EXPECT_FALSE(Value(server_->Exists({}, spec.name)));
  EXPECT_OK(server_->Drop({}, spec.name));
  Make(spec);
  EXPECT_TRUE(Value(server_->Exists({}, spec.name)));
  Make(spec);
  CollectionSpec other = spec;
  other.dimension = 9;
  EXPECT_THAT(server_->OpenOrMake({}, other), StatusIs(StatusCode::kFailedPrecondition));
  other = spec;
  other.metric = Metric::kL2;
  const auto refused = server_->OpenOrMake({}, other);
  EXPECT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.status().message().find("COSINE"), std::string::npos) << refused.status().ToString();
  other = spec;
  other.index_type = "HNSW";
  EXPECT_THAT(server_->OpenOrMake({}, other), StatusIs(StatusCode::kFailedPrecondition));
  other.index_type = "SPARSE_INVERTED_INDEX";
  EXPECT_THAT(server_->OpenOrMake({}, other), StatusIs(StatusCode::kInvalidArgument));
  other = spec;
  other.columns.push_back({"fresh", FieldType::kInt});
  EXPECT_THAT(server_->OpenOrMake({}, other), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(server_->Drop({}, spec.name));
  EXPECT_FALSE(Value(server_->Exists({}, spec.name)));
}

TEST_F(MilvusCollectionTest, IndexTypesAndTheirParameters) {
  const std::vector<std::pair<std::string, CollectionSpec>> kinds = {
      {"hnsw",
       {.index_type = "HNSW", .index_params = {{"M", "8"}, {"efConstruction", "64"}}, .search_params = {{"ef", "64"}}}},
      {"ivf", {.index_type = "IVF_FLAT", .index_params = {{"nlist", "4"}}, .search_params = {{"nprobe", "4"}}}},
      {"auto", {.index_type = "AUTOINDEX"}}};
  for (const auto& [name, kind] : kinds) {
    CollectionSpec spec = kind;
    spec.name = StrCat("IndexTypes_", name);
    spec.dimension = kDimension;
    const auto collection = Make(spec);
    std::vector<CollectionRow> rows;
    for (int64_t id = 1; id <= 200; ++id) rows.push_back({.id = id, .vector = RandomVector(random_, kDimension)});
    ASSERT_OK(collection->Put({}, rows)) << name;
    EXPECT_EQ(Value(collection->SearchVector({}, rows[41].vector, 1, Filter()))[0].id, 42) << name;
  }
}

TEST(MilvusLiteTest, WhatWasPutIsThereAfterARestart) {
  const TemporaryFolder folder;
  Random random(1);
  const CollectionSpec spec{.name = "kept", .dimension = kDimension};
  const CollectionRow row{.id = 7, .vector = RandomVector(random, kDimension), .text = "kept 留下"};
  {
    const auto server = Value(OpenMilvus({}, LiteOptions(folder.path())));
    ASSERT_OK(Value(server->OpenOrMake({}, spec))->Put({}, std::span(&row, 1)));
  }
  const auto server = Value(OpenMilvus({}, LiteOptions(folder.path())));
  const auto rows = Value(Value(server->OpenOrMake({}, spec))->Scan({}, Filter(), 0, 10, true));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].text, row.text);
  EXPECT_EQ(rows[0].vector, row.vector);
}

TEST(MilvusLiteTest, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  MilvusOptions options = LiteOptions(folder.path());
  options.lite_program = "/nowhere/milvus-lite";
  const auto missing = OpenMilvus({}, options);
  EXPECT_THAT(missing, StatusIs(StatusCode::kNotFound));
  EXPECT_NE(missing.status().remedy().find("pip install milvus-lite"), std::string::npos);

  const auto nobody = Value(OpenMilvus(
      {}, {.uri = StrCat("http://127.0.0.1:", Value(FreePort())), .token = "secret", .retry = {.attempts_max = 1}}));
  const auto status = nobody->Exists({}, "x").status();
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_NE(status.message().find("HasCollection of the collection x"), std::string::npos) << status.ToString();
  EXPECT_EQ(status.message().find("secret"), std::string::npos);
}

TEST(MilvusLiteTest, AServerThatDiesIsNamedAndItsRowsAreKept) {
  const TemporaryFolder folder;
  Random random(2);
  const CollectionSpec spec{.name = "kept", .dimension = kDimension};
  const auto row = [&](int64_t id) { return CollectionRow{.id = id, .vector = RandomVector(random, kDimension)}; };
  {
    auto process = Value(LiteProcess::Start({}, folder.path(), LiteOptions(folder.path()).lite_program));
    const auto server = Value(OpenMilvus({}, {.uri = process->uri(), .retry = {.attempts_max = 2, .backoff_ms = 10}}));
    const auto collection = Value(server->OpenOrMake({}, spec));
    const std::vector<CollectionRow> first = {row(1), row(2)};
    ASSERT_OK(collection->Put({}, first));
    process.reset();
    const std::vector<CollectionRow> second = {row(3)};
    const Status status = collection->Put({}, second);
    EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
    EXPECT_NE(status.message().find("Upsert of the collection kept"), std::string::npos) << status.ToString();
  }
  const auto server = Value(OpenMilvus({}, LiteOptions(folder.path())));
  EXPECT_EQ(Value(Value(server->OpenOrMake({}, spec))->Count({}, Filter())), 2u);
}

}  // namespace
}  // namespace ragtime
