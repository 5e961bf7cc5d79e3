// SPDX-License-Identifier: Apache-2.0
//
// The fields that every file and every node has, and their values.
#include <algorithm>
#include <array>

#include "ragtime/document.h"
#include "ragtime/store.h"

namespace ragtime {
namespace {

constexpr int64_t kNsPerMs = 1000000;

}  // namespace

std::span<const FieldSpec> FileFields() {
  static const std::array<FieldSpec, 11> kFields = {
      FieldSpec{"file_name", FieldType::kString, FieldIndex::kNone},
      FieldSpec{"file_path", FieldType::kString, FieldIndex::kBtree},
      FieldSpec{"file_type", FieldType::kString, FieldIndex::kNone},
      FieldSpec{"is_dir", FieldType::kBool, FieldIndex::kNone},
      FieldSpec{"file_size", FieldType::kInt, FieldIndex::kNone},
      FieldSpec{"create_time", FieldType::kDatetime, FieldIndex::kNone},
      FieldSpec{"modified_time", FieldType::kDatetime, FieldIndex::kNone},
      FieldSpec{"encoding", FieldType::kString, FieldIndex::kNone},
      FieldSpec{"status", FieldType::kString, FieldIndex::kNone},
      FieldSpec{"error", FieldType::kString, FieldIndex::kNone},
      FieldSpec{"nodes", FieldType::kInt, FieldIndex::kNone},
  };
  return kFields;
}

FieldValue FileFieldValue(const FileRecord& file, std::string_view name) {
  // A folder has no content, and so neither a type nor an encoding.
  const auto text = [](const std::string& value) { return value.empty() ? FieldValue() : FieldValue(value); };
  if (name == "file_name") return file.file_name;
  if (name == "file_path") return file.file_path;
  if (name == "file_type") return text(file.file_type);
  if (name == "is_dir") return file.is_dir;
  if (name == "file_size") return static_cast<int64_t>(file.file_size);
  if (name == "create_time") return Datetime{file.create_time_ms};
  if (name == "modified_time") return Datetime{file.modified_time_ns / kNsPerMs};
  if (name == "encoding") return text(file.encoding);
  if (name == "status") return std::string(FileStatusName(file.status));
  if (name == "error") return text(file.error);
  if (name == "nodes") return static_cast<int64_t>(file.nodes);
  const auto found = file.fields.find(name);
  return found == file.fields.end() ? FieldValue() : found->second;
}

std::vector<FieldSpec> NodeFields(std::span<const FieldSpec> declared) {
  std::vector<FieldSpec> fields(FileFields().begin(), FileFields().end());
  fields.push_back({"group", FieldType::kString, FieldIndex::kNone});
  fields.push_back({"page", FieldType::kInt, FieldIndex::kNone});
  fields.push_back({"position", FieldType::kInt, FieldIndex::kNone});
  fields.insert(fields.end(), declared.begin(), declared.end());
  return fields;
}

}  // namespace ragtime
