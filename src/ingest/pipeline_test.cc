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
    EXPECT_TRUE(context.in_background);  // Nobody waits for it.
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
    declared.insert(batch.dimensions.begin(), batch.dimensions.end());
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
  Result<StoreStatistics> Backup(const Context&, const std::filesystem::path&, bool) const override {
    return StoreStatistics();
  }
  Status Seal(const Context&) override {
    ++seals;
    return Status();
  }

  State state;
  std::map<std::string, size_t> declared;  // Keys of named vectors.
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

TEST_F(PipelineTest, ANewEmbedderEmbedsTheNodesThatAreThere) {
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("second", 10));
  MustIngest();
  const size_t nodes = store_.state.nodes.at(Row("a.md").id).size();
  const size_t embedded = embedder_.embedded;
  HashEmbedder english;
  request_.embedders = {{"english", &english}};
  request_.settings = {{"embedders", "{}"}};
  request_.dimensions = {{"english", kDimension}};
  const auto ingest = [&](std::vector<std::string> keys) {
    const NodeGroupConfig group{.name = "sentence-12", .embed = true, .embed_keys = std::move(keys)};
    const NodeGroups groups({group},
                            {.count_tokens = [this](std::string_view text) { return embedder_.CountTokens(text); },
                             .size_tokens = 12,
                             .overlap_tokens = 3});
    const auto report = IngestPaths(request_, store_, embedder_, groups, readers_, pool_, options_);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
  };
  ingest({"english"});
  EXPECT_EQ(store_.declared, request_.dimensions);
  EXPECT_EQ(embedder_.embedded, embedded) << "known texts are not embedded again";
  EXPECT_EQ(english.embedded, nodes);
  for (const NewNode& node : store_.state.nodes.at(Row("a.md").id)) {
    EXPECT_EQ(node.vector, HashVector(node.node.text));
    EXPECT_EQ(node.named.at("english"), HashVector(node.node.text));
  }
  Write("a.md", "# A\n\n" + Sentences("first", 10) + "\n\n# B\n\n" + Sentences("third", 10), 500);
  ingest({"english"});
  EXPECT_EQ(english.embedded, nodes + nodes / 2);
  ingest({});
  EXPECT_EQ(english.embedded, nodes + nodes / 2);
  for (const NewNode& node : store_.state.nodes.at(Row("a.md").id)) EXPECT_TRUE(node.named.empty());
  english.fail_after_texts = 0;
  const NodeGroupConfig group{.name = "sentence-12", .embed = true, .embed_keys = {"english"}};
  const NodeGroups groups({group}, {.count_tokens = [](std::string_view) { return size_t{1}; }});
  EXPECT_EQ(IngestPaths(request_, store_, embedder_, groups, readers_, pool_, options_).status().code(),
            StatusCode::kUnavailable);
  for (const NewNode& node : store_.state.nodes.at(Row("a.md").id)) EXPECT_TRUE(node.named.empty());
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
  EXPECT_EQ(report.files_skipped, 1u) << "only the one beside nothing";
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
