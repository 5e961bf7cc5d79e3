// SPDX-License-Identifier: Apache-2.0
//
// WorkOfGguf says what a language model has to do at the least: the weights that each token is multiplied with, and the
// bytes in which they lie.
#ifndef RAGTIME_MODEL_LLAMA_MODEL_WORK_H_
#define RAGTIME_MODEL_LLAMA_MODEL_WORK_H_

#include <cstdint>
#include <filesystem>

#include "ragtime/status.h"

namespace ragtime {

struct ModelWork {
  uint64_t layer_weights = 0;  // Of all layers: one multiplication and one addition each, of every token.
  uint64_t layer_bytes = 0;
  uint64_t output_weights = 0;  // Of tokens whose scores are wanted.
  uint64_t output_bytes = 0;
};

// Of a model that is no mixture of experts, in one file; attention itself is not counted. kDataLoss: no GGUF file.
Result<ModelWork> WorkOfGguf(const std::filesystem::path& gguf);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_MODEL_WORK_H_
