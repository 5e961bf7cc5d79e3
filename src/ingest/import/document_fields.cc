// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/document_fields.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/str_cat.h"
#include "ragtime/store.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

constexpr size_t kFieldsMax = 64;

// What the row of the file says already, or what is of a piece and not of its document. As LlamaIndex, LangChain,
// LazyLLM and Unstructured write them.
constexpr std::array<std::string_view, 24> kNotFields = {
    "file_path",   "file_name",   "file_type",          "file_size",        "filename", "source",
    "path",        "doc_id",      "document_id",        "ref_doc_id",       "docid",    "kb_id",
    "page",        "page_label",  "page_number",        "lazyllm_doc_path", "text",     "page_content",
    "chunk_index", "start_index", "last_accessed_date", "seq_num",          "window",   "original_text"};

bool IsIgnored(std::string_view key) {
  return key.starts_with('_') || key.starts_with("chroma:") ||
         std::find(kNotFields.begin(), kNotFields.end(), key) != kNotFields.end();
}

std::string FieldName(std::string_view key) {
  std::string name;
  for (const char c : key) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
    name += fits ? c : '_';
  }
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name = "_" + name;
  const std::vector<FieldSpec> known = NodeFields({});
  if (std::any_of(known.begin(), known.end(), [&](const FieldSpec& spec) { return spec.name == name; })) {
    name = "meta_" + name;
  }
  return name;
}

bool IsListOfStrings(const Json& value) {
  return value.is_array() &&
         std::all_of(value.AsArray().begin(), value.AsArray().end(), [](const Json& item) { return item.is_string(); });
}

}  // namespace

DocumentFields::DocumentFields(std::vector<FieldSpec> declared, std::map<std::string, std::string> renamed)
    : declared_(std::move(declared)), renamed_(std::move(renamed)) {}

void DocumentFields::Learn(const std::string& document, const Json& metadata) {
  std::map<std::string, Json>& values = values_[document];
  for (const auto& [name, value] : metadata.AsObject()) {
    if (value.is_null()) continue;
    Key& key = keys_[name];
    key.booleans &= value.is_bool();
    key.numbers &= value.is_number();
    key.integers &= value.is_number() && value.Dump().find_first_of(".eE") == std::string::npos;
    key.strings &= value.is_string();
    key.datetimes &= value.is_string() && ParseDatetime(value.AsString()).ok();
    key.lists &= IsListOfStrings(value);
    const auto [known, is_new] = values.emplace(name, value);
    if (!is_new && known->second.Dump() != value.Dump()) key.varies = true;
  }
}

std::optional<FieldType> DocumentFields::TypeOf(const Key& key) const {
  if (key.booleans) return FieldType::kBool;
  if (key.integers) return FieldType::kInt;
  if (key.numbers) return FieldType::kFloat;
  if (key.datetimes) return FieldType::kDatetime;
  if (key.strings) return FieldType::kString;
  if (key.lists) return FieldType::kStringList;
  return std::nullopt;
}

void DocumentFields::Decide() {
  if (!declared_.empty()) {
    specs_ = declared_;
    for (const FieldSpec& spec : specs_) {
      const auto renamed = renamed_.find(spec.name);
      key_of_[spec.name] = renamed == renamed_.end() ? spec.name : renamed->second;
    }
    return;
  }
  std::map<std::string, std::string> names;  // By key.
  for (const auto& [field, key] : renamed_) names[key] = field;
  for (const auto& [name, key] : keys_) {
    const bool wanted = names.contains(name);
    if (!wanted && IsIgnored(name)) continue;
    const std::string field = wanted ? names[name] : FieldName(name);
    const std::optional<FieldType> type = TypeOf(key);
    const std::string_view why = !type                         ? "its values are of several types"
                                 : key.varies                  ? "it differs within one document"
                                 : key_of_.contains(field)     ? "another key has the same name as a field"
                                 : specs_.size() >= kFieldsMax ? "there are too many"
                                                               : "";
    if (!why.empty()) {
      warnings_.push_back(StrCat("the metadata ", name, " does not become a field: ", why));
      continue;
    }
    specs_.push_back({.name = field, .type = *type});
    key_of_[field] = name;
  }
}

Result<Fields> DocumentFields::Of(const std::string& document) const {
  Fields fields;
  const auto values = values_.find(document);
  if (values == values_.end()) return fields;
  for (const FieldSpec& spec : specs_) {
    const auto value = values->second.find(key_of_.at(spec.name));
    if (value == values->second.end()) continue;
    Result<FieldValue> read = FieldValueFromJson(spec, value->second);
    if (!read.ok()) return read.status().Annotate(StrCat("the field ", spec.name, " of ", document));
    if (!std::holds_alternative<std::monostate>(*read)) fields.emplace(spec.name, *std::move(read));
  }
  return fields;
}

}  // namespace ragtime
