// SPDX-License-Identifier: Apache-2.0
#include "engine/models.h"

#include <dlfcn.h>

#include <algorithm>
#include <set>

#include "base/environment.h"
#include "base/files.h"
#include "base/str_cat.h"

namespace ragtime {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kDescriptionBytesMax = 1 << 20;

// Where `name` lies if this is an installed Ragtime: share/ragtime/NAME beside the program's folder or the library's.
std::vector<fs::path> InstalledFolders(const char* name) {
  std::vector<fs::path> folders;
  std::error_code error;
  const auto installed_beside = [&](const fs::path& file) {
    folders.push_back(file.parent_path().parent_path() / "share" / "ragtime" / name);
  };
  if (const fs::path binary = fs::read_symlink("/proc/self/exe", error); !error) installed_beside(binary);
  // Where this code is in a shared library, that library's folder, which the program using it knows nothing of.
  Dl_info image;
  if (::dladdr(reinterpret_cast<const void*>(&InstalledFolders), &image) != 0 && image.dli_fname != nullptr) {
    installed_beside(fs::absolute(image.dli_fname, error));
  }
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  return folders;
}

}  // namespace

std::vector<fs::path> ModelFolders(const Config& config) {
  std::vector<fs::path> candidates = InstalledFolders("models");
  if (!config.models_path.empty()) candidates.insert(candidates.begin(), config.models_path);
  if (constexpr std::string_view built_with = RAGTIME_DEFAULT_MODELS; !built_with.empty())
    candidates.emplace_back(built_with);
  std::vector<fs::path> folders;
  for (const fs::path& folder : candidates) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
  }
  return folders;
}

Result<fs::path> FindModel(const Config& config, const std::string& model) {
  std::error_code error;
  if (model.find('/') != std::string::npos || model.ends_with(".gguf")) {
    if (fs::exists(model, error)) return fs::path(model);
    return NotFoundError(StrCat("there is no model file ", model),
                         "check the path, or use the name of an installed model");
  }
  std::set<std::string> known;
  std::string searched;
  for (const fs::path& folder : ModelFolders(config)) {
    if (fs::exists(folder / model / "model.json", error)) return folder / model;
    searched += StrCat(searched.empty() ? "" : ", ", folder.string());
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (fs::exists(entry.path() / "model.json", error)) known.insert(entry.path().filename().string());
    }
  }
  std::string names;
  for (const std::string& name : known) names += StrCat(names.empty() ? "" : ", ", name);
  return NotFoundError(StrCat("the model ", model, " is in none of ", searched),
                       known.empty() ? "run tools/setup.sh, or set models_path" : StrCat("installed models: ", names));
}

bool IsModelFolder(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / "model.json", error);
}

Result<Json> ReadModelDescription(const fs::path& folder) {
  const fs::path file = folder / "model.json";
  RAGTIME_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kDescriptionBytesMax));
  Result<Json> json = Json::Parse(text);
  if (!json.ok()) return json.status().Annotate(file.string());
  return json;
}

Result<fs::path> GgufOf(const fs::path& model) {
  if (!IsModelFolder(model)) return model;
  RAGTIME_ASSIGN_OR_RETURN(const Json description, ReadModelDescription(model));
  return GgufOf(model, description);
}

Result<fs::path> GgufOf(const fs::path& folder, const Json& description) {
  const bool is_generator = description["kind"].AsString() == "generator";
  const std::string gguf = description[is_generator ? "gguf" : "encoder_gguf"].AsString();
  if (gguf.empty()) {
    return DataLossError(StrCat((folder / "model.json").string(), " names no GGUF file"), "fetch the model again");
  }
  return folder / gguf;
}

Result<fs::path> FindJieba() {
  std::vector<fs::path> folders = InstalledFolders("jieba");
  folders.emplace_back(RAGTIME_DEFAULT_JIEBA);
  std::error_code error;
  std::string searched;
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / "jieba.dict.utf8", error)) return folder;
    searched += StrCat(searched.empty() ? "" : ", ", folder.string());
  }
  return NotFoundError(StrCat("the dictionary of words.chinese: jieba is in none of ", searched),
                       "run tools/setup.sh, or install Ragtime again");
}

fs::path CacheFolder() {
  if (std::string cache = EnvironmentVariable("RAGTIME_CACHE"); !cache.empty()) return cache;
  if (std::string cache = EnvironmentVariable("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "ragtime";
  if (std::string home = EnvironmentVariable("HOME"); !home.empty()) return fs::path(home) / ".cache" / "ragtime";
  std::error_code error;
  return fs::temp_directory_path(error) / "ragtime";
}

}  // namespace ragtime
