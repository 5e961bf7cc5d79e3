// SPDX-License-Identifier: Apache-2.0
#include "model/input_table.h"

#include <cstring>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

class GgufInputTable final : public InputTable {
 public:
  explicit GgufInputTable(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}

  Status Load() {
    dimension_ = file_->Integer("bert.embedding_length").value_or(0);
    max_tokens_ = file_->Integer("bert.context_length").value_or(0);
    if (dimension_ == 0 || dimension_ % kQ4BlockValues != 0 || max_tokens_ < 3) {
      return UnimplementedError(
          StrCat(file_->name(), " is not a BERT model whose rows consist of blocks of 32: embedding_length ",
                 dimension_, ", context_length ", max_tokens_),
          "set embed.backend to llama");
    }
    const GgufTensor* words = file_->Find("token_embd.weight");
    if (words == nullptr || words->type != GgufType::kQ4_0 || words->sizes[0] != dimension_ ||
        words->sizes[1] > INT32_MAX) {
      return UnimplementedError(
          StrCat(file_->name(), " has no token_embd.weight of type Q4_0 and row length ", dimension_),
          "set embed.backend to llama");
    }
    words_ = reinterpret_cast<const uint8_t*>(words->bytes.data());
    vocabulary_size_ = words->sizes[1];
    positions_ = Rows("position_embd.weight", max_tokens_);
    if (positions_ == nullptr) {
      return DataLossError(
          StrCat(file_->name(), " has no position_embd.weight of type F32 and size ", dimension_, " x ", max_tokens_),
          "run tools/setup.sh to make the model again");
    }
    types_ = Rows("token_types.weight", 1);
    return Status();
  }

  size_t dimension() const override { return dimension_; }
  size_t max_tokens() const override { return max_tokens_; }
  size_t vocabulary_size() const override { return vocabulary_size_; }

  void Fill(std::span<const int32_t> ids, float* out) const override {
    const size_t blocks = dimension_ / kQ4BlockValues;
    for (size_t t = 0; t < ids.size(); ++t, out += dimension_) {
      const uint8_t* block = words_ + static_cast<size_t>(ids[t]) * blocks * kQ4BlockBytes;
      for (size_t b = 0; b < blocks; ++b, block += kQ4BlockBytes) {
        uint16_t half;
        std::memcpy(&half, block, sizeof half);
        const float scale = HalfToFloat(half);
        for (size_t j = 0; j < 16; ++j) {
          out[b * kQ4BlockValues + j] = scale * static_cast<float>((block[2 + j] & 15) - 8);
          out[b * kQ4BlockValues + 16 + j] = scale * static_cast<float>((block[2 + j] >> 4) - 8);
        }
      }
      const float* position = positions_ + t * dimension_;
      for (size_t i = 0; i < dimension_; ++i) out[i] += position[i] + (types_ != nullptr ? types_[i] : 0.0f);
    }
  }

 private:
  // Null where the file has not so many rows of that name.
  const float* Rows(const char* name, size_t rows) const {
    const GgufTensor* tensor = file_->Find(name);
    if (tensor == nullptr || tensor->type != GgufType::kF32 || tensor->sizes[0] != dimension_ ||
        tensor->sizes[1] < rows) {
      return nullptr;
    }
    return reinterpret_cast<const float*>(tensor->bytes.data());
  }

  const std::shared_ptr<const GgufFile> file_;
  size_t dimension_ = 0;
  size_t max_tokens_ = 0;
  size_t vocabulary_size_ = 0;
  const uint8_t* words_ = nullptr;
  const float* positions_ = nullptr;
  const float* types_ = nullptr;  // The row of token type 0; null where it is part of the positions.
};

}  // namespace

Result<std::shared_ptr<const InputTable>> MakeInputTable(std::shared_ptr<const GgufFile> file) {
  auto table = std::make_shared<GgufInputTable>(std::move(file));
  RAGTIME_RETURN_IF_ERROR(table->Load());
  return std::shared_ptr<const InputTable>(std::move(table));
}

}  // namespace ragtime
