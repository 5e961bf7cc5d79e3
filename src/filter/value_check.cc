// SPDX-License-Identifier: Apache-2.0
#include "filter/value_check.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

size_t SizeBytes(const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  size_t size = 0;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& element : *list) size += element.size() + 1;
  }
  return size;
}

bool IsUtf8(const FieldValue& value) {
  const auto valid = [](const std::string& text) { return FindInvalidUtf8(text) == std::string::npos; };
  if (const auto* text = std::get_if<std::string>(&value)) return valid(*text);
  const auto* list = std::get_if<std::vector<std::string>>(&value);
  return list == nullptr || std::all_of(list->begin(), list->end(), valid);
}

}  // namespace

Status CheckValue(std::string_view subject, FieldType type, const FieldValue& value) {
  const auto refuse = [subject](std::string_view why, std::string remedy) {
    return InvalidArgumentError(StrCat(subject, " ", why), std::move(remedy));
  };
  if (!HasType(value, type)) {
    return refuse(StrCat("is of type ", FieldTypeName(type), ", not ", ToString(value).substr(0, 100)),
                  "change the value, or the type in doc_fields");
  }
  if (const size_t size = SizeBytes(value); size > kFieldBytesMax) {
    return refuse(StrCat("is too long: ", size, " bytes, limit ", kFieldBytesMax), "shorten it");
  }
  if (!IsUtf8(value)) return refuse("is not UTF-8", "convert it");
  const auto* number = std::get_if<double>(&value);
  if (number != nullptr && std::isnan(*number)) return refuse("is not a number", "leave it out");
  return Status();
}

}  // namespace ragtime
