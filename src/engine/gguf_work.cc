// SPDX-License-Identifier: Apache-2.0
#include "engine/gguf_work.h"

#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "model/llama/importance.h"
#include "model/llama/llama_placement.h"
#include "model/llama/model_compare.h"
#include "model/llama/model_quantize.h"
#include "model/llama/model_tune.h"

namespace ragtime {
namespace {

size_t ThreadsOf(const Config& config) { return config.threads != 0 ? config.threads : AvailableCores(); }

}  // namespace

LlamaPlacement PlacementOf(const Config& config) {
  return {.gpu_layers = static_cast<int>(config.llm.gpu_layers),
          .split_mode = config.llm.split_mode,
          .main_gpu = config.llm.main_gpu,
          .kv_type = config.llm.kv_type};
}

bool BuiltForGpus() { return LlamaUsesGpus(); }

Status QuantizeFile(const Config& config, const std::filesystem::path& source, const std::filesystem::path& target,
                    const std::string& type, const ImportanceText& text, size_t& importance_tokens) {
  importance_tokens = 0;
  if (text.text.empty()) return QuantizeGguf(source, target, type, ThreadsOf(config));
  if (!HeedsImportance(type)) {
    return InvalidArgumentError(StrCat("the type ", type, " keeps everything alike, whatever matters to your texts"),
                                "write Q6_K, Q5_K_M, Q4_K_M or Q4_0, or leave the importance text out");
  }
  RAGTIME_ASSIGN_OR_RETURN(const Importance importance,
                           MeasureImportance(text.context, source, text.text, text.tokens_max, ThreadsOf(config)));
  importance_tokens = importance.tokens;
  return QuantizeGguf(source, target, type, ThreadsOf(config), &importance);
}

Status TuneFile(const Config& config, const Context& context, const std::filesystem::path& gguf, ModelTuning& tuning) {
  tuning.cores = AvailableCores();
  RAGTIME_ASSIGN_OR_RETURN(const GgufTuning found, TuneGguf(context, gguf, PlacementOf(config), tuning.cores));
  for (const ThreadGauge& gauge : found.threads) {
    tuning.speeds.push_back({gauge.threads, gauge.speed.prefill_tokens_per_s, gauge.speed.decode_tokens_per_s});
  }
  for (const BatchGauge& gauge : found.batches) tuning.batches.push_back({gauge.batch_tokens, gauge.read_tokens_per_s});
  tuning.f16_tokens_per_s = found.f16.decode_tokens_per_s;
  tuning.q8_0_tokens_per_s = found.q8_0.decode_tokens_per_s;
  tuning.threads = found.threads_chosen;
  tuning.read_threads = found.read_threads_chosen;
  tuning.batch_tokens = found.batch_tokens_chosen;
  return Status();
}

Status CompareFile(const Config& config, const Context& context, const std::filesystem::path& origin,
                   const std::filesystem::path& model, const std::string& text, size_t tokens_max,
                   ModelComparison& comparison) {
  RAGTIME_ASSIGN_OR_RETURN(const GgufComparison found, CompareGguf(context, origin, model, text, tokens_max,
                                                                   PlacementOf(config), ThreadsOf(config)));
  comparison.prefill_tokens_per_s = found.speed.prefill_tokens_per_s;
  comparison.decode_tokens_per_s = found.speed.decode_tokens_per_s;
  comparison.memory_bytes = found.memory_bytes;
  comparison.text_tokens = found.text.tokens;
  comparison.perplexity = found.text.perplexity;
  comparison.kl_mean = found.text.kl_mean;
  comparison.kl_p99 = found.text.kl_p99;
  comparison.agreement = found.text.agreement;
  return Status();
}

}  // namespace ragtime
