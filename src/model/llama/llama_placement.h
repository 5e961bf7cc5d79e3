// SPDX-License-Identifier: Apache-2.0
//
// LlamaPlacement says where a model's layers are computed and in what form its keys and values are kept.
#ifndef RAGTIME_MODEL_LLAMA_LLAMA_PLACEMENT_H_
#define RAGTIME_MODEL_LLAMA_LLAMA_PLACEMENT_H_

#include <cstddef>
#include <string>

namespace ragtime {

struct LlamaPlacement {
  int gpu_layers = -1;               // Computed by GPUs; -1: all where there is one, else none.
  std::string split_mode = "layer";  // Over several GPUs: none (main_gpu alone) | layer | tensor.
  size_t main_gpu = 0;
  std::string kv_type = "f16";  // f16 | q8_0
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_LLAMA_PLACEMENT_H_
