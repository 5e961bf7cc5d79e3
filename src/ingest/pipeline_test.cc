// SPDX-License-Identifier: Apache-2.0
//
// Goal: after an ingestion the store holds what the folder holds, whatever changed, failed or was interrupted in
// between. Method: a store in std::map and an embedder whose vectors are hashes, so that every vector can be checked
// against its text.
#include "ingest/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "base/hash.h"
#include "ingest/read/readers.h"
#include "ingest/split/sentence_splitter.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kDimension = 4;

std::vector<float> HashVector(std::string_view text) {
  std::vector<float> vector;
  for (size_t i = 0; i < kDimension; ++i) vector.push_back(static_cast<float>(Hash64(text) >> (8 * i) & 0xFF));
  return vector;
}

class HashEmbedder : public Embedder {
 public:
  HashEmbedder() { info_ = {"hash", "hash-1", kDimension, 512, 0.5f}; }
  const EmbedderInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override {
    return static_cast<size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
  }
  Result<std::vector<float>> Embed(const Context& context, std::span<const std::string> texts, TextKind kind) override {
    EXPECT_EQ(kind, TextKind::kPassage);
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (on_call) on_call();
    if (fail_after_texts <= embedded) return UnavailableError("the model is gone", "load it again");
    std::vector<float> vectors;
    for (const std::string& text : texts) {
      const std::vector<float> vector = HashVector(text);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
      if (text.find(poison) != std::string::npos) vectors.back() = std::numeric_limits<float>::quiet_NaN();
    }
    embedded += texts.size();
    if (drop_one) vectors.pop_back();
    return vectors;
  }

  size_t embedded = 0;
  size_t fail_after_texts = SIZE_MAX;
  std::string poison = "\x01poison";
  bool drop_one = false;
  std::function<void()> on_call;

 private:
  EmbedderInfo info_;
};

struct State {
  uint64_t generation = 0;
  std::map<std::string, FileRecord> files;
  std::map<DocumentId, std::vector<NewNode>> nodes;
  std::vector<FieldSpec> fields;
};

class MapSnapshot : public Snapshot {
 public:
  explicit MapSnapshot(State state) : state_(std::move(state)) {}
  uint64_t generation() const override { return state_.generation; }
  const std::vector<FieldSpec>& fields() const override { return state_.fields; }
  Result<uint64_t> CountNodes(const Context&, const Filter&) const override { return UnimplementedError("not used"); }
  Status VisitNodes(const Context&, const Filter&, const std::function<bool(const NodeRow&)>&) const override {
    return UnimplementedError("not used");
  }
  Result<StoreStatistics> Statistics() const override { return StoreStatistics{}; }
  Result<std::vector<FileRecord>> Files() const override {
    std::vector<FileRecord> files;
    for (const auto& [path, row] : state_.files) files.push_back(row);
    return files;
  }
  Result<std::optional<FileRecord>> FindFile(DocumentId) const override { return UnimplementedError("not used"); }
  Result<std::optional<FileRecord>> FindFile(std::string_view) const override { return UnimplementedError("not used"); }
  Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId>) const override {
    return UnimplementedError("not used");
  }
  Result<std::vector<NewNode>> NodesOf(DocumentId id) const override {
    const auto nodes = state_.nodes.find(id);
    return nodes == state_.nodes.end() ? std::vector<NewNode>() : nodes->second;
  }
  Result<std::vector<Hit>> SearchVector(const Context&, const VectorQuery&) const override {
    return UnimplementedError("not used");
  }
  Result<std::vector<Hit>> SearchKeyword(const Context&, const KeywordQuery&) const override {
    return UnimplementedError("not used");
  }

 private:
  State state_;
};

class MapStore : public Store {
 public:
  const StoreTraits& traits() const override { return traits_; }
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override {
    return std::make_shared<const MapSnapshot>(state);
  }
  Result<std::optional<std::string>> Setting(std::string_view) const override { return std::optional<std::string>(); }
  Status BeginWrite(int64_t) override {
    if (locked) return FailedPreconditionError("another process writes", "wait");
    locked = true;
    return Status();
  }
  void EndWrite() override { locked = false; }
  Result<CommitResult> Commit(const Context&, WriteBatch batch) override {
    EXPECT_TRUE(locked);
    if (commits_left == 0) return ResourceExhaustedError("the disk is full", "free some space");
    --commits_left;
    if (batch.fields) state.fields = *batch.fields;
    CommitResult result;
    size_t count = 0;
    std::string last_path;
    for (const DocumentWrite& document : batch.documents) {
      EXPECT_LT(last_path, document.file.file_path);
      last_path = document.file.file_path;
      count += document.nodes.size();
      Write(document, result);
    }
    EXPECT_LE(count, traits_.commit_nodes_max);
    for (const DocumentId id : batch.erased) Erase(id);
    commit_nodes.push_back(count);
    result.generation = ++state.generation;
    return result;
  }
  Status Compact(const Context& context) override { return Seal(context); }
  Result<std::vector<Damage>> Verify(const Context&) const override { return std::vector<Damage>(); }
  Status Backup(const Context&, const std::filesystem::path&, bool) const override { return Status(); }
  Status Seal(const Context&) override {
    ++seals;
    return Status();
  }

  State state;
  StoreTraits traits_;
  bool locked = false;
  size_t commits_left = SIZE_MAX;
  size_t seals = 0;
  std::vector<size_t> commit_nodes;

 private:
  void Erase(DocumentId id) {
    state.nodes.erase(id);
    std::erase_if(state.files, [&](const auto& entry) { return entry.second.id == id; });
  }
  void Write(const DocumentWrite& document, CommitResult& result) {
    FileRecord row = document.file;
    if (document.keep_id) {
      std::erase_if(state.files, [&](const auto& entry) { return entry.second.id == row.id; });
    } else {
      if (const auto old = state.files.find(row.file_path); old != state.files.end()) Erase(old->second.id);
      row.id = ++last_id_;
      for (size_t i = 0; i < document.nodes.size(); ++i) {
        const NewNode& node = document.nodes[i];
        EXPECT_EQ(node.vector, HashVector(node.node.text));
        EXPECT_EQ(node.node.position, i);
      }
      state.nodes[row.id] = document.nodes;
    }
    result.document_ids.push_back(row.id);
    state.files[row.file_path] = row;
  }
  DocumentId last_id_ = 0;
};

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "ragtime-ingest-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = fs::canonical(name);
    fs::permissions(root_, fs::perms::all);
    owned_ = BuiltinReaders();
    for (const auto& reader : owned_) readers_.push_back(reader.get());
    request_.paths = {root_};
    request_.root = root_;
    request_.kb_folder = root_ / "kb";
  }
  void TearDown() override { fs::remove_all(root_); }

  // Files are given a time long ago, so that a later write is a change of time, too.
  void Write(const std::string& name, const std::string& text, int64_t age_s = 1000) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
    SetAge(name, age_s);
  }
  void SetAge(const std::string& name, int64_t age_s) {
    fs::last_write_time(root_ / name, fs::file_time_type::clock::now() - std::chrono::seconds(age_s));
  }

  Result<IngestReport> Ingest() {
    const SentenceSplitter splitter(12, 3, [this](std::string_view text) { return embedder_.CountTokens(text); });
    return IngestPaths(request_, store_, embedder_, splitter, readers_, pool_, options_);
  }
  IngestReport MustIngest() {
    auto report = Ingest();
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_FALSE(store_.locked);
    return report.ok() ? *report : IngestReport();
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& [path, row] : store_.state.files) files.push_back(path);
    return files;
  }
  const FileRecord& Row(const std::string& path) const { return store_.state.files.at(path); }
  std::string Text(const std::string& path) const {
    std::string text;
    for (const NewNode& node : store_.state.nodes.at(Row(path).id)) text += node.node.text + "|";
    return text;
  }
  static std::string Sentences(const std::string& word, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "The " + word + " number " + std::to_string(i) + " is here. ";
    return text;
  }

  fs::path root_;
  std::vector<std::unique_ptr<Reader>> owned_;
  std::vector<const Reader*> readers_;
  IngestRequest request_;
  IngestOptions options_;
  MapStore store_;
  HashEmbedder embedder_;
  ThreadPool pool_{3};
};

TEST_F(PipelineTest, TakesUpAFolder) {
  Write("b.txt", "Text of b.");
  Write("a/x.md", "# Title\n\nText of x.");
  Write("a/y.html", "<title>Y</title><p>Text of y.</p>");
  Write("skip.bin", "?");
  std::vector<IngestProgress> progress;
  options_.on_progress = [&](const IngestProgress& p) { progress.push_back(p); };
  const IngestReport report = MustIngest();
  EXPECT_THAT(Files(), ElementsAre("a/x.md", "a/y.html", "b.txt"));
  EXPECT_EQ(report.files_added, 3u);
  EXPECT_EQ(report.files_skipped, 1u);
  EXPECT_EQ(report.nodes_added, 3u);
  EXPECT_GT(report.source_bytes, 0u);
  EXPECT_EQ(store_.seals, 1u);
  const FileRecord& row = Row("a/y.html");
  EXPECT_EQ(row.file_name, "y.html");
  EXPECT_EQ(row.file_type, "html");
  EXPECT_EQ(row.status, FileStatus::kReady);
  EXPECT_EQ(row.content_hash, HashHex("<title>Y</title><p>Text of y.</p>"));
  EXPECT_EQ(row.nodes, 1u);
  EXPECT_EQ(row.encoding, "UTF-8");
  EXPECT_LT(Row("a/x.md").id, Row("a/y.html").id);
  EXPECT_LT(row.id, Row("b.txt").id);
  EXPECT_THAT(store_.state.nodes.at(row.id)[0].node.heading, ElementsAre("Y"));
  EXPECT_EQ(progress.front().stage, "scan");
  EXPECT_EQ(progress.front().files_total, 3u);
  EXPECT_EQ(progress.back().stage, "done");
  EXPECT_EQ(progress.back().files_done, 3u);
  EXPECT_EQ(progress.back().nodes_done, 3u);
  for (const char* stage : {"scan", "read", "embed", "commit", "seal", "total"})
    EXPECT_TRUE(report.timings_ms.contains(stage)) << stage;
}

TEST_F(PipelineTest, ReadsNothingAgainThatDidNotChange) {
  Write("a.txt", "Text of a.");
  Write("new.txt", "Written now.", 0);
  MustIngest();
  const uint64_t generation = store_.state.generation;
  const size_t embedded = embedder_.embedded;
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_unchanged, 2u);
  EXPECT_EQ(report.files_added + report.files_changed + report.files_deleted + report.source_bytes, 0u);
  EXPECT_EQ(store_.state.generation, generation);
  EXPECT_EQ(embedder_.embedded, embedded);
}

TEST_F(PipelineTest, ComparesContentsWhereTimesProveNothing) {
  Write("touched.txt", "Same text.");
  Write("same_time.txt", "Text one.", 0);
  MustIngest();
  const DocumentId id = Row("touched.txt").id;
  SetAge("touched.txt", 50);
  // Another content of the same size and the very same time.
  const auto time = fs::last_write_time(root_ / "same_time.txt");
  std::ofstream(root_ / "same_time.txt") << "Text two.";
  fs::last_write_time(root_ / "same_time.txt", time);
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_unchanged, 1u);
  EXPECT_EQ(report.files_changed, 1u);
  EXPECT_EQ(Row("touched.txt").id, id);
  EXPECT_EQ(Text("same_time.txt"), "Text two.|");
  EXPECT_EQ(MustIngest().files_unchanged, 2u);
}

TEST_F(PipelineTest, EmbedsOnlyTheChangedNodesOfAChangedFile) {
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("second", 10));
  MustIngest();
  const DocumentId id = Row("a.md").id;
  const size_t embedded = embedder_.embedded;
  const size_t nodes = store_.state.nodes.at(id).size();
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("third", 10), 500);
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_changed, 1u);
  EXPECT_EQ(report.nodes_added, nodes);
  EXPECT_EQ(report.nodes_reused, nodes / 2);
  EXPECT_EQ(embedder_.embedded - embedded, nodes - nodes / 2);
  EXPECT_NE(Row("a.md").id, id);
  EXPECT_FALSE(store_.state.nodes.contains(id));
}

TEST_F(PipelineTest, KeepsTheIdsOfMovedFilesAndErasesDeletedOnes) {
  Write("a.txt", "Text of a.");
  Write("b.txt", "Text of b.");
  Write("c.txt", "Text of c.");
  MustIngest();
  const DocumentId id = Row("a.txt").id;
  const size_t embedded = embedder_.embedded;
  fs::create_directories(root_ / "sub");
  fs::rename(root_ / "a.txt", root_ / "sub/z.txt");
  fs::remove(root_ / "b.txt");
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_moved, 1u);
  EXPECT_EQ(report.files_deleted, 1u);
  EXPECT_EQ(report.files_added, 0u);
  EXPECT_THAT(Files(), ElementsAre("c.txt", "sub/z.txt"));
  EXPECT_EQ(Row("sub/z.txt").id, id);
  EXPECT_EQ(Row("sub/z.txt").file_name, "z.txt");
  EXPECT_EQ(embedder_.embedded, embedded);
}

TEST_F(PipelineTest, LeavesAloneWhatItWasNotAskedAbout) {
  Write("one/a.txt", "Text of a.");
  Write("one2/b.txt", "Text of b.");
  Write("two/c.txt", "Text of c.");
  MustIngest();
  fs::remove(root_ / "one2/b.txt");
  fs::remove(root_ / "two/c.txt");
  request_.paths = {root_ / "one"};
  EXPECT_EQ(MustIngest().files_deleted, 0u);
  EXPECT_EQ(Files().size(), 3u);
  request_.paths = {root_ / "two"};
  EXPECT_EQ(MustIngest().files_deleted, 1u);
  EXPECT_THAT(Files(), ElementsAre("one/a.txt", "one2/b.txt"));
}

TEST_F(PipelineTest, ReportsFilesThatFailAndTriesThemAgain) {
  Write("bad.txt", std::string("binary\0data", 11));
  Write("good.txt", "Good text.");
  IngestReport report = MustIngest();
  ASSERT_EQ(report.failed.size(), 1u);
  EXPECT_EQ(report.failed[0].file, "bad.txt");
  EXPECT_THAT(report.failed[0].status.message(), HasSubstr("NUL bytes at offset 6"));
  EXPECT_EQ(report.files_added, 1u);
  EXPECT_EQ(Row("bad.txt").status, FileStatus::kFailed);
  EXPECT_THAT(Row("bad.txt").error, HasSubstr("looks binary"));
  const uint64_t generation = store_.state.generation;
  EXPECT_EQ(MustIngest().failed.size(), 1u);
  EXPECT_EQ(store_.state.generation, generation);
  Write("bad.txt", "Text now.", 500);
  EXPECT_THAT(MustIngest().failed, IsEmpty());
  EXPECT_EQ(Row("bad.txt").status, FileStatus::kReady);
  EXPECT_EQ(Text("bad.txt"), "Text now.|");
}

TEST_F(PipelineTest, KeepsTheNodesOfWhatCannotBeReadForNow) {
  Write("a.txt", "Text of a.");
  Write("shut/b.txt", "Text of b.");
  MustIngest();
  fs::permissions(root_ / "a.txt", fs::perms::none);
  SetAge("a.txt", 10);
  fs::permissions(root_ / "shut", fs::perms::none);
  const uid_t user = ::geteuid();  // Permission bits do not hold root back.
  if (user == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto result = Ingest();
  if (user == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::permissions(root_ / "shut", fs::perms::all);
  fs::permissions(root_ / "a.txt", fs::perms::all);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  ASSERT_EQ(result->failed.size(), 2u);
  EXPECT_EQ(result->files_deleted, 0u);
  EXPECT_EQ(Row("a.txt").status, FileStatus::kFailed);
  EXPECT_EQ(Text("a.txt"), "Text of a.|");
  EXPECT_EQ(Text("shut/b.txt"), "Text of b.|");
  MustIngest();
  EXPECT_EQ(Row("a.txt").status, FileStatus::kReady);
}

TEST_F(PipelineTest, RefusesEmptyAndMissingFoldersByName) {
  EXPECT_EQ(Ingest().status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Ingest().status().message(), HasSubstr(root_.string() + " is empty"));
  Write("a.bin", "?");
  EXPECT_THAT(Ingest().status().message(), HasSubstr("others: 1"));
  request_.paths = {root_ / "missing"};
  EXPECT_THAT(Ingest().status().message(), HasSubstr("missing"));
  request_.paths = {};
  EXPECT_EQ(Ingest().status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(store_.locked);
}

TEST_F(PipelineTest, NamesTheLimitThatAFileIsOver) {
  Write("a.txt", Sentences("large", 100));
  Write("b.txt", "Small.");
  request_.limits.file_bytes_max = 1000;
  EXPECT_THAT(MustIngest().failed[0].status.message(), HasSubstr("larger than the limit of 1000 bytes"));
  request_.limits.file_bytes_max = 1 << 20;
  request_.limits.text_bytes_max = 1000;
  EXPECT_THAT(MustIngest().failed[0].status.message(), HasSubstr("text is larger than the limit of 1000 bytes"));
  request_.limits.text_bytes_max = 1 << 20;
  store_.traits_.commit_nodes_max = 5;
  const IngestReport report = MustIngest();
  EXPECT_THAT(report.failed[0].status.message(), HasSubstr("more nodes than the 5"));
  EXPECT_FALSE(report.failed[0].status.remedy().empty());
  EXPECT_EQ(Text("b.txt"), "Small.|");
}

TEST_F(PipelineTest, CommitsInBatchesOfWholeFiles) {
  for (int i = 0; i < 40; ++i) Write("f" + std::to_string(100 + i) + ".txt", Sentences("word" + std::to_string(i), 9));
  Write("giant.txt", Sentences("giant", 200));
  store_.traits_.commit_nodes_max = 120;
  request_.limits.commit_nodes = 20;
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 16;
  request_.limits.in_flight_bytes_max = 1000;
  const IngestReport report = MustIngest();
  EXPECT_EQ(report.files_added, 41u);
  EXPECT_GT(store_.commit_nodes.size(), 5u);
  DocumentId last = 0;
  for (const auto& [path, row] : store_.state.files) {
    EXPECT_GT(row.id, last);
    last = row.id;
    EXPECT_EQ(row.nodes, store_.state.nodes.at(row.id).size());
  }
}

TEST_F(PipelineTest, KeepsWhatIsDoneWhenTheEmbedderFails) {
  for (int i = 0; i < 30; ++i) Write("f" + std::to_string(10 + i) + ".txt", Sentences("word" + std::to_string(i), 3));
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 4;
  embedder_.fail_after_texts = 20;
  const auto failed = Ingest();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(failed.status().remedy(), "load it again");
  const size_t stored = store_.state.files.size();
  EXPECT_GT(stored, 5u);
  EXPECT_THAT(failed.status().message(), HasSubstr("stored and safe are " + std::to_string(stored) + " of 30 files"));
  EXPECT_FALSE(store_.locked);
  embedder_.fail_after_texts = SIZE_MAX;
  EXPECT_EQ(MustIngest().files_added, 30 - stored);
}

TEST_F(PipelineTest, StopsWhenCancelledAndGoesOnLater) {
  for (int i = 0; i < 30; ++i) Write("f" + std::to_string(10 + i) + ".txt", Sentences("word" + std::to_string(i), 3));
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 4;
  request_.limits.commit_nodes = 4;
  std::stop_source source;
  options_.context.stop = source.get_token();
  int calls = 0;
  embedder_.on_call = [&] {
    if (++calls == 6) source.request_stop();
  };
  const auto cancelled = Ingest();
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(cancelled.status().message(), HasSubstr("stored and safe are"));
  EXPECT_FALSE(cancelled.status().remedy().empty());
  EXPECT_FALSE(store_.locked);
  const size_t stored = store_.state.files.size();
  EXPECT_GT(stored, 0u);
  EXPECT_LT(stored, 30u);
  options_.context = {};
  EXPECT_EQ(MustIngest().files_added, 30 - stored);
}

TEST_F(PipelineTest, SaysWhatIsSafeWhenACommitFails) {
  for (int i = 0; i < 20; ++i) Write("f" + std::to_string(10 + i) + ".txt", Sentences("word" + std::to_string(i), 3));
  request_.limits.window_nodes_min = request_.limits.window_nodes_max = 4;
  request_.limits.commit_nodes = 4;
  store_.commits_left = 3;
  const auto failed = Ingest();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(failed.status().message(),
              HasSubstr("stored and safe are " + std::to_string(store_.state.files.size()) + " of 20"));
  store_.commits_left = SIZE_MAX;
  MustIngest();
  EXPECT_EQ(Files().size(), 20u);
}

TEST_F(PipelineTest, RefusesVectorsThatAreNone) {
  Write("a.txt", "Fine text.");
  Write("b.txt", Sentences("fine", 8) + "The bad one.");
  embedder_.poison = "bad one";
  const auto poisoned = Ingest();
  EXPECT_THAT(poisoned.status().message(), HasSubstr("not finite for node"));
  EXPECT_THAT(poisoned.status().message(), HasSubstr("b.txt"));
  embedder_.drop_one = true;
  EXPECT_THAT(Ingest().status().message(), HasSubstr("of dimension 4 gave"));
}

TEST_F(PipelineTest, WaitsForNobodyElsesLock) {
  Write("a.txt", "Text.");
  store_.locked = true;
  EXPECT_EQ(Ingest().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store_.locked);
}

TEST_F(PipelineTest, WarnsOfEncodingsAndFilesWithoutText) {
  Write("a.txt", "caf\xe9");
  Write("empty.txt", "");
  const IngestReport report = MustIngest();
  ASSERT_EQ(report.warnings.size(), 2u);
  EXPECT_EQ(report.warnings[0].code, "encoding");
  EXPECT_THAT(report.warnings[0].message, HasSubstr("a.txt"));
  EXPECT_EQ(report.warnings[1].code, "no_text");
  EXPECT_EQ(Row("empty.txt").status, FileStatus::kReady);
}

// The oracle is a store that sees the folder for the first time.
TEST_F(PipelineTest, HoldsWhatAFreshIngestionWouldAfterAnyChanges) {
  std::mt19937 random(9);
  const std::vector<std::string> names = {"a.txt", "b.md", "c.html", "d/a.txt", "d/e/f.md", "g.txt", "h/i.txt"};
  Write("always.txt", "Always here.");
  for (int round = 0; round < 40; ++round) {
    for (int change = 0; change < 4; ++change) {
      const std::string name = names[random() % names.size()];
      const std::string other = names[random() % names.size()];
      switch (random() % 4) {
        case 0:
          fs::remove(root_ / name);
          break;
        case 1:
          if (fs::exists(root_ / name) && name != other) {
            fs::create_directories((root_ / other).parent_path());
            fs::rename(root_ / name, root_ / other);
          }
          break;
        default:
          Write(name, Sentences("w" + std::to_string(random() % 5), static_cast<int>(random() % 8)),
                static_cast<int64_t>(random() % 4));
          break;
      }
    }
    MustIngest();
    MapStore fresh;
    const SentenceSplitter splitter(12, 3, [this](std::string_view text) { return embedder_.CountTokens(text); });
    ASSERT_TRUE(IngestPaths(request_, fresh, embedder_, splitter, readers_, pool_).ok());
    ASSERT_EQ(store_.state.files.size(), fresh.state.files.size());
    for (const auto& [path, row] : fresh.state.files) {
      ASSERT_TRUE(store_.state.files.contains(path)) << path;
      const FileRecord& ours = Row(path);
      EXPECT_EQ(ours.content_hash, row.content_hash);
      EXPECT_EQ(ours.modified_time_ns, row.modified_time_ns);
      EXPECT_EQ(ours.file_name, row.file_name);
      const auto& nodes = store_.state.nodes.at(ours.id);
      const auto& expected = fresh.state.nodes.at(row.id);
      ASSERT_EQ(nodes.size(), expected.size());
      for (size_t i = 0; i < nodes.size(); ++i) EXPECT_EQ(nodes[i].node, expected[i].node);
    }
    ASSERT_EQ(store_.state.nodes.size(), fresh.state.nodes.size());
  }
}

}  // namespace
}  // namespace ragtime
