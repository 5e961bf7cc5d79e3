// SPDX-License-Identifier: Apache-2.0
#include "model/llama/importance.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <string_view>

#include "base/str_cat.h"
#include "model/llama/llama_model.h"

namespace ragtime {
namespace {

constexpr size_t kWindowTokens = 512;
constexpr size_t kStepTokens = 128;  // Scores of a step are in memory together.
constexpr int64_t kRowsMin = 16;     // What is multiplied with fewer rows is no reading of a text.

struct Sums {
  std::vector<double> squares;
  size_t rows = 0;
};

struct Watch {
  std::map<std::string, Sums> sums;
  bool has_experts = false;
  std::vector<std::byte> copied;  // From a GPU.
};

// A copy of a tensor for another processor is called "CPU#blk.0.attn_q.weight#0".
std::string_view NameOfWeights(const ggml_tensor& tensor) {
  std::string_view name = tensor.name;
  const size_t start = name.find('#');
  if (start == std::string_view::npos) return name;
  name.remove_prefix(start + 1);
  return name.substr(0, name.find('#'));
}

// llama.cpp asks whether it shall stop behind this operation, and calls again when it has.
bool Observe(ggml_tensor* result, bool asks, void* user) {
  Watch& watch = *static_cast<Watch*>(user);
  if (result->op == GGML_OP_MUL_MAT_ID) watch.has_experts = true;
  if (result->op != GGML_OP_MUL_MAT) return !asks;
  const std::string_view name = NameOfWeights(*result->src[0]);
  const ggml_tensor& input = *result->src[1];
  const bool wanted = name.starts_with("blk.") && input.type == GGML_TYPE_F32 && input.ne[1] >= kRowsMin &&
                      result->src[0]->ne[2] == 1 && input.ne[2] == 1 && input.ne[3] == 1;
  if (asks || !wanted) return wanted || !asks;
  const std::byte* data = static_cast<const std::byte*>(input.data);
  if (!ggml_backend_buffer_is_host(input.buffer)) {
    watch.copied.resize(ggml_nbytes(&input));
    ggml_backend_tensor_get(&input, watch.copied.data(), 0, watch.copied.size());
    data = watch.copied.data();
  }
  Sums& sums = watch.sums[std::string(name)];
  sums.squares.resize(static_cast<size_t>(input.ne[0]));
  for (int64_t row = 0; row < input.ne[1]; ++row) {
    const auto* values = reinterpret_cast<const float*>(data + static_cast<size_t>(row) * input.nb[1]);
    for (size_t i = 0; i < sums.squares.size(); ++i) sums.squares[i] += static_cast<double>(values[i]) * values[i];
  }
  sums.rows += static_cast<size_t>(input.ne[1]);
  return true;
}

Result<Importance> Measure(const Context& context, const std::filesystem::path& gguf, std::string_view text,
                           size_t tokens_max, size_t threads) {
  Watch watch;
  RAGTIME_ASSIGN_OR_RETURN(const auto model, LlamaModel::Load(gguf));
  model->Observe(&Observe, &watch);
  RAGTIME_RETURN_IF_ERROR(model->StartContext(kWindowTokens, 1, threads));
  const std::vector<Token> tokens = model->Tokenize(text, false);
  const size_t windows = std::min(tokens.size(), tokens_max) / kWindowTokens;
  if (windows == 0) {
    return InvalidArgumentError(StrCat("the text that is to show what matters has ", tokens.size(), " tokens, and ",
                                       kWindowTokens, " are needed"),
                                "give a longer text, or a knowledge base with more documents");
  }
  const auto abort = [&context] { return !context.Check().ok(); };
  std::vector<BatchToken> batch;
  for (size_t window = 0; window < windows; ++window) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    for (size_t position = 0; position < kWindowTokens; position += batch.size()) {
      batch.clear();
      // Without scores of all tokens the last layer would compute one of them only.
      for (size_t at = position; at < kWindowTokens && batch.size() < kStepTokens; ++at) {
        batch.push_back({tokens[window * kWindowTokens + at], at, 0, true});
      }
      const Status status = model->Compute(batch, abort);
      if (!status.ok()) return context.Check().ok() ? status : context.Check();
    }
    if (watch.has_experts) {
      return UnimplementedError("this model is a mixture of experts, whose importance is not measured",
                                "quantize it without an importance text");
    }
    model->Forget(0, 0);
  }
  Importance importance{.tokens = windows * kWindowTokens};
  for (const auto& [name, sums] : watch.sums) {
    std::vector<float>& columns = importance.columns[name];
    for (const double square : sums.squares)
      columns.push_back(static_cast<float>(square / static_cast<double>(sums.rows)));
  }
  return importance;
}

}  // namespace

Result<Importance> MeasureImportance(const Context& context, const std::filesystem::path& gguf, std::string_view text,
                                     size_t tokens_max, size_t threads) {
  try {
    return Measure(context, gguf, text, tokens_max, threads);
  } catch (const std::exception& exception) {
    return DataLossError(StrCat("llama.cpp cannot read a text with ", gguf.string(), ": ", exception.what()));
  }
}

}  // namespace ragtime
