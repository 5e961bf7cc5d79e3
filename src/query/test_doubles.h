// SPDX-License-Identifier: Apache-2.0
//
// What the tests of this folder ask instead of a store and models: a snapshot in memory, an embedder that hashes words,
// a generator that follows a script. Each can be made to fail or to take its time.
#ifndef RAGTIME_QUERY_TEST_DOUBLES_H_
#define RAGTIME_QUERY_TEST_DOUBLES_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "ragtime/embedder.h"
#include "ragtime/generator.h"
#include "ragtime/store.h"
#include "text/phrases.h"
#include "text/words.h"

namespace ragtime {

class HashEmbedder : public Embedder {
 public:
  HashEmbedder() {
    info_ = {.model = "hash", .fingerprint = "1", .dimension = 256, .max_tokens = 512, .found_threshold = 0.3f};
  }
  const EmbedderInfo& info() const override { return info_; }
  size_t CountTokens(std::string_view text) const override { return SplitWords(text).size(); }
  Result<std::vector<float>> Embed(const Context&, std::span<const std::string> texts, TextKind kind) override {
    ++calls;
    texts_embedded += texts.size();
    last_kind = kind;
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    if (!status.ok()) return status;
    std::vector<float> vectors;
    for (const std::string& text : texts) {
      const std::vector<float> vector = VectorOf(text);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    return vectors;
  }
  std::vector<float> VectorOf(std::string_view text) const {
    std::vector<float> vector(info_.dimension, 0.0f);
    float norm = 0;
    SplitWords(text, [&](std::string_view word) { vector[Hash64(word) % vector.size()] += 1; });
    for (const float x : vector) norm += x * x;
    if (norm == 0) vector[0] = norm = 1;
    for (float& x : vector) x /= std::sqrt(norm);
    return vector;
  }

  EmbedderInfo info_;
  std::atomic<int> calls{0};
  std::atomic<size_t> texts_embedded{0};
  std::atomic<TextKind> last_kind{TextKind::kQuery};
  std::chrono::milliseconds delay{0};
  Status status;
};

class FakeSnapshot : public Snapshot {
 public:
  ~FakeSnapshot() override {
    if (destroyed != nullptr) *destroyed = true;
  }

  // One node of its own file, with text and source the same bytes from `source_start` on.
  NodeId Add(const std::string& file, const std::string& text, std::vector<std::string> heading = {},
             uint64_t source_start = 0) {
    DocumentId document = 0;
    for (const FileRecord& record : files) {
      if (record.file_path == file) document = record.id;
    }
    if (document == 0) {
      document = static_cast<DocumentId>(files.size() + 1);
      files.push_back({.id = document, .file_name = file, .file_path = file});
    }
    Node node;
    node.id = static_cast<NodeId>(nodes.size() + 101);
    node.document_id = document;
    node.group = "sentence-256";
    for (const Node& other : nodes) node.position += other.document_id == document ? 1 : 0;
    node.text = text;
    node.heading = std::move(heading);
    node.bytes = Span{source_start, source_start + text.size()};
    nodes.push_back(node);
    return node.id;
  }

  // Makes the node last added one of `group`, with the bytes [start, end) of its file.
  void Place(const std::string& group, uint64_t start, uint64_t end) {
    Node& node = nodes.back();
    node.group = group;
    node.bytes = Span{start, end};
    node.position = 0;
    for (const Node& other : nodes)
      node.position += other.id != node.id && other.document_id == node.document_id && other.group == group ? 1 : 0;
  }

  uint64_t generation() const override { return 1; }
  const std::vector<FieldSpec>& fields() const override { return field_specs; }
  Result<StoreStatistics> Statistics() const override { return StoreStatistics{.nodes = nodes.size()}; }
  Result<std::vector<FileRecord>> Files() const override { return files; }
  Result<std::optional<FileRecord>> FindFile(DocumentId id) const override {
    ++file_reads;
    for (const FileRecord& file : files) {
      if (file.id == id) return std::optional(file);
    }
    return std::optional<FileRecord>();
  }
  Result<std::optional<FileRecord>> FindFile(std::string_view) const override { return std::optional<FileRecord>(); }
  Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId> ids) const override {
    if (!nodes_status.ok()) return nodes_status;
    std::vector<std::optional<Node>> result;
    for (const NodeId id : ids) {
      const auto found = std::find_if(nodes.begin(), nodes.end(), [id](const Node& node) { return node.id == id; });
      result.push_back(found == nodes.end() ? std::nullopt : std::optional(*found));
    }
    return result;
  }
  // By (group, position), each with the vector of HashEmbedder.
  Result<std::vector<NewNode>> NodesOf(DocumentId id) const override {
    const HashEmbedder embedder;
    std::vector<NewNode> found;
    for (const Node& node : nodes) {
      if (node.document_id == id) found.push_back({node, embedder.VectorOf(node.text)});
    }
    std::stable_sort(found.begin(), found.end(), [](const NewNode& a, const NewNode& b) {
      return std::tie(a.node.group, a.node.position) < std::tie(b.node.group, b.node.position);
    });
    return found;
  }
  Result<uint64_t> CountNodes(const Context& context, const Filter& filter) const override {
    uint64_t count = 0;
    RAGTIME_RETURN_IF_ERROR(VisitNodes(context, filter, [&count](const NodeRow&) { return ++count > 0; }));
    return count;
  }
  Status VisitNodes(const Context&, const Filter& filter,
                    const std::function<bool(const NodeRow&)>& visit) const override {
    for (const Node& node : nodes) {
      if (!Matches(filter, node)) continue;
      if (!visit({node.id, node.document_id, node.group, node.position, node.page})) break;
    }
    return Status();
  }

  Result<std::vector<Hit>> SearchVector(const Context&, const VectorQuery& query) const override {
    asked_ef = query.parameters.ef;
    {
      const std::lock_guard lock(keywords_mutex_);
      asked_keys.insert(query.key);
    }
    if (vector_delay.count() > 0) std::this_thread::sleep_for(vector_delay);
    if (!vector_status.ok()) return vector_status;
    std::vector<Hit> hits;
    const HashEmbedder embedder;
    for (const Node& node : nodes) {
      if (!Matches(query.filter, node) || (!query.group.empty() && query.group != node.group)) continue;
      const std::vector<float> vector = embedder.VectorOf(node.text);
      float score = 0;
      for (size_t d = 0; d < vector.size(); ++d) score += vector[d] * query.vector[d];
      hits.push_back({node.id, score});
    }
    return Best(std::move(hits), query.limit);
  }
  Result<std::vector<Hit>> SearchKeyword(const Context&, const KeywordQuery& query) const override {
    if (keyword_delay.count() > 0) std::this_thread::sleep_for(keyword_delay);
    if (!keyword_status.ok()) return keyword_status;
    {
      const std::lock_guard lock(keywords_mutex_);
      last_keywords_ = query.text;
    }
    std::vector<Hit> hits;
    const std::vector<std::string> wanted = QueryWords(query.text);
    std::vector<Phrase> phrases;
    for (const std::string_view quoted : SplitQuotes(query.text).quoted) {
      if (query.phrases) phrases.emplace_back(quoted);
    }
    for (const Node& node : nodes) {
      if (!HoldsPhrases(node.text, phrases)) continue;
      if (!Matches(query.filter, node) || (!query.group.empty() && query.group != node.group)) continue;
      const std::vector<std::string> words = SplitWords(node.text);
      float score = 0;
      for (const std::string& word : wanted)
        score += std::find(words.begin(), words.end(), word) != words.end() ? 1 : 0;
      if (score > 0) hits.push_back({node.id, score});
    }
    return Best(std::move(hits), query.limit);
  }

  // What the keyword route was asked last; several questions may run at once.
  std::string last_keywords() const {
    const std::lock_guard lock(keywords_mutex_);
    return last_keywords_;
  }

  std::vector<FileRecord> files;
  std::vector<FieldSpec> field_specs;
  std::vector<Node> nodes;
  Status vector_status, keyword_status, nodes_status;
  std::chrono::milliseconds vector_delay{0}, keyword_delay{0};
  mutable std::multiset<std::string> asked_keys;       // Of vector searches. Read it when they have ended.
  mutable std::atomic<uint32_t> asked_ef{UINT32_MAX};  // By the last vector search.
  std::atomic<bool>* destroyed = nullptr;
  mutable std::atomic<int> file_reads{0};

 private:
  bool Matches(const Filter& filter, const Node& node) const {
    FieldValue value;
    return filter.Matches([&](std::string_view field) -> const FieldValue& {
      for (const FileRecord& file : files) {
        if (file.id == node.document_id) value = FileFieldValue(file, field);
      }
      if (field == "group") value = node.group;
      if (field == "position") value = int64_t{node.position};
      return value;
    });
  }

  static std::vector<Hit> Best(std::vector<Hit> hits, size_t limit) {
    std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
      return a.score != b.score ? a.score > b.score : a.node_id < b.node_id;
    });
    if (hits.size() > limit) hits.resize(limit);
    return hits;
  }

  mutable std::mutex keywords_mutex_;
  mutable std::string last_keywords_;
};

class FakeGenerator : public Generator {
 public:
  explicit FakeGenerator(std::string answer = "", std::string reasoning = "")
      : answer_(std::move(answer)), reasoning_(std::move(reasoning)) {
    info_ = {.model = "scripted", .languages = {"en"}, .context_tokens = 4096};
  }
  const GeneratorInfo& info() const override { return info_; }
  // A token is four bytes.
  size_t CountTokens(std::string_view text) const override {
    counted.emplace(text);
    return (text.size() + 3) / 4;
  }
  Result<GenerationResult> Generate(const Context&, const GenerationRequest& request,
                                    const OnToken& on_token) override {
    ++calls;
    last_request = request;
    GenerationResult result;
    auto send = [&](Channel channel, std::string_view text) {
      for (size_t start = 0; start < text.size() && streams; start += piece_bytes) {
        ++result.completion_tokens;
        bytes_sent += piece_bytes;
        if (!on_token(channel, text.substr(start, piece_bytes))) return false;
      }
      return true;
    };
    if (send(Channel::kReasoning, reasoning_)) send(Channel::kAnswer, answer_);
    if (!status.ok()) return status;
    result.text = answer_;
    result.reasoning = reasoning_;
    result.prompt_tokens = 11;
    result.cached_tokens = 3;
    result.completion_tokens = 7;
    result.ttft_ms = 5;
    result.tpot_ms = 2;
    result.truncated = truncated;
    return result;
  }

  void Expect() override { ++expected; }

  GeneratorInfo info_;
  size_t piece_bytes = 3;
  bool streams = true;  // False: the text comes in the result only.
  bool truncated = false;
  Status status;  // After everything was streamed.
  int calls = 0;
  int expected = 0;
  size_t bytes_sent = 0;
  GenerationRequest last_request;
  mutable std::set<std::string> counted;  // The texts whose tokens were.

 private:
  std::string answer_;
  std::string reasoning_;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_TEST_DOUBLES_H_
