// SPDX-License-Identifier: Apache-2.0
//
// Goal: a copy holds what its source holds, bit for bit, between any two stores; one that was cut short goes on; and a
// target that holds something else, or does not give back what was put in, is told.
#include "engine/copying.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stop_token>

#include "engine/recorded.h"
#include "testing/store_backends.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 5;
constexpr CopyLimits kSmall{.commit_nodes = 10, .commit_files = 3};

// Files of several folders with fields, one without nodes, one that failed.
void Fill(Store& store, Random& random, size_t files, std::map<std::string, size_t> named = {}) {
  WriteBatch batch;
  batch.dimensions = std::move(named);
  batch.settings = Recorded{.root = "/docs", .model = "m", .fingerprint = "f", .split_size_tokens = 256}.ToSettings();
  batch.fields = TestFields();
  for (size_t i = 0; i < files; ++i) {
    DocumentWrite document =
        RandomDocument(random, "d" + std::to_string(i % 4) + "/文件" + std::to_string(i), random.Below(7), kDimension);
    AddRandomNamed(random, batch.dimensions, document.nodes);
    document.file.fields = RandomFields(random);
    batch.documents.push_back(std::move(document));
  }
  DocumentWrite failed{.file = {.file_path = "failed.md", .status = FileStatus::kFailed, .error = "broken; mend it"}};
  batch.documents.push_back(failed);
  ASSERT_OK(store.BeginWrite(0));
  ASSERT_OK(store.Commit({}, std::move(batch)));
  store.EndWrite();
}

void Erase(Store& store, const std::string& path) {
  const auto file = Value(Value(store.OpenSnapshot())->FindFile(path));
  ASSERT_TRUE(file);
  ASSERT_OK(store.BeginWrite(0));
  ASSERT_OK(store.Commit({}, WriteBatch{.erased = {file->id}}));
  store.EndWrite();
}

void ExpectSame(const Store& from, const Store& to) {
  const auto a = Value(from.OpenSnapshot());
  const auto b = Value(to.OpenSnapshot());
  EXPECT_EQ(a->fields(), b->fields());
  const auto files = Value(a->Files());
  const auto others = Value(b->Files());
  ASSERT_EQ(files.size(), others.size());
  for (size_t i = 0; i < files.size(); ++i) {
    FileRecord other = others[i];
    const auto nodes = Value(a->NodesOf(files[i].id));
    const auto other_nodes = Value(b->NodesOf(other.id));
    other.id = files[i].id;
    other.parent_id = files[i].parent_id;
    if (other.is_dir) other.create_time_ms = files[i].create_time_ms;
    EXPECT_EQ(files[i], other);
    ASSERT_EQ(nodes.size(), other_nodes.size());
    for (size_t n = 0; n < nodes.size(); ++n) {
      Node node = other_nodes[n].node;
      node.id = nodes[n].node.id;
      node.document_id = nodes[n].node.document_id;
      EXPECT_EQ(nodes[n].node, node);
      EXPECT_EQ(nodes[n].vector, other_nodes[n].vector);
      EXPECT_EQ(nodes[n].named, other_nodes[n].named);
    }
  }
  for (const char* key : {"root", "embed.model", "embed.fingerprint", "split.size", "metric", "dimension"}) {
    EXPECT_EQ(Value(from.Setting(key)), Value(to.Setting(key))) << key;
  }
  EXPECT_NE(Value(from.Setting("uuid")), Value(to.Setting("uuid")));
  EXPECT_EQ(Value(b->Statistics()).deleted_nodes, 0u) << "something was put in twice";
}

class CopyTest : public testing::TestWithParam<std::pair<StoreBackend, StoreBackend>> {
 protected:
  void SetUp() override { Open(Metric::kCosine); }
  void Open(Metric metric) {
    from_ = GetParam().first.open(folder_.path() / "from", metric);
    to_ = GetParam().second.open(folder_.path() / "to", metric);
  }
  Result<CopyReport> Copy(const CopyOptions& options = {}) { return CopyStore(*from_, *to_, 0, options, kSmall); }

  const uint64_t seed_ = SeedFromEnvironment();
  const testing::ScopedTrace trace_{__FILE__, __LINE__, "RAGTIME_SEED=" + std::to_string(seed_)};
  Random random_{seed_};
  TemporaryFolder folder_;
  std::unique_ptr<Store> from_;
  std::unique_ptr<Store> to_;
};

TEST_P(CopyTest, HoldsWhatTheSourceHolds) {
  Fill(*from_, random_, 40);
  const CopyReport report = Value(Copy());
  EXPECT_EQ(report.files, 41u);
  EXPECT_EQ(report.files_copied, 41u);
  EXPECT_EQ(report.nodes, Value(Value(from_->OpenSnapshot())->Statistics()).nodes);
  EXPECT_EQ(report.nodes_copied, report.nodes);
  ExpectSame(*from_, *to_);
  ASSERT_OK(Soundness(*to_));
  const CopyReport again = Value(Copy());
  EXPECT_EQ(again.files_copied, 0u);
  EXPECT_EQ(again.files_reused, 41u);
  EXPECT_EQ(again.checksum, report.checksum);
}

TEST_P(CopyTest, CarriesNamedVectorsOrSaysThatItCannot) {
  if (!from_->traits().named_vectors) return;
  Fill(*from_, random_, 10, {{"english", 6}, {"unused", 3}});
  const auto report = Copy();
  if (!to_->traits().named_vectors) {
    EXPECT_THAT(report, StatusIs(StatusCode::kUnimplemented));
    EXPECT_NE(report.status().message().find("english"), std::string::npos);
    EXPECT_TRUE(Value(Value(to_->OpenSnapshot())->Files()).empty());
    return;
  }
  ASSERT_OK(report);
  ExpectSame(*from_, *to_);
  EXPECT_EQ(Value(from_->Setting("named_dimensions")), Value(to_->Setting("named_dimensions")));
}

TEST_P(CopyTest, GoesOnWhereItStopped) {
  Fill(*from_, random_, 40);
  const uint64_t cut_at = 1 + random_.Below(12);
  std::stop_source stop;
  uint64_t commits = 0;
  uint64_t safe = 0;
  CopyOptions options{.context = {.stop = stop.get_token()}};
  options.on_progress = [&](const IngestProgress& progress) {
    if (progress.stage != "copy" || progress.files_done == 0) return;
    safe = progress.files_done;
    if (++commits == cut_at) stop.request_stop();
  };
  const auto cut = Copy(options);
  ASSERT_THAT(cut, StatusIs(StatusCode::kCancelled));
  EXPECT_NE(cut.status().message().find("stored and safe are " + std::to_string(safe)), std::string::npos)
      << cut.status().ToString();
  // Meanwhile a file that was copied goes from the source, and another one changes.
  const std::string first = Value(Value(to_->OpenSnapshot())->Files()).at(1).file_path;
  Erase(*from_, first);
  const CopyReport report = Value(Copy());
  EXPECT_EQ(report.files_removed, 1u);
  EXPECT_EQ(report.files_reused, safe - 1);
  EXPECT_EQ(report.files_copied + report.files_reused, report.files);
  ASSERT_OK(to_->BeginWrite(0));
  ASSERT_OK(to_->Compact({}));
  to_->EndWrite();
  ExpectSame(*from_, *to_);
}

TEST_P(CopyTest, TakesUpWhatChangedAndKeepsWhatItDidNotMake) {
  Fill(*from_, random_, 8);
  ASSERT_OK(Copy());
  Fill(*from_, random_, 8);  // The same paths with other texts.
  const CopyReport report = Value(Copy());
  EXPECT_GT(report.files_copied, 0u);
  ASSERT_OK(to_->BeginWrite(0));
  WriteBatch batch;
  batch.documents.push_back(RandomDocument(random_, "their own.md", 1, kDimension));
  ASSERT_OK(to_->Commit({}, std::move(batch)));
  to_->EndWrite();
  const auto refused = Copy();
  ASSERT_THAT(refused, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(refused.status().message().find("their own.md"), std::string::npos);
}

TEST_P(CopyTest, RefusesATargetOfAnotherKind) {
  Fill(*from_, random_, 4);
  ASSERT_OK(to_->BeginWrite(0));
  WriteBatch batch;
  batch.settings = Recorded{.root = "/docs", .model = "another", .fingerprint = "f"}.ToSettings();
  ASSERT_OK(to_->Commit({}, std::move(batch)));
  to_->EndWrite();
  const auto model = Copy();
  ASSERT_THAT(model, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(model.status().message().find("embed.model another"), std::string::npos) << model.status().ToString();
  ASSERT_OK(to_->BeginWrite(0));
  WriteBatch document;
  document.documents.push_back(RandomDocument(random_, "x.md", 1, kDimension));
  ASSERT_OK(to_->Commit({}, std::move(document)));
  to_->EndWrite();
  ASSERT_THAT(Copy(), StatusIs(StatusCode::kAlreadyExists));
  ASSERT_THAT(CopyStore(*from_, *from_, 0, {}), StatusIs(StatusCode::kInvalidArgument));
}

std::vector<std::pair<StoreBackend, StoreBackend>> Pairs() {
  std::vector<std::pair<StoreBackend, StoreBackend>> pairs;
  for (const StoreBackend& from : StoreBackends()) {
    for (const StoreBackend& to : StoreBackends()) {
      if (from.name != "EmbeddedNaive" && to.name != "EmbeddedNaive") pairs.emplace_back(from, to);
    }
  }
  return pairs;
}

INSTANTIATE_TEST_SUITE_P(Stores, CopyTest, testing::ValuesIn(Pairs()),
                         [](const auto& pair) { return pair.param.first.name + "To" + pair.param.second.name; });

// A store that changes one letter or one bit of what was put into it.
class LyingSnapshot : public Snapshot {
 public:
  LyingSnapshot(std::shared_ptr<const Snapshot> truth, std::function<void(std::vector<NewNode>&)> lie)
      : truth_(std::move(truth)), lie_(std::move(lie)) {}
  uint64_t generation() const override { return truth_->generation(); }
  const std::vector<FieldSpec>& fields() const override { return truth_->fields(); }
  Result<StoreStatistics> Statistics() const override { return truth_->Statistics(); }
  Result<std::vector<FileRecord>> Files() const override { return truth_->Files(); }
  Result<std::optional<FileRecord>> FindFile(DocumentId id) const override { return truth_->FindFile(id); }
  Result<std::optional<FileRecord>> FindFile(std::string_view path) const override { return truth_->FindFile(path); }
  Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId> ids) const override {
    return truth_->GetNodes(ids);
  }
  Result<std::vector<NewNode>> NodesOf(DocumentId id) const override {
    auto nodes = truth_->NodesOf(id);
    if (nodes.ok()) lie_(*nodes);
    return nodes;
  }
  Result<uint64_t> CountNodes(const Context& context, const Filter& filter) const override {
    return truth_->CountNodes(context, filter);
  }
  Status VisitNodes(const Context& context, const Filter& filter,
                    const std::function<bool(const NodeRow&)>& visit) const override {
    return truth_->VisitNodes(context, filter, visit);
  }
  Result<std::vector<Hit>> SearchVector(const Context& context, const VectorQuery& query) const override {
    return truth_->SearchVector(context, query);
  }
  Result<std::vector<Hit>> SearchKeyword(const Context& context, const KeywordQuery& query) const override {
    return truth_->SearchKeyword(context, query);
  }

 private:
  const std::shared_ptr<const Snapshot> truth_;
  const std::function<void(std::vector<NewNode>&)> lie_;
};

class LyingStore : public MapStore {
 public:
  explicit LyingStore(std::function<void(std::vector<NewNode>&)> lie)
      : MapStore(StoreConfig{}, nullptr), lie_(std::move(lie)) {}
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override {
    return std::shared_ptr<const Snapshot>(std::make_shared<LyingSnapshot>(Value(MapStore::OpenSnapshot()), lie_));
  }

 private:
  const std::function<void(std::vector<NewNode>&)> lie_;
};

TEST(CopyVerifyTest, FindsOneLetterOneBitOneSpanAndOneNode) {
  const std::vector<std::function<void(std::vector<NewNode>&)>> lies = {
      [](std::vector<NewNode>& nodes) { nodes.back().node.text.back() ^= 1; },
      [](std::vector<NewNode>& nodes) {
        nodes.back().vector.back() = std::nextafter(nodes.back().vector.back(), 9.0f);
      },
      [](std::vector<NewNode>& nodes) { nodes.back().node.page = 77; },
      [](std::vector<NewNode>& nodes) { nodes.back().node.bytes = Span{1, 2}; },
      [](std::vector<NewNode>& nodes) { nodes.pop_back(); },
  };
  for (const auto& lie : lies) {
    MapStore from{StoreConfig{}, nullptr};
    ASSERT_OK(from.BeginWrite(0));
    WriteBatch batch;
    batch.documents.push_back(OneNodeDocument("a.md", "text of a", {1, 0}));
    ASSERT_OK(from.Commit({}, std::move(batch)));
    from.EndWrite();
    LyingStore to([&lie](std::vector<NewNode>& nodes) {
      if (!nodes.empty()) lie(nodes);
    });
    const auto found = CopyStore(from, to, 0, {});
    ASSERT_THAT(found, StatusIs(StatusCode::kDataLoss));
    EXPECT_NE(found.status().message().find("a.md"), std::string::npos);
  }
}

}  // namespace
}  // namespace ragtime
