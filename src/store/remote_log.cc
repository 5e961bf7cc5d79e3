// SPDX-License-Identifier: Apache-2.0
#include "store/remote_log.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "base/str_cat.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

void AppendLine(std::string& text, std::string_view key, Json value) {
  text += Json(Json::Object{{std::string(key), std::move(value)}}).Dump();
  text += '\n';
}

Json FileToJson(const FileRecord& file) {
  Json json;
  json.Set("id", file.id).Set("path", file.file_path).Set("created", file.create_time_ms);
  if (file.parent_id) json.Set("parent", *file.parent_id);
  if (file.is_dir) json.Set("dir", true);
  if (!file.file_type.empty()) json.Set("type", file.file_type);
  if (file.file_size != 0) json.Set("size", file.file_size);
  if (file.modified_time_ns != 0) json.Set("modified", file.modified_time_ns);
  if (!file.content_hash.empty()) json.Set("hash", file.content_hash);
  if (!file.encoding.empty()) json.Set("encoding", file.encoding);
  if (!file.meta_hash.empty()) json.Set("meta", file.meta_hash);
  if (!file.fields.empty()) json.Set("fields", EncodeFields(file.fields));
  if (file.status != FileStatus::kPending) json.Set("status", static_cast<int>(file.status));
  if (!file.error.empty()) json.Set("error", file.error);
  if (file.nodes != 0) json.Set("nodes", file.nodes);
  return json;
}

Result<FileRecord> FileFromJson(const Json& json) {
  FileRecord file;
  file.id = json["id"].AsInt();
  file.file_path = json["path"].AsString();
  file.file_name = file.file_path.substr(file.file_path.rfind('/') + 1);
  file.create_time_ms = json["created"].AsInt();
  if (json.Has("parent")) file.parent_id = json["parent"].AsInt();
  file.is_dir = json["dir"].AsBool();
  file.file_type = json["type"].AsString();
  file.file_size = static_cast<uint64_t>(json["size"].AsInt());
  file.modified_time_ns = json["modified"].AsInt();
  file.content_hash = json["hash"].AsString();
  file.encoding = json["encoding"].AsString();
  file.meta_hash = json["meta"].AsString();
  RAGTIME_ASSIGN_OR_RETURN(file.fields, DecodeFields(json["fields"].AsString()));
  file.status = static_cast<FileStatus>(json["status"].AsInt());
  file.error = json["error"].AsString();
  file.nodes = static_cast<uint64_t>(json["nodes"].AsInt());
  if (file.id <= 0 || file.file_path.empty()) return DataLossError("a row of a file has no id or no path");
  return file;
}

void AppendSettings(std::string& text, const std::map<std::string, std::string>& settings) {
  for (const auto& [key, value] : settings) AppendLine(text, "set", Json::Array{key, value});
}

}  // namespace

std::string EncodeChange(const SharedChange& change) {
  std::string text;
  if (!change.removed.empty()) {
    Json::Array ids;
    for (const DocumentId id : change.removed) ids.emplace_back(int64_t{id});
    AppendLine(text, "remove", std::move(ids));
  }
  for (const FileRecord& file : change.put) AppendLine(text, "file", FileToJson(file));
  AppendSettings(text, change.settings);
  return text;
}

std::string EncodeState(const std::map<std::string, std::string>& settings,
                        const std::map<DocumentId, FileRecord>& files) {
  std::string text;
  for (const auto& [id, file] : files) AppendLine(text, "file", FileToJson(file));
  AppendSettings(text, settings);
  return text;
}

Status DecodeInto(std::string_view text, std::map<std::string, std::string>& settings,
                  std::map<DocumentId, FileRecord>& files) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const Result<Json> json = Json::Parse(line);
    if (!json.ok()) return DataLossError(StrCat("a commit has the line ", line.substr(0, 100)));
    for (const Json& id : (*json)["remove"].AsArray()) files.erase(id.AsInt());
    if (json->Has("file")) {
      RAGTIME_ASSIGN_OR_RETURN(FileRecord file, FileFromJson((*json)["file"]));
      files[file.id] = std::move(file);
    }
    if (json->Has("set")) settings[(*json)["set"][0].AsString()] = (*json)["set"][1].AsString();
  }
  return Status();
}

Json CountersToJson(const SharedCounters& counters) {
  return Json::Array{counters.version, counters.generation, int64_t{counters.next_document_id},
                     int64_t{counters.next_node_id}};
}

SharedCounters CountersFromJson(const Json& json) {
  return {.version = static_cast<uint64_t>(json[0].AsInt()),
          .generation = static_cast<uint64_t>(json[1].AsInt()),
          .next_document_id = json[2].AsInt(1),
          .next_node_id = json[3].AsInt(1)};
}

std::vector<std::string_view> CutUtf8(std::string_view text, size_t size) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    size_t end = std::min(size, text.size());
    // A byte that begins with the bits 10 goes on with a character.
    while (end < text.size() && end > size - std::min<size_t>(size, 4) && (text[end] & 0xC0) == 0x80) --end;
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return pieces;
}

LeaseOwner ThisProcess() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::string machine;
  if (auto boot = ReadFile("/proc/sys/kernel/random/boot_id", 100); boot.ok()) machine = *std::move(boot);
  std::erase(machine, '\n');
  std::error_code error;
  machine += " " + std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  return {.name = StrCat("process ", ::getpid(), " on host ", host.data()),
          .machine = std::move(machine),
          .process = ::getpid()};
}

bool MayBeAlive(const LeaseOwner& owner) {
  if (owner.process <= 0 || owner.machine != ThisProcess().machine) return true;
  return ::kill(static_cast<pid_t>(owner.process), 0) == 0 || errno != ESRCH;
}

}  // namespace ragtime
