// SPDX-License-Identifier: Apache-2.0
#include "engine/doc_fields.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/str_cat.h"
#include "ragtime/store.h"

namespace ragtime {
namespace {

constexpr char kExample[] = "write doc_fields: {year: int, author: {type: string, index: hash}, tags: list}";
constexpr char kTypes[] = "write one of int, float, bool, string, datetime, list";
constexpr char kIndexes[] = "write one of none, btree, hash, skiplist, bitmap";

// LazyLLM's DataType.
constexpr std::array<std::pair<std::string_view, FieldType>, 7> kLazyTypes = {{{"VARCHAR", FieldType::kString},
                                                                               {"STRING", FieldType::kString},
                                                                               {"INT32", FieldType::kInt},
                                                                               {"INT64", FieldType::kInt},
                                                                               {"FLOAT", FieldType::kFloat},
                                                                               {"BOOLEAN", FieldType::kBool},
                                                                               {"ARRAY", FieldType::kStringList}}};

Status Wrong(const std::string& name, int line, std::string_view what, std::string remedy) {
  return InvalidArgumentError(StrCat("the field ", name.substr(0, 100), " of doc_fields in line ", line, " ", what),
                              std::move(remedy));
}

Status CheckName(const std::string& name, int line) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
  };
  if (name.empty() || (name[0] >= '0' && name[0] <= '9') || !std::all_of(name.begin(), name.end(), fits)) {
    return Wrong(name, line, "is not made of letters, digits and _, beginning with a letter", "give it another name");
  }
  const std::vector<FieldSpec> known = NodeFields({});
  if (std::any_of(known.begin(), known.end(), [&name](const FieldSpec& spec) { return spec.name == name; })) {
    return Wrong(name, line, "has the name of a field that every document has", "give it another name");
  }
  return Status();
}

Result<FieldType> ParseType(const std::string& name, const Yaml& type) {
  if (type.is_scalar()) {
    if (const std::optional<FieldType> known = FieldTypeOf(type.text)) return *known;
    for (const auto& [lazy, known] : kLazyTypes) {
      if (lazy == type.text) return known;
    }
    if (type.text == "FLOAT_VECTOR" || type.text == "SPARSE_FLOAT_VECTOR") {
      return Wrong(name, type.line, StrCat("is of type ", type.text, ", and no field is a vector"),
                   "remove it; vectors come from the embedding model");
    }
  }
  return Wrong(name, type.line, StrCat("has the type \"", type.text.substr(0, 100), "\", which is unknown"), kTypes);
}

// The part of {type: string, index: hash} that `member` is.
Status SetPart(const Yaml::Member& member, FieldSpec& spec, bool& has_type, bool& has_index) {
  const Yaml& value = member.value;
  if (member.key == "type" || member.key == "data_type") {
    RAGTIME_ASSIGN_OR_RETURN(spec.type, ParseType(spec.name, value));
    has_type = true;
  } else if (member.key == "index") {
    const std::optional<FieldIndex> index = value.is_scalar() ? FieldIndexOf(value.text) : std::nullopt;
    if (!index) {
      return Wrong(spec.name, value.line, StrCat("has the index \"", value.text.substr(0, 100), "\", which is unknown"),
                   kIndexes);
    }
    spec.index = *index;
    has_index = true;
  } else if (member.key == "element_type") {
    RAGTIME_ASSIGN_OR_RETURN(const FieldType element, ParseType(spec.name, value));
    if (element != FieldType::kString) {
      return Wrong(spec.name, value.line, "is a list of something else than strings",
                   "write element_type: VARCHAR, or leave it out");
    }
  } else if (member.key == "default_value" || member.key == "max_size") {
    if (value.is_null()) return Status();
    return Wrong(spec.name, member.line, StrCat("has a ", member.key, ", which is not taken"),
                 member.key == "max_size" ? "remove it; a value has at most 64 KiB"
                                          : "remove it; a document without the field is found by `is null`");
  } else {
    return Wrong(spec.name, member.line, StrCat("has the key ", member.key.substr(0, 100), ", which is unknown"),
                 "write {type: ..., index: ...}");
  }
  return Status();
}

Result<FieldSpec> ParseField(const Yaml::Member& member) {
  FieldSpec spec;
  spec.name = member.key;
  RAGTIME_RETURN_IF_ERROR(CheckName(spec.name, member.line));
  bool has_type = member.value.is_scalar();
  bool has_index = false;
  if (has_type) {
    RAGTIME_ASSIGN_OR_RETURN(spec.type, ParseType(spec.name, member.value));
  } else if (!member.value.is_map()) {
    return Wrong(spec.name, member.line, "is declared by neither a type nor a map", kExample);
  }
  for (const Yaml::Member& part : member.value.members) {
    RAGTIME_RETURN_IF_ERROR(SetPart(part, spec, has_type, has_index));
  }
  if (!has_type) return Wrong(spec.name, member.line, "has no type", kTypes);
  if (!has_index) {
    const bool few_values = spec.type == FieldType::kBool || spec.type == FieldType::kStringList;
    spec.index = few_values ? FieldIndex::kBitmap : FieldIndex::kBtree;
  }
  return spec;
}

}  // namespace

Result<std::vector<FieldSpec>> ParseDocFields(const Yaml& map) {
  if (!map.is_map()) return InvalidArgumentError(StrCat("doc_fields in line ", map.line, " is not a map"), kExample);
  std::vector<FieldSpec> specs;
  for (const Yaml::Member& member : map.members) {
    RAGTIME_ASSIGN_OR_RETURN(FieldSpec spec, ParseField(member));
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace ragtime
