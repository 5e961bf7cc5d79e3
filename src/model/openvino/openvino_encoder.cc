// SPDX-License-Identifier: Apache-2.0
#include "model/openvino/openvino_encoder.h"

#include <dlfcn.h>

#include <algorithm>
#include <string_view>

#include "base/files.h"
#include "base/module.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr char kLibrary[] = "libragtime_openvino.so";

#ifdef RAGTIME_OPENVINO_MODULE
constexpr char kBuilt[] = RAGTIME_OPENVINO_MODULE;
#else
constexpr char kBuilt[] = "";
#endif

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
  const auto symbol = LoadModuleSymbol(kLibrary, kOpenVinoModuleSymbol, kBuilt);
  if (!symbol.ok()) {
    return UnavailableError(StrCat("OpenVINO cannot be loaded: ", symbol.status().message()),
                            "install lib/ragtime beside bin/, or set embed.backend to llama");
  }
  return reinterpret_cast<MakeOpenVinoEncoder*>(*symbol);
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
