// SPDX-License-Identifier: Apache-2.0
//
// MeasureImportance finds which columns of a model's matrices matter when it reads a text: the mean square of what each
// is multiplied with, as llama.cpp's imatrix has it. A quantizer keeps those more exact.
#ifndef RAGTIME_MODEL_LLAMA_IMPORTANCE_H_
#define RAGTIME_MODEL_LLAMA_IMPORTANCE_H_

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct Importance {
  std::map<std::string, std::vector<float>> columns;  // By the tensor's name.
  size_t tokens = 0;                                  // That were read.
};

// Reads at most `tokens_max` tokens of the text, in windows of 512. kInvalidArgument: the text is shorter than a
// window; kUnimplemented: the model is a mixture of experts, each of which sees a part of the text.
Result<Importance> MeasureImportance(const Context& context, const std::filesystem::path& gguf, std::string_view text,
                                     size_t tokens_max, size_t threads);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_IMPORTANCE_H_
