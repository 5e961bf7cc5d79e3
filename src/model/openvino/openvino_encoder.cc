// SPDX-License-Identifier: Apache-2.0
#include "model/openvino/openvino_encoder.h"

#include <dlfcn.h>

#include <algorithm>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr char kLibrary[] = "libragtime_openvino.so";

// Beside the program or the library that this code is part of, as installed and as built; last, the build folder.
std::vector<std::filesystem::path> Candidates() {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  if (const auto program = std::filesystem::read_symlink("/proc/self/exe", error); !error) {
    folders.push_back(program.parent_path());
  }
  Dl_info image;
  if (::dladdr(reinterpret_cast<const void*>(&OpenOpenVinoEncoder), &image) != 0 && image.dli_fname != nullptr) {
    folders.push_back(std::filesystem::absolute(image.dli_fname, error).parent_path());
  }
  std::vector<std::filesystem::path> candidates;
  for (const auto& folder : folders) {
    candidates.push_back(folder.parent_path() / "lib" / "ragtime" / kLibrary);
    candidates.push_back(folder / kLibrary);
  }
#ifdef RAGTIME_OPENVINO_MODULE
  candidates.emplace_back(RAGTIME_OPENVINO_MODULE);
#endif
  return candidates;
}

// OpenVINO tries every format it knows on a file that is not its own, and some of them write to stderr.
Status CheckGraph(const std::filesystem::path& graph) {
  constexpr char kRemedy[] = "run tools/setup.sh to make the model again, or set embed.backend to llama";
  const auto file = MappedFile::Open(graph);
  if (!file.ok()) return Status(file.status().code(), file.status().message(), kRemedy);
  const std::string_view text = file->text();
  if (!text.starts_with("<?xml") || text.substr(0, 256).find("<net") == text.npos ||
      text.substr(text.size() - std::min<size_t>(text.size(), 64)).find("</net>") == text.npos) {
    return DataLossError(StrCat(graph.string(), " is not a whole OpenVINO graph"), kRemedy);
  }
  return Status();
}

Result<MakeOpenVinoEncoder*> LoadModule() {
  std::string tried;
  for (const auto& path : Candidates()) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    // Never closed: OpenVINO's threads may outlive the last encoder.
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* why = ::dlerror();
      tried = StrCat(": ", why != nullptr ? why : path.string());
      continue;
    }
    if (void* symbol = ::dlsym(library, kOpenVinoModuleSymbol); symbol != nullptr) {
      return reinterpret_cast<MakeOpenVinoEncoder*>(symbol);
    }
    tried = StrCat(": ", path.string(), " has no ", kOpenVinoModuleSymbol);
  }
  return UnavailableError(
      StrCat("OpenVINO cannot be loaded", tried.empty() ? ": no libragtime_openvino.so was found" : tried),
      "install lib/ragtime beside bin/, or set embed.backend to llama");
}

}  // namespace

Result<std::unique_ptr<Encoder>> OpenOpenVinoEncoder(const OpenVinoEncoderOptions& options) {
  for (const char* known : {"auto", "bf16", "f32", "int8", ""}) {
    if (*known == '\0') {
      return InvalidArgumentError(StrCat("embed.precision is not auto, bf16, f32 or int8: ", options.precision));
    }
    if (options.precision == known) break;
  }
  RAGTIME_RETURN_IF_ERROR(CheckGraph(options.graph));
  RAGTIME_ASSIGN_OR_RETURN(const auto make, LoadModule());
  Status status;
  std::unique_ptr<Encoder> encoder(make(kOpenVinoModuleInterface, options, status));
  if (encoder == nullptr) return status.ok() ? InternalError("OpenVINO gave no encoder") : status;
  return encoder;
}

}  // namespace ragtime

#if defined(__SANITIZE_ADDRESS__)
// The address sanitizer ends the process when a library is opened with RTLD_DEEPBIND, as OpenVINO's TBB does.
extern "C" __attribute__((visibility("default"))) void* dlopen(const char* path, int flags) {
  using Open = void*(const char*, int);
  static Open* const next = reinterpret_cast<Open*>(::dlsym(RTLD_NEXT, "dlopen"));
  return next(path, flags & ~RTLD_DEEPBIND);
}
#endif
