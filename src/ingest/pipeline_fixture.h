// SPDX-License-Identifier: Apache-2.0
//
// PipelineTest is a folder to ingest, a store in std::map and an embedder whose vectors are hashes, so that every
// vector can be checked against its text.
#ifndef RAGTIME_INGEST_PIPELINE_FIXTURE_H_
#define RAGTIME_INGEST_PIPELINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/thread_pool.h"
#include "ingest/folder_fixture.h"
#include "ingest/pipeline.h"
#include "ingest/split/sentence_splitter.h"

namespace ragtime {

namespace fs = std::filesystem;

inline constexpr size_t kDimension = 4;

inline std::vector<float> HashVector(std::string_view text) {
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

class StateSnapshot : public Snapshot {
 public:
  explicit StateSnapshot(State state) : state_(std::move(state)) {}
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

class RecordingStore : public Store {
 public:
  const StoreTraits& traits() const override { return traits_; }
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override {
    return std::make_shared<const StateSnapshot>(state);
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

class PipelineTest : public FolderTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(FolderTest::SetUp());
    request_.paths = {root_};
    request_.root = root_;
    request_.kb_folder = root_ / "kb";
  }

  // Files are given a time long ago, so that a later write is a change of time, too.
  void Write(const std::string& name, const std::string& text, int64_t age_s = 1000) {
    FolderTest::Write(name, text);
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

  IngestRequest request_;
  IngestOptions options_;
  RecordingStore store_;
  HashEmbedder embedder_;
  ThreadPool pool_{3};
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_PIPELINE_FIXTURE_H_
