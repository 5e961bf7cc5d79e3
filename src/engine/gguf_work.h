// SPDX-License-Identifier: Apache-2.0
//
// What is done with the GGUF files of language models by llama.cpp, besides answering.
#ifndef RAGTIME_ENGINE_GGUF_WORK_H_
#define RAGTIME_ENGINE_GGUF_WORK_H_

#include <filesystem>
#include <string>

#include "ragtime/config.h"
#include "ragtime/context.h"
#include "ragtime/models.h"
#include "ragtime/status.h"

namespace ragtime {

struct LlamaPlacement;

// Where the configuration wants the layers of a language model.
LlamaPlacement PlacementOf(const Config& config);

// Whether this build of llama.cpp can compute on GPUs.
bool BuiltForGpus();

// `importance_tokens` gets how many tokens of the text were read.
Status QuantizeFile(const Config& config, const std::filesystem::path& source, const std::filesystem::path& target,
                    const std::string& type, const ImportanceText& text, size_t& importance_tokens);
// Fills in all but `tuning.model` and `tuning.record`.
Status TuneFile(const Config& config, const Context& context, const std::filesystem::path& gguf, ModelTuning& tuning);
// Fills in all but `comparison.model`.
Status CompareFile(const Config& config, const Context& context, const std::filesystem::path& origin,
                   const std::filesystem::path& model, const std::string& text, size_t tokens_max,
                   ModelComparison& comparison);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_GGUF_WORK_H_
