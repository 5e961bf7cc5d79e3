// SPDX-License-Identifier: Apache-2.0
#include "model/llama/model_compare.h"

#include <algorithm>
#include <exception>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "model/llama/llama_model.h"

namespace ragtime {
namespace {

constexpr size_t kPromptTokens = 256;
constexpr size_t kTokens = 32;
constexpr size_t kRuns = 3;
constexpr size_t kCells = 512;

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) << 10;
  }
  return 0;
}

Result<std::unique_ptr<LlamaModel>> LoadReady(const std::filesystem::path& gguf, const LlamaPlacement& placement,
                                              size_t threads) {
  RAGTIME_ASSIGN_OR_RETURN(auto model, LlamaModel::Load(gguf, placement));
  RAGTIME_RETURN_IF_ERROR(model->StartContext(kCells, 1, threads));
  return model;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Status GaugeAlone(const Context& context, const std::filesystem::path& gguf, const LlamaPlacement& placement,
                  size_t threads, GgufComparison& comparison) {
  const uint64_t before = ResidentBytes();
  RAGTIME_ASSIGN_OR_RETURN(const auto model, LoadReady(gguf, placement, threads));
  std::vector<double> prefill;
  std::vector<double> decode;
  std::vector<double> tpot;
  for (size_t run = 0; run <= kRuns; ++run) {
    RAGTIME_ASSIGN_OR_RETURN(const SpeedGauge gauge, GaugeSpeed(context, *model, 1, kPromptTokens, kTokens));
    if (run == 0) continue;  // It reads the weights from the disk.
    prefill.push_back(gauge.prefill_tokens_per_s);
    decode.push_back(gauge.decode_tokens_per_s);
    tpot.push_back(gauge.tpot_ms);
  }
  comparison.speed = {Median(prefill), Median(decode), Median(tpot)};
  const uint64_t after = ResidentBytes();
  comparison.memory_bytes = after > before ? after - before : 0;
  return Status();
}

Result<TextGauge> GaugeBoth(const Context& context, const std::filesystem::path& origin,
                            const std::filesystem::path& gguf, std::string_view text, size_t tokens_max,
                            const LlamaPlacement& placement, size_t threads) {
  RAGTIME_ASSIGN_OR_RETURN(const auto before, LoadReady(origin, placement, threads));
  std::vector<Token> tokens = before->Tokenize(text, false);
  tokens.resize(std::min(tokens.size(), tokens_max));
  if (origin == gguf) return GaugeText(context, *before, *before, tokens);
  RAGTIME_ASSIGN_OR_RETURN(const auto after, LoadReady(gguf, placement, threads));
  return GaugeText(context, *before, *after, tokens);
}

}  // namespace

bool LlamaUsesGpus() { return llama_supports_gpu_offload(); }

Result<GgufComparison> CompareGguf(const Context& context, const std::filesystem::path& origin,
                                   const std::filesystem::path& model, std::string_view text, size_t tokens_max,
                                   const LlamaPlacement& placement, size_t threads) {
  try {
    GgufComparison comparison;
    RAGTIME_RETURN_IF_ERROR(GaugeAlone(context, model, placement, threads, comparison));
    RAGTIME_ASSIGN_OR_RETURN(comparison.text, GaugeBoth(context, origin, model, text, tokens_max, placement, threads));
    return comparison;
  } catch (const std::exception& exception) {
    return DataLossError(StrCat("llama.cpp cannot compare ", model.string(), ": ", exception.what()));
  }
}

}  // namespace ragtime
