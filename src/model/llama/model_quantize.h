// SPDX-License-Identifier: Apache-2.0
//
// QuantizeGguf makes a smaller GGUF file of a language model, with llama.cpp's own quantizers.
#ifndef RAGTIME_MODEL_LLAMA_MODEL_QUANTIZE_H_
#define RAGTIME_MODEL_LLAMA_MODEL_QUANTIZE_H_

#include <filesystem>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

// `type`: F16 | BF16 | Q8_0 | Q6_K | Q5_K_M | Q4_K_M | Q4_0. Writes `target`, which must not exist; after an error it
// may hold a part. kInvalidArgument: no such type; kDataLoss: llama.cpp cannot read the file.
Status QuantizeGguf(const std::filesystem::path& source, const std::filesystem::path& target, std::string_view type,
                    size_t threads);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_MODEL_QUANTIZE_H_
