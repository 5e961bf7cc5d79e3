// SPDX-License-Identifier: Apache-2.0
#include "engine/gguf_work.h"

#include "base/thread_pool.h"
#include "model/llama/model_compare.h"
#include "model/llama/model_quantize.h"

namespace ragtime {
namespace {

size_t ThreadsOf(const Config& config) { return config.threads != 0 ? config.threads : AvailableCores(); }

}  // namespace

bool BuiltForGpus() { return LlamaUsesGpus(); }

Status QuantizeFile(const Config& config, const std::filesystem::path& source, const std::filesystem::path& target,
                    const std::string& type) {
  return QuantizeGguf(source, target, type, ThreadsOf(config));
}

Status CompareFile(const Config& config, const Context& context, const std::filesystem::path& origin,
                   const std::filesystem::path& model, const std::string& text, size_t tokens_max,
                   ModelComparison& comparison) {
  const LlamaPlacement placement{.gpu_layers = static_cast<int>(config.llm.gpu_layers),
                                 .split_mode = config.llm.split_mode,
                                 .main_gpu = config.llm.main_gpu,
                                 .kv_type = config.llm.kv_type};
  RAGTIME_ASSIGN_OR_RETURN(const GgufComparison found,
                           CompareGguf(context, origin, model, text, tokens_max, placement, ThreadsOf(config)));
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
