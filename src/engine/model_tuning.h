// SPDX-License-Identifier: Apache-2.0
//
// What was measured of a language model on this machine, kept in the user's cache folder: the file, the processor and
// the cores name it, so that on another machine nothing is found.
#ifndef RAGTIME_ENGINE_MODEL_TUNING_H_
#define RAGTIME_ENGINE_MODEL_TUNING_H_

#include <filesystem>
#include <optional>

#include "ragtime/models.h"
#include "ragtime/status.h"

namespace ragtime {

struct KeptTuning {
  size_t threads = 0;  // To write with.
  size_t read_threads = 0;
  size_t batch_tokens = 0;
};

// `model`: a folder with a model.json, or a .gguf file. None: never measured, or the record cannot be read.
std::optional<KeptTuning> FindTuning(const std::filesystem::path& model);
// Returns the record's path.
Result<std::filesystem::path> KeepTuning(const std::filesystem::path& model, const KeptTuning& tuning);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_MODEL_TUNING_H_
