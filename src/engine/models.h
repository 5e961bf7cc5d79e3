// SPDX-License-Identifier: Apache-2.0
//
// Where a model lies on disk: from the name in the configuration to a folder or a .gguf file.
#ifndef RAGTIME_ENGINE_MODELS_H_
#define RAGTIME_ENGINE_MODELS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

// The folders that are looked through for a model's name, the first that has it wins: models_path of the configuration
// (or $RAGTIME_MODELS), ../share/ragtime/models beside the binary, the folder that set-up made.
std::vector<std::filesystem::path> ModelFolders(const Config& config);

// The folder of a named model, or the path itself if `model` is one. kNotFound names what is there.
Result<std::filesystem::path> FindModel(const Config& config, const std::string& model);

// Ragtime's own model folders have a model.json; anything else is for llama.cpp.
bool IsModelFolder(const std::filesystem::path& path);
// What the model.json of a folder says.
Result<Json> ReadModelDescription(const std::filesystem::path& folder);
// The file that a model computes with: the one that the folder's model.json names, else `model` itself.
Result<std::filesystem::path> GgufOf(const std::filesystem::path& model);
// The same of a folder whose description was read.
Result<std::filesystem::path> GgufOf(const std::filesystem::path& folder, const Json& description);

// The folder of the dictionary of Chinese words: ../share/ragtime/jieba beside the binary, else where set-up put it.
Result<std::filesystem::path> FindJieba();

// The user's cache folder for what can be made again: $RAGTIME_CACHE, $XDG_CACHE_HOME/ragtime or ~/.cache/ragtime.
std::filesystem::path CacheFolder();

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_MODELS_H_
