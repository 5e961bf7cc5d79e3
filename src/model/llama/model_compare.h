// SPDX-License-Identifier: Apache-2.0
//
// CompareGguf measures a GGUF file: how fast it is in this process, what memory it takes, and how near it comes to the
// file that it was made from.
#ifndef RAGTIME_MODEL_LLAMA_MODEL_COMPARE_H_
#define RAGTIME_MODEL_LLAMA_MODEL_COMPARE_H_

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "model/llama/llama_placement.h"
#include "model/llama/model_gauge.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct GgufComparison {
  SpeedGauge speed;           // Of one user: 256 tokens read, 32 written, the median of three runs.
  uint64_t memory_bytes = 0;  // By which the process grew, weights that were read and what it computes with; no GPU's.
  TextGauge text;
};

// Whether this build of llama.cpp can compute on GPUs, and there is one.
bool LlamaUsesGpus();

// Reads at most `tokens_max` tokens of the text. `origin` may be the model itself.
Result<GgufComparison> CompareGguf(const Context& context, const std::filesystem::path& origin,
                                   const std::filesystem::path& model, std::string_view text, size_t tokens_max,
                                   const LlamaPlacement& placement, size_t threads);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_MODEL_COMPARE_H_
