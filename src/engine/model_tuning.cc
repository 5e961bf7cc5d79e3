// SPDX-License-Identifier: Apache-2.0
#include "engine/model_tuning.h"

#include <algorithm>
#include <fstream>
#include <span>
#include <string>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "engine/models.h"
#include "wire/json.h"

namespace ragtime {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kRecordBytesMax = 1 << 16;
constexpr int64_t kThreadsMax = 4096;
constexpr int64_t kBatchMin = 128;
constexpr int64_t kBatchMax = 512;

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name") || line.starts_with("CPU part")) return line.substr(line.find(':') + 1);
  }
  return "";
}

Result<fs::path> RecordOf(const fs::path& model) {
  std::error_code error;
  RAGTIME_ASSIGN_OR_RETURN(fs::path gguf, GgufOf(model));
  gguf = fs::canonical(gguf, error);
  const uint64_t size = fs::file_size(gguf, error);
  const auto written = fs::last_write_time(gguf, error).time_since_epoch().count();
  const std::string key =
      StrCat(gguf.string(), "\n", size, "\n", int64_t{written}, "\n", ProcessorName(), "\n", AvailableCores());
  return CacheFolder() / "tuned" / StrCat(HashHex(key), ".json");
}

}  // namespace

std::optional<KeptTuning> FindTuning(const fs::path& model) {
  const Result<fs::path> record = RecordOf(model);
  if (!record.ok()) return std::nullopt;
  const Result<std::string> text = ReadFile(*record, kRecordBytesMax);
  if (!text.ok()) return std::nullopt;
  const Result<Json> json = Json::Parse(*text);
  if (!json.ok()) return std::nullopt;
  const int64_t threads = (*json)["threads"].AsInt();
  const int64_t read_threads = (*json)["read_threads"].AsInt();
  const int64_t batch_tokens = (*json)["batch_tokens"].AsInt();
  if (std::min(threads, read_threads) < 1 || std::max(threads, read_threads) > kThreadsMax ||
      batch_tokens < kBatchMin || batch_tokens > kBatchMax) {
    return std::nullopt;
  }
  return KeptTuning{static_cast<size_t>(threads), static_cast<size_t>(read_threads), static_cast<size_t>(batch_tokens)};
}

Result<fs::path> KeepTuning(const fs::path& model, const KeptTuning& tuning) {
  RAGTIME_ASSIGN_OR_RETURN(fs::path record, RecordOf(model));
  std::error_code error;
  fs::create_directories(record.parent_path(), error);
  Json json(Json::Object{});
  json.Set("model", model.string()).Set("threads", uint64_t{tuning.threads});
  json.Set("read_threads", uint64_t{tuning.read_threads}).Set("batch_tokens", uint64_t{tuning.batch_tokens});
  const std::string text = json.Dump() + "\n";
  const fs::path partial = record.string() + ".tmp";
  RAGTIME_RETURN_IF_ERROR(WriteFileDurably(partial, std::as_bytes(std::span(text))));
  RAGTIME_RETURN_IF_ERROR(RenameDurably(partial, record));
  return record;
}

}  // namespace ragtime
