// SPDX-License-Identifier: Apache-2.0
//
// Makes a knowledge base of a given size without embedding: make_kb FOLDER NODES MODEL_FOLDER
//
// Texts are drawn from a vocabulary with Zipf's law, vectors around one common direction, as e5's are (any two of them
// have a cosine of about 0.8). The model is recorded, so that `ragtime search` embeds its question and compares.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/builtin.h"
#include "engine/recorded.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 384;
constexpr size_t kVocabulary = 30000;
constexpr size_t kNodesPerFile = 20;
constexpr size_t kCommitNodes = 8192;

class Generator {
 public:
  Generator() {
    double sum = 0;
    for (size_t i = 0; i < kVocabulary; ++i) cumulative_.push_back(sum += 1.0 / static_cast<double>(i + 3));
    for (double& c : cumulative_) c /= sum;
    std::normal_distribution<float> normal;
    for (float& x : common_) x = normal(random_);
  }

  std::string Text() {
    std::string text;
    std::uniform_real_distribution<double> uniform;
    for (int i = 0; i < 150; ++i) {
      const auto word =
          std::lower_bound(cumulative_.begin(), cumulative_.end(), uniform(random_)) - cumulative_.begin();
      text += (i == 0 ? "w" : i % 12 == 0 ? ". W" : " w") + std::to_string(word);
    }
    return text + ".";
  }

  std::vector<float> Vector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimension);
    float norm = 0;
    for (size_t i = 0; i < kDimension; ++i) {
      vector[i] = common_[i] + 0.5f * normal(random_);
      norm += vector[i] * vector[i];
    }
    for (float& x : vector) x /= std::sqrt(norm);
    return vector;
  }

 private:
  std::mt19937_64 random_{7};
  std::vector<double> cumulative_;
  std::vector<float> common_ = std::vector<float>(kDimension);
};

Status Make(const std::string& folder, size_t nodes, const std::string& model) {
  Config config;
  config.store.uri = folder;
  config.embed.model = model;
  RAGTIME_ASSIGN_OR_RETURN(const auto embedder, MakeEmbedder(config));
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/true));
  RAGTIME_RETURN_IF_ERROR(store->BeginWrite(0));
  const Recorded recorded{.root = "/nowhere",
                          .model = embedder->info().model,
                          .fingerprint = embedder->info().fingerprint,
                          .split_size_tokens = config.split.size_tokens,
                          .split_overlap_tokens = config.split.overlap_tokens};
  WriteBatch batch{.documents = {}, .erased = {}, .settings = recorded.ToSettings()};
  Generator generator;
  size_t made = 0;
  size_t pending = 0;
  while (made < nodes) {
    DocumentWrite document;
    char name[32];
    std::snprintf(name, sizeof(name), "file-%08zu.txt", made);
    document.file.file_name = name;
    document.file.file_path = name;
    document.file.file_type = "txt";
    document.file.content_hash = std::string(32, '0');
    document.file.encoding = "UTF-8";
    document.file.status = FileStatus::kReady;
    uint64_t offset = 0;
    for (uint32_t position = 0; position < kNodesPerFile && made < nodes; ++position, ++made, ++pending) {
      NewNode node{.node = {.group = "sentence-256", .position = position, .text = generator.Text()},
                   .vector = generator.Vector()};
      node.node.bytes = Span{offset, offset + node.node.text.size()};
      offset += node.node.text.size();
      document.nodes.push_back(std::move(node));
    }
    document.file.file_size = offset;
    batch.documents.push_back(std::move(document));
    if (pending >= kCommitNodes || made == nodes) {
      const auto committed = store->Commit(Context{}, std::move(batch));
      if (!committed.ok()) return committed.status();
      batch = {};
      pending = 0;
    }
  }
  return store->Seal(Context{});
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: make_kb FOLDER NODES MODEL_FOLDER\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Make(argv[1], std::strtoull(argv[2], nullptr, 10), argv[3]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
