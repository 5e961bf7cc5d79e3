// SPDX-License-Identifier: Apache-2.0
#include "wire/field_json.h"

#include <cmath>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr char kMilliseconds[] = "ms";
constexpr char kRemedy[] = "restore the knowledge base from a copy, or ingest the documents into a new one";

struct ToJson {
  Json operator()(std::monostate) const { return {}; }
  Json operator()(int64_t value) const { return value; }
  Json operator()(double value) const { return value; }
  Json operator()(bool value) const { return value; }
  Json operator()(const std::string& value) const { return value; }
  Json operator()(Datetime value) const {
    std::string text = ToString(FieldValue(value));
    return text.substr(1, text.size() - 2);  // Without the quotes of a filter.
  }
  Json operator()(const std::vector<std::string>& value) const {
    Json::Array array;
    for (const std::string& element : value) array.emplace_back(element);
    return array;
  }
};

Status WrongType(const FieldSpec& spec, const Json& json) {
  return InvalidArgumentError(
      StrCat("the field ", spec.name, " is of type ", FieldTypeName(spec.type), ", not ", json.Dump().substr(0, 100)),
      "change the value, or the type in doc_fields");
}

Result<FieldValue> Decode(const Json& json) {
  if (json.is_bool()) return FieldValue(json.AsBool());
  if (json.is_string()) return FieldValue(json.AsString());
  if (json.is_number()) {
    // A float is kept with a point or an exponent, which is what tells it from an integer.
    const std::string text = json.Dump();
    if (text.find_first_of(".eE") == std::string::npos) return FieldValue(json.AsInt());
    return FieldValue(json.AsDouble());
  }
  if (json.is_array()) {
    std::vector<std::string> list;
    for (const Json& element : json.AsArray()) list.push_back(element.AsString());
    return FieldValue(std::move(list));
  }
  if (json.Has(kMilliseconds)) return FieldValue(Datetime{json[kMilliseconds].AsInt()});
  if (json.Has("infinity")) return FieldValue(json["infinity"].AsInt() < 0 ? -HUGE_VAL : HUGE_VAL);
  return DataLossError(StrCat("a field is kept as ", json.Dump().substr(0, 100)), kRemedy);
}

}  // namespace

Json FieldValueToJson(const FieldValue& value) { return std::visit(ToJson(), value); }

Json FieldsToJson(const Fields& fields) {
  Json::Object object;
  for (const auto& [name, value] : fields) object.emplace_back(name, FieldValueToJson(value));
  return object;
}

Result<FieldValue> FieldValueFromJson(const FieldSpec& spec, const Json& json) {
  if (json.is_null()) return FieldValue();
  if (spec.type == FieldType::kStringList && json.is_array()) {
    std::vector<std::string> list;
    for (const Json& element : json.AsArray()) {
      if (element.is_array() || element.is_object()) return WrongType(spec, json);
      list.push_back(element.is_string() ? element.AsString() : element.Dump());
    }
    return FieldValue(std::move(list));
  }
  if (json.is_array() || json.is_object()) return WrongType(spec, json);
  if (json.is_bool() && spec.type == FieldType::kBool) return FieldValue(json.AsBool());
  Result<FieldValue> value = ParseFieldValue(spec.type, json.is_string() ? json.AsString() : json.Dump());
  if (!value.ok()) return WrongType(spec, json);
  return value;
}

std::string EncodeFields(const Fields& fields) {
  if (fields.empty()) return {};
  Json::Object object;
  for (const auto& [name, value] : fields) {
    if (const auto* at = std::get_if<Datetime>(&value)) {
      object.emplace_back(name, Json::Object{{kMilliseconds, at->ms}});
    } else if (const auto* number = std::get_if<double>(&value); number != nullptr && std::isinf(*number)) {
      object.emplace_back(name, Json::Object{{"infinity", *number < 0 ? -1 : 1}});
    } else if (!std::holds_alternative<std::monostate>(value)) {
      object.emplace_back(name, FieldValueToJson(value));
    }
  }
  return Json(std::move(object)).Dump();
}

Result<Fields> DecodeFields(std::string_view text) {
  Fields fields;
  if (text.empty()) return fields;
  const Result<Json> json = Json::Parse(text);
  if (!json.ok()) return DataLossError(StrCat("kept fields are damaged: ", json.status().message()), kRemedy);
  for (const auto& [name, value] : json->AsObject()) {
    RAGTIME_ASSIGN_OR_RETURN(fields[name], Decode(value));
  }
  return fields;
}

std::string EncodeFieldSpecs(std::span<const FieldSpec> specs) {
  Json::Array array;
  for (const FieldSpec& spec : specs) {
    array.push_back(
        Json::Object{{"name", spec.name}, {"type", FieldTypeName(spec.type)}, {"index", FieldIndexName(spec.index)}});
  }
  return Json(std::move(array)).Dump();
}

Result<std::vector<FieldSpec>> DecodeFieldSpecs(std::string_view text) {
  std::vector<FieldSpec> specs;
  if (text.empty()) return specs;
  const Result<Json> json = Json::Parse(text);
  if (!json.ok()) return DataLossError(StrCat("kept doc_fields are damaged: ", json.status().message()), kRemedy);
  for (const Json& element : json->AsArray()) {
    const std::optional<FieldType> type = FieldTypeOf(element["type"].AsString());
    const std::optional<FieldIndex> index = FieldIndexOf(element["index"].AsString());
    if (!type || !index) return DataLossError(StrCat("a field is declared as ", element.Dump()), kRemedy);
    specs.push_back({element["name"].AsString(), *type, *index});
  }
  return specs;
}

}  // namespace ragtime
