// SPDX-License-Identifier: Apache-2.0
#include "model/llama/model_quantize.h"

#include <llama.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr std::pair<std::string_view, llama_ftype> kTypes[] = {
    {"F16", LLAMA_FTYPE_MOSTLY_F16},   {"BF16", LLAMA_FTYPE_MOSTLY_BF16},     {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"Q6_K", LLAMA_FTYPE_MOSTLY_Q6_K}, {"Q5_K_M", LLAMA_FTYPE_MOSTLY_Q5_K_M}, {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M},
    {"Q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
};

// llama.cpp tells each tensor on stderr; only errors are kept.
void TakeLog(ggml_log_level level, const char* text, void* last_error) {
  if (level == GGML_LOG_LEVEL_ERROR) *static_cast<std::string*>(last_error) = text;
}

}  // namespace

bool HeedsImportance(std::string_view type) { return type != "F16" && type != "BF16" && type != "Q8_0"; }

Status QuantizeGguf(const std::filesystem::path& source, const std::filesystem::path& target, std::string_view type,
                    size_t threads, const Importance* importance) {
  llama_model_quantize_params params = llama_model_quantize_default_params();
  bool known = false;
  for (const auto& [name, ftype] : kTypes) {
    if (name != type) continue;
    params.ftype = ftype;
    known = true;
  }
  if (!known) {
    return InvalidArgumentError(StrCat("there is no type ", type),
                                "write F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M or Q4_0");
  }
  params.nthread = static_cast<int32_t>(threads);
  params.allow_requantize =
      true;  // What it costs is said by whoever knows the source's type, and `compare` measures it.
  std::vector<llama_model_imatrix_data> matrix;
  if (importance != nullptr) {
    for (const auto& [name, columns] : importance->columns) {
      matrix.push_back({name.c_str(), columns.data(), columns.size()});
    }
    matrix.push_back({nullptr, nullptr, 0});
    params.imatrix = matrix.data();
  }
  llama_backend_init();  // Tables of number formats; again does no harm.
  std::string error;
  ggml_log_callback callback = nullptr;
  void* user = nullptr;
  llama_log_get(&callback, &user);
  llama_log_set(&TakeLog, &error);
  uint32_t code = 1;
  try {
    code = llama_model_quantize(source.c_str(), target.c_str(), &params);
  } catch (const std::exception& exception) {
    error = exception.what();
  }
  llama_log_set(callback, user);
  while (!error.empty() && error.back() == '\n') error.pop_back();
  if (code == 0) return Status();
  return DataLossError(StrCat("llama.cpp cannot quantize ", source.string(), error.empty() ? "" : ": ", error),
                       "check the file, and the space on the disk");
}

}  // namespace ragtime
