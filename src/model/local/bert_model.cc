// SPDX-License-Identifier: Apache-2.0
#include "model/local/bert_model.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/str_cat.h"
#include "model/input_table.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "run tools/setup.sh to make the model again";

}  // namespace

Result<std::shared_ptr<const BertModel>> BertModel::Open(const std::filesystem::path& gguf) {
  RAGTIME_ASSIGN_OR_RETURN(GgufFile file, GgufFile::Open(gguf));
  std::shared_ptr<BertModel> model(new BertModel(std::make_shared<const GgufFile>(std::move(file))));
  RAGTIME_RETURN_IF_ERROR(model->Load());
  return std::shared_ptr<const BertModel>(std::move(model));
}

Status BertModel::LoadSizes() {
  if (const auto architecture = file_->String("general.architecture"); architecture != "bert") {
    return UnimplementedError(
        StrCat(file_->name(), " is not a BERT encoder but: ", architecture.value_or("nothing known")),
        "set embed.backend to llama for other architectures");
  }
  const auto size = [this](const char* key) { return file_->Integer(StrCat("bert.", key)).value_or(0); };
  const uint64_t hidden = size("embedding_length");
  const uint64_t feed_forward = size("feed_forward_length");
  const uint64_t layers = size("block_count");
  const uint64_t heads = size("attention.head_count");
  const uint64_t positions = size("context_length");
  const auto within = [](uint64_t value, uint64_t most) { return value > 0 && value <= most; };
  if (!within(hidden, 16384) || !within(feed_forward, 65536) || !within(layers, 256) || !within(heads, 256) ||
      !within(positions, 65536) || positions < 3) {
    return DataLossError(
        StrCat(file_->name(), " declares sizes that no encoder has: hidden ", hidden, ", feed-forward ", feed_forward,
               ", layers ", layers, ", heads ", heads, ", positions ", positions),
        kRemedy);
  }
  if (hidden % heads != 0 || (hidden / heads) % 32 != 0 || feed_forward % 32 != 0) {
    return UnimplementedError(StrCat(file_->name(), " has heads or layers that are not multiples of 32: hidden ",
                                     hidden, ", heads ", heads, ", feed-forward ", feed_forward),
                              "set embed.backend to llama");
  }
  if (file_->Integer("bert.pooling_type").value_or(1) != 1) {
    return UnimplementedError(StrCat(file_->name(), " does not take the mean of its tokens: pooling_type ",
                                     *file_->Integer("bert.pooling_type")),
                              "set embed.backend to llama");
  }
  dimension_ = hidden;
  feed_forward_ = feed_forward;
  heads_ = heads;
  layers_.resize(layers);
  epsilon_ = static_cast<float>(file_->Float("bert.attention.layer_norm_epsilon").value_or(1e-12));
  if (!(epsilon_ > 0 && epsilon_ < 1))
    return DataLossError(StrCat(file_->name(), " has a layer_norm_epsilon of ", epsilon_), kRemedy);
  return Status();
}

Result<std::span<const std::byte>> BertModel::Tensor(const std::string& name, GgufType type, uint64_t columns,
                                                     uint64_t rows) const {
  const GgufTensor* tensor = file_->Find(name);
  if (tensor == nullptr) {
    return DataLossError(StrCat(file_->name(), " has no tensor ", name, " of a known type"), kRemedy);
  }
  if (tensor->type != type) {
    return UnimplementedError(
        StrCat(file_->name(), " has tensor ", name, " in another type than Q4_0 for matrices, F32 for the rest"),
        "set embed.backend to llama");
  }
  if (tensor->sizes[0] != columns || tensor->sizes[1] != rows || tensor->sizes[2] != 1 || tensor->sizes[3] != 1) {
    return DataLossError(StrCat(file_->name(), " has tensor ", name, " of the wrong size: ", tensor->sizes[0], " x ",
                                tensor->sizes[1], ", expected ", columns, " x ", rows),
                         kRemedy);
  }
  return tensor->bytes;
}

Status BertModel::LoadLinear(const std::string& name, size_t outputs, size_t inputs, BertLinear& linear) {
  RAGTIME_ASSIGN_OR_RETURN(const auto weight, Tensor(name + ".weight", GgufType::kQ4_0, inputs, outputs));
  RAGTIME_ASSIGN_OR_RETURN(const auto bias, Tensor(name + ".bias", GgufType::kF32, outputs, 1));
  linear.weight = {reinterpret_cast<const uint8_t*>(weight.data()), outputs, inputs};
  linear.bias = reinterpret_cast<const float*>(bias.data());
  for (const auto& part : {weight, bias}) {
    const std::byte* begin = layer_bytes_.empty() ? part.data() : std::min(layer_bytes_.data(), part.data());
    const std::byte* end = layer_bytes_.empty() ? begin : layer_bytes_.data() + layer_bytes_.size();
    end = std::max(end, part.data() + part.size());
    layer_bytes_ = {begin, end};
  }
  return Status();
}

Status BertModel::LoadNorm(const std::string& name, BertNorm& norm) {
  RAGTIME_ASSIGN_OR_RETURN(const auto weight, Tensor(name + ".weight", GgufType::kF32, dimension_, 1));
  RAGTIME_ASSIGN_OR_RETURN(const auto bias, Tensor(name + ".bias", GgufType::kF32, dimension_, 1));
  norm.weight = reinterpret_cast<const float*>(weight.data());
  norm.bias = reinterpret_cast<const float*>(bias.data());
  return Status();
}

Status BertModel::Load() {
  RAGTIME_RETURN_IF_ERROR(LoadSizes());
  RAGTIME_ASSIGN_OR_RETURN(input_, MakeInputTable(file_));
  RAGTIME_RETURN_IF_ERROR(LoadNorm("token_embd_norm", embedding_norm_));
  const size_t d = dimension_;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const std::string prefix = StrCat("blk.", l, ".");
    BertLayer& layer = layers_[l];
    RAGTIME_RETURN_IF_ERROR(LoadLinear(prefix + "attn_q", d, d, layer.query));
    RAGTIME_RETURN_IF_ERROR(LoadLinear(prefix + "attn_k", d, d, layer.key));
    RAGTIME_RETURN_IF_ERROR(LoadLinear(prefix + "attn_v", d, d, layer.value));
    RAGTIME_RETURN_IF_ERROR(LoadLinear(prefix + "attn_output", d, d, layer.attention_output));
    RAGTIME_RETURN_IF_ERROR(LoadNorm(prefix + "attn_output_norm", layer.attention_norm));
    RAGTIME_RETURN_IF_ERROR(LoadLinear(prefix + "ffn_up", feed_forward_, d, layer.feed_forward_up));
    RAGTIME_RETURN_IF_ERROR(LoadLinear(prefix + "ffn_down", d, feed_forward_, layer.feed_forward_down));
    RAGTIME_RETURN_IF_ERROR(LoadNorm(prefix + "layer_output_norm", layer.output_norm));
  }
  return Status();
}

void BertModel::Prefetch() const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(layer_bytes_.data()) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(layer_bytes_.data() + layer_bytes_.size());
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
  // Only a hint: a kernel before 5.14 refuses it, and the pages then come one fault at a time.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
}

}  // namespace ragtime
