// SPDX-License-Identifier: Apache-2.0
//
// A BertModel is the weights of a BERT encoder in a mapped GGUF file, checked against the sizes that the file declares.
//
// Threads: immutable; every method may be called concurrently. Ownership: pointers stay valid as long as the BertModel.
// Errors: kUnimplemented for another architecture or for weights that are not Q4_0; kDataLoss for sizes that disagree.
#ifndef RAGTIME_MODEL_LOCAL_BERT_MODEL_H_
#define RAGTIME_MODEL_LOCAL_BERT_MODEL_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/encoder.h"
#include "model/gguf_file.h"
#include "model/local/bert_kernels.h"
#include "ragtime/status.h"

namespace ragtime {

struct BertLinear {
  Q4Matrix weight;
  const float* bias = nullptr;
};

struct BertNorm {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

struct BertLayer {
  BertLinear query, key, value, attention_output, feed_forward_up, feed_forward_down;
  BertNorm attention_norm, output_norm;
};

class BertModel {
 public:
  static Result<std::shared_ptr<const BertModel>> Open(const std::filesystem::path& gguf);

  const std::shared_ptr<const InputTable>& input() const { return input_; }
  size_t dimension() const { return dimension_; }
  size_t feed_forward() const { return feed_forward_; }
  size_t heads() const { return heads_; }
  float epsilon() const { return epsilon_; }
  const BertNorm& embedding_norm() const { return embedding_norm_; }
  std::span<const BertLayer> layers() const { return layers_; }
  // Brings the layers (not the word table) into memory by one system call instead of a fault for every 64 KiB.
  void Prefetch() const;

 private:
  explicit BertModel(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}
  Status Load();
  Status LoadSizes();
  Result<std::span<const std::byte>> Tensor(const std::string& name, GgufType type, uint64_t columns,
                                            uint64_t rows) const;
  Status LoadLinear(const std::string& name, size_t outputs, size_t inputs, BertLinear& linear);
  Status LoadNorm(const std::string& name, BertNorm& norm);

  std::shared_ptr<const GgufFile> file_;
  std::shared_ptr<const InputTable> input_;
  size_t dimension_ = 0;
  size_t feed_forward_ = 0;
  size_t heads_ = 0;
  float epsilon_ = 0;
  BertNorm embedding_norm_;
  std::vector<BertLayer> layers_;
  std::span<const std::byte> layer_bytes_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LOCAL_BERT_MODEL_H_
