// SPDX-License-Identifier: Apache-2.0
//
// QuantizeGguf makes a smaller GGUF file of a language model, with llama.cpp's own quantizers.
#ifndef RAGTIME_MODEL_LLAMA_MODEL_QUANTIZE_H_
#define RAGTIME_MODEL_LLAMA_MODEL_QUANTIZE_H_

#include <filesystem>
#include <string_view>

#include "model/llama/importance.h"
#include "ragtime/status.h"

namespace ragtime {

// `type`: F16 | BF16 | Q8_0 | Q6_K | Q5_K_M | Q4_K_M | Q4_0. Writes `target`, which must not exist; after an error it
// may hold a part. kInvalidArgument: no such type; kDataLoss: llama.cpp cannot read the file. `importance`, of the same
// model, says what is kept more exact; null: all alike. Of the types only Q6_K and smaller ones can heed it.
Status QuantizeGguf(const std::filesystem::path& source, const std::filesystem::path& target, std::string_view type,
                    size_t threads, const Importance* importance = nullptr);
bool HeedsImportance(std::string_view type);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_MODEL_QUANTIZE_H_
