// SPDX-License-Identifier: Apache-2.0
#include "base/module.h"

#include <dlfcn.h>

#include <system_error>
#include <vector>

#include "base/str_cat.h"

namespace ragtime {
namespace {

std::vector<std::filesystem::path> Candidates(const std::string& file, const std::filesystem::path& built) {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  if (const auto program = std::filesystem::read_symlink("/proc/self/exe", error); !error) {
    folders.push_back(program.parent_path());
  }
  Dl_info image;
  if (::dladdr(reinterpret_cast<const void*>(&LoadModuleSymbol), &image) != 0 && image.dli_fname != nullptr) {
    folders.push_back(std::filesystem::absolute(image.dli_fname, error).parent_path());
  }
  std::vector<std::filesystem::path> candidates;
  for (const auto& folder : folders) {
    candidates.push_back(folder.parent_path() / "lib" / "ragtime" / file);
    candidates.push_back(folder / file);
  }
  if (!built.empty()) candidates.push_back(built);
  return candidates;
}

}  // namespace

Result<void*> LoadModuleSymbol(const std::string& file, const char* symbol, const std::filesystem::path& built) {
  std::string tried;
  for (const auto& path : Candidates(file, built)) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* why = ::dlerror();
      tried = why != nullptr ? why : path.string();
      continue;
    }
    if (void* found = ::dlsym(library, symbol); found != nullptr) return found;
    tried = StrCat(path.string(), " has no ", symbol);
  }
  return UnavailableError(tried.empty() ? StrCat("no ", file, " was found") : tried, "install lib/ragtime beside bin/");
}

}  // namespace ragtime
