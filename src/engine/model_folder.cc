// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/files.h"
#include "base/sha256.h"
#include "base/str_cat.h"
#include "engine/gguf_work.h"
#include "engine/model_tuning.h"
#include "engine/models.h"
#include "model/gguf_file.h"
#include "ragtime/models.h"
#include "wire/json.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// GGUF's numbers of types, as llama.cpp names them.
std::string TypeName(uint64_t type) {
  static const std::map<uint64_t, std::string> kNames = {
      {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},
      {9, "Q5_1"},    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"},
      {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}, {18, "Q6_K"},   {32, "BF16"},
  };
  const auto found = kNames.find(type);
  return found != kNames.end() ? found->second : StrCat("type ", type);
}

Status ReadGguf(const fs::path& gguf, ModelRecord& record) {
  RAGTIME_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::Open(gguf));
  record.architecture = file.String("general.architecture").value_or("");
  if (record.architecture.empty()) {
    return DataLossError(StrCat(gguf.string(), " names no architecture"), "fetch the file again");
  }
  if (const auto type = file.Integer("general.file_type"); type) record.type = TypeName(*type);
  record.context_tokens = file.Integer(record.architecture + ".context_length").value_or(0);
  return Status();
}

uint64_t SizeOf(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return fs::file_size(path, error);
  uint64_t size = 0;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) size += entry.file_size(error);
  }
  return size;
}

Result<ModelRecord> RecordOf(const fs::path& path) {
  ModelRecord record{.path = path};
  record.size_bytes = SizeOf(path);
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    record.name = path.stem().string();
    record.kind = "generator";
    RAGTIME_RETURN_IF_ERROR(ReadGguf(path, record));
    return record;
  }
  RAGTIME_ASSIGN_OR_RETURN(const Json json, ReadModelDescription(path));
  record.name = path.filename().string();
  record.kind = json["kind"].AsString() == "generator" ? "generator" : "embedder";
  record.sha256 = json["sha256"].AsString();
  RAGTIME_ASSIGN_OR_RETURN(const fs::path gguf, GgufOf(path, json));
  RAGTIME_RETURN_IF_ERROR(ReadGguf(gguf, record));
  return record;
}

Result<fs::path> FolderForNewModels(const Config& config) {
  std::error_code error;
  const std::vector<fs::path> folders = ModelFolders(config);
  if (!config.models_path.empty()) return folders.front();
  for (const fs::path& folder : folders) {
    if (fs::is_directory(folder, error)) return folder;
  }
  return FailedPreconditionError("there is no models folder", "set models_path, or run tools/setup.sh");
}

// A folder that appears under its name when all is in it.
class NewModel {
 public:
  static Result<NewModel> Make(const Config& config, const std::string& name) {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
      return InvalidArgumentError(StrCat("\"", name, "\" is no name for a model"), "give another one by --as");
    }
    RAGTIME_ASSIGN_OR_RETURN(const fs::path parent, FolderForNewModels(config));
    std::error_code error;
    if (fs::exists(fs::symlink_status(parent / name, error))) {
      return AlreadyExistsError(StrCat("there is a model ", name, " in ", parent.string()),
                                "give another name by --as, or remove that folder");
    }
    static std::atomic<uint32_t> count = 0;  // Two threads may make the same name: the first that is whole gets it.
    NewModel made(parent / StrCat(".", name, "-", ::getpid(), "-", count++), parent / name);
    fs::create_directories(made.folder_, error);
    if (error) {
      return UnavailableError(StrCat("the models folder ", parent.string(), " cannot be written: ", error.message()),
                              "set models_path to a folder of yours");
    }
    return made;
  }
  NewModel(NewModel&& other) noexcept : folder_(std::exchange(other.folder_, {})), target_(std::move(other.target_)) {}
  NewModel& operator=(NewModel&&) = delete;
  ~NewModel() {
    std::error_code error;
    if (!folder_.empty()) fs::remove_all(folder_, error);
  }

  const fs::path& folder() const { return folder_; }
  Result<fs::path> Publish() {
    RAGTIME_RETURN_IF_ERROR(RenameDurably(folder_, target_));
    folder_.clear();
    return target_;
  }

 private:
  NewModel(fs::path folder, fs::path target) : folder_(std::move(folder)), target_(std::move(target)) {}
  fs::path folder_;
  fs::path target_;
};

Status WriteDescription(const fs::path& folder, Json description) {
  const std::string text = description.Dump(2) + "\n";
  return WriteFileDurably(folder / "model.json", std::as_bytes(std::span(text)));
}

Json DescriptionOf(const ModelRecord& record, const std::string& name, const std::string& sha256) {
  Json json(Json::Object{});
  json.Set("schema", 1).Set("name", name).Set("kind", "generator").Set("context_tokens", record.context_tokens);
  return std::move(json.Set("gguf", "model.gguf").Set("sha256", sha256));
}

Status Take(const fs::path& source, const fs::path& target, bool link) {
  std::error_code error;
  if (link) {
    fs::create_symlink(fs::absolute(source, error), target, error);
  } else {
    fs::copy(source, target, fs::copy_options::recursive, error);
  }
  if (!error) return Status();
  return UnavailableError(StrCat(source.string(), " cannot be taken to ", target.string(), ": ", error.message()),
                          "check the rights and the space on the disk");
}

bool IsEncoder(const std::string& architecture) {
  return architecture.find("bert") != std::string::npos || architecture == "t5encoder";
}

}  // namespace

std::vector<ModelRecord> ListModels(const Config& config) {
  std::vector<ModelRecord> records;
  std::set<std::string> seen;  // The first folder that has a name wins, as in FindModel.
  std::error_code error;
  for (const fs::path& folder : ModelFolders(config)) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (!IsModelFolder(entry.path()) || entry.path().filename().string().front() == '.') continue;
      Result<ModelRecord> record = RecordOf(entry.path());
      if (record.ok() && seen.insert(record->name).second) records.push_back(*std::move(record));
    }
  }
  std::sort(records.begin(), records.end(), [](const ModelRecord& a, const ModelRecord& b) { return a.name < b.name; });
  return records;
}

Result<ModelRecord> ShowModel(const Config& config, const std::string& name) {
  RAGTIME_ASSIGN_OR_RETURN(const fs::path path, FindModel(config, name));
  RAGTIME_ASSIGN_OR_RETURN(ModelRecord record, RecordOf(path));
  RAGTIME_ASSIGN_OR_RETURN(const fs::path gguf, GgufOf(path));
  RAGTIME_ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(gguf));
  if (!record.sha256.empty() && record.sha256 != sha256) {
    return DataLossError(
        StrCat(gguf.string(), " is not the file that was added: its SHA-256 is ", sha256, ", not ", record.sha256),
        "remove the model's folder and add it again");
  }
  record.sha256 = sha256;
  return record;
}

Result<ModelRecord> AddModel(const Config& config, const AddModelRequest& request) {
  std::error_code error;
  if (!fs::exists(request.source, error)) {
    return NotFoundError(StrCat("there is no ", request.source.string()), "check the path");
  }
  fs::path source = fs::absolute(request.source, error).lexically_normal();
  if (source.filename().empty()) source = source.parent_path();
  const bool is_folder = fs::is_directory(source, error);
  if (is_folder && !IsModelFolder(source)) {
    return NotFoundError(StrCat("the folder ", source.string(), " has no model.json"),
                         "give a .gguf file, or a folder with a model.json");
  }
  RAGTIME_ASSIGN_OR_RETURN(const ModelRecord record, RecordOf(source));
  if (!is_folder && IsEncoder(record.architecture)) {
    return InvalidArgumentError(StrCat(source.string(), " is an embedding model"),
                                StrCat("name it by its path: embed: {model: ", source.string(), "}"));
  }
  RAGTIME_ASSIGN_OR_RETURN(const fs::path gguf, GgufOf(source));
  RAGTIME_ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(gguf));
  const std::string& wanted = request.sha256.empty() ? record.sha256 : request.sha256;
  if (!wanted.empty() && wanted != sha256) {
    return DataLossError(StrCat(gguf.string(), " has the SHA-256 ", sha256, ", not ", wanted), "fetch the file again");
  }
  RAGTIME_ASSIGN_OR_RETURN(NewModel made, NewModel::Make(config, request.name.empty() ? record.name : request.name));
  const std::string name = request.name.empty() ? record.name : request.name;
  if (is_folder) {
    for (const auto& entry : fs::directory_iterator(source, error)) {
      if (entry.path().filename() == "model.json") continue;
      RAGTIME_RETURN_IF_ERROR(Take(entry.path(), made.folder() / entry.path().filename(), request.link));
    }
    RAGTIME_ASSIGN_OR_RETURN(Json description, ReadModelDescription(source));
    RAGTIME_RETURN_IF_ERROR(
        WriteDescription(made.folder(), std::move(description.Set("name", name).Set("sha256", sha256))));
  } else {
    RAGTIME_RETURN_IF_ERROR(Take(source, made.folder() / "model.gguf", request.link));
    RAGTIME_RETURN_IF_ERROR(WriteDescription(made.folder(), DescriptionOf(record, name, sha256)));
  }
  // What was copied, read back.
  RAGTIME_ASSIGN_OR_RETURN(const fs::path copied, GgufOf(made.folder()));
  RAGTIME_ASSIGN_OR_RETURN(const std::string copied_sha256, Sha256OfFile(copied));
  if (copied_sha256 != sha256) return DataLossError("the copy differs from the file", "check the disk, and try again");
  RAGTIME_ASSIGN_OR_RETURN(const fs::path path, made.Publish());
  RAGTIME_ASSIGN_OR_RETURN(ModelRecord added, RecordOf(path));
  added.sha256 = sha256;
  return added;
}

Result<QuantizeReport> QuantizeModel(const Config& config, const std::string& model, const std::string& type,
                                     const std::string& name, const ImportanceText& importance) {
  RAGTIME_ASSIGN_OR_RETURN(const fs::path path, FindModel(config, model));
  QuantizeReport report;
  RAGTIME_ASSIGN_OR_RETURN(report.from, RecordOf(path));
  if (report.from.kind != "generator" || IsEncoder(report.from.architecture)) {
    return InvalidArgumentError(StrCat(model, " is no language model"), "quantize one of kind generator");
  }
  report.requantized = report.from.type != "F32" && report.from.type != "F16" && report.from.type != "BF16";
  std::string suffix = type;
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string new_name = name.empty() ? StrCat(report.from.name, "-", suffix) : name;
  RAGTIME_ASSIGN_OR_RETURN(const fs::path source, GgufOf(path));
  RAGTIME_ASSIGN_OR_RETURN(NewModel made, NewModel::Make(config, new_name));
  RAGTIME_RETURN_IF_ERROR(
      QuantizeFile(config, source, made.folder() / "model.gguf", type, importance, report.importance_tokens));
  RAGTIME_ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(made.folder() / "model.gguf"));
  Json description = DescriptionOf(report.from, new_name, sha256);
  if (report.importance_tokens > 0) description.Set("importance_tokens", uint64_t{report.importance_tokens});
  std::error_code error;
  if (fs::is_directory(path, error)) {
    RAGTIME_ASSIGN_OR_RETURN(const Json old, ReadModelDescription(path));
    if (old.Has("languages")) description.Set("languages", old["languages"]);
    if (old.Has("cites")) description.Set("cites", old["cites"]);
  }
  RAGTIME_RETURN_IF_ERROR(WriteDescription(made.folder(), std::move(description)));
  RAGTIME_ASSIGN_OR_RETURN(const fs::path target, made.Publish());
  RAGTIME_ASSIGN_OR_RETURN(report.to, RecordOf(target));
  return report;
}

Result<std::vector<ModelComparison>> CompareModels(const Config& config, const std::vector<std::string>& models,
                                                   const std::string& text, size_t tokens_max, const Context& context) {
  std::vector<ModelComparison> comparisons;
  fs::path origin;
  for (const std::string& model : models) {
    RAGTIME_ASSIGN_OR_RETURN(const fs::path path, FindModel(config, model));
    ModelComparison comparison;
    RAGTIME_ASSIGN_OR_RETURN(comparison.model, RecordOf(path));
    RAGTIME_ASSIGN_OR_RETURN(const fs::path gguf, GgufOf(path));
    if (origin.empty()) origin = gguf;
    RAGTIME_RETURN_IF_ERROR(CompareFile(config, context, origin, gguf, text, tokens_max, comparison));
    comparisons.push_back(std::move(comparison));
  }
  return comparisons;
}

Result<ModelTuning> TuneModel(const Config& config, const std::string& model, const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const fs::path path, FindModel(config, model));
  ModelTuning tuning;
  RAGTIME_ASSIGN_OR_RETURN(tuning.model, RecordOf(path));
  if (tuning.model.kind != "generator" || IsEncoder(tuning.model.architecture)) {
    return InvalidArgumentError(StrCat(model, " is no language model"), "tune one of kind generator");
  }
  RAGTIME_ASSIGN_OR_RETURN(const fs::path gguf, GgufOf(path));
  RAGTIME_RETURN_IF_ERROR(TuneFile(config, context, gguf, tuning));
  RAGTIME_ASSIGN_OR_RETURN(tuning.record, KeepTuning(gguf, {.threads = tuning.threads,
                                                            .read_threads = tuning.read_threads,
                                                            .batch_tokens = tuning.batch_tokens}));
  return tuning;
}

}  // namespace ragtime
