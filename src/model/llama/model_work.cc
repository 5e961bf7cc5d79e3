// SPDX-License-Identifier: Apache-2.0
#include "model/llama/model_work.h"

#include <ggml.h>
#include <gguf.h>

#include <string_view>

#include "base/str_cat.h"

namespace ragtime {

Result<ModelWork> WorkOfGguf(const std::filesystem::path& gguf) {
  ggml_context* tensors = nullptr;
  gguf_context* file = gguf_init_from_file(gguf.c_str(), {.no_alloc = true, .ctx = &tensors});
  if (file == nullptr) return DataLossError(StrCat("this is no GGUF file: ", gguf.string()), "name a .gguf file");
  ModelWork work;
  uint64_t embedding_weights = 0;
  uint64_t embedding_bytes = 0;
  for (ggml_tensor* tensor = ggml_get_first_tensor(tensors); tensor != nullptr;
       tensor = ggml_get_next_tensor(tensors, tensor)) {
    const std::string_view name = tensor->name;
    const auto weights = static_cast<uint64_t>(ggml_nelements(tensor));
    const uint64_t bytes = ggml_nbytes(tensor);
    if (name.starts_with("blk.") && ggml_n_dims(tensor) == 2) {
      work.layer_weights += weights;
      work.layer_bytes += bytes;
    } else if (name == "output.weight") {
      work.output_weights = weights;
      work.output_bytes = bytes;
    } else if (name == "token_embd.weight") {
      embedding_weights = weights;
      embedding_bytes = bytes;
    }
  }
  if (work.output_weights == 0) {  // One table for both.
    work.output_weights = embedding_weights;
    work.output_bytes = embedding_bytes;
  }
  ggml_free(tensors);
  gguf_free(file);
  return work;
}

}  // namespace ragtime
