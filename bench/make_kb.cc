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
#include <utility>
#include <vector>

#include "recorded_store.h"
#include "store_data.h"

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
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeRecordedStore(folder, model, {}));
  Generator generator;
  WriteBatch batch;
  size_t pending = 0;
  for (size_t made = 0; made < nodes;) {
    DocumentWrite document = NewDocument(made);
    for (size_t i = 0; i < kNodesPerFile && made < nodes; ++i, ++made, ++pending) {
      AddNode(document, generator.Text(), generator.Vector());
    }
    batch.documents.push_back(std::move(document));
    if (pending < kCommitNodes && made < nodes) continue;
    const auto committed = store->Commit(Context{}, std::move(batch));
    if (!committed.ok()) return committed.status();
    batch = {};
    pending = 0;
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
