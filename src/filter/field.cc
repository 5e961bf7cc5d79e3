// SPDX-License-Identifier: Apache-2.0
#include "ragtime/field.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/str_cat.h"
#include "filter/datetime.h"

namespace ragtime {
namespace {

constexpr std::array<std::pair<FieldType, std::string_view>, 6> kTypeNames = {{{FieldType::kInt, "int"},
                                                                               {FieldType::kFloat, "float"},
                                                                               {FieldType::kBool, "bool"},
                                                                               {FieldType::kString, "string"},
                                                                               {FieldType::kDatetime, "datetime"},
                                                                               {FieldType::kStringList, "list"}}};
constexpr std::array<std::pair<FieldIndex, std::string_view>, 5> kIndexNames = {{{FieldIndex::kNone, "none"},
                                                                                 {FieldIndex::kBtree, "btree"},
                                                                                 {FieldIndex::kHash, "hash"},
                                                                                 {FieldIndex::kSkiplist, "skiplist"},
                                                                                 {FieldIndex::kBitmap, "bitmap"}}};

template <typename Names, typename Value>
std::string_view NameOf(const Names& names, Value value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "unknown";
}

template <typename Value, size_t kSize>
std::optional<Value> ValueOf(const std::array<std::pair<Value, std::string_view>, kSize>& names,
                             std::string_view name) {
  for (const auto& [value, candidate] : names) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

void AppendQuoted(std::string_view text, std::string& out) {
  out += '"';
  for (const char character : text) {
    switch (character) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(character) < 0x20) {
          std::array<char, 8> escape{};
          std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(character));
          out += escape.data();
        } else {
          out += character;
        }
    }
  }
  out += '"';
}

// The shortest text that is read as the same number, and as a float and not an int.
std::string FloatText(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  std::string result(text.data(), end);
  if (result.find_first_not_of("-0123456789") == std::string::npos) result += ".0";
  return result;
}

struct ValuePrinter {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return FloatText(number); }
  std::string operator()(bool truth) const { return truth ? "true" : "false"; }
  std::string operator()(const std::string& text) const {
    std::string result;
    AppendQuoted(text, result);
    return result;
  }
  std::string operator()(Datetime moment) const { return StrCat('"', FormatDatetime(moment), '"'); }
  std::string operator()(const std::vector<std::string>& list) const {
    std::string result = "[";
    for (const std::string& element : list) {
      if (result.size() > 1) result += ", ";
      AppendQuoted(element, result);
    }
    return result + "]";
  }
};

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t start = text.find_first_not_of(kSpaces);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kSpaces) - start + 1);
}

Status NotA(std::string_view type, std::string_view text, std::string_view example) {
  return InvalidArgumentError(StrCat("the text is not a value of type ", type, ": \"", text.substr(0, 64), "\""),
                              StrCat("Write it as ", example, "."));
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view element = Trim(text.substr(0, comma));
    if (!element.empty()) list.emplace_back(element);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return list;
}

}  // namespace

std::string_view FieldTypeName(FieldType type) { return NameOf(kTypeNames, type); }
std::optional<FieldType> FieldTypeOf(std::string_view name) { return ValueOf(kTypeNames, name); }
std::string_view FieldIndexName(FieldIndex index) { return NameOf(kIndexNames, index); }
std::optional<FieldIndex> FieldIndexOf(std::string_view name) { return ValueOf(kIndexNames, name); }

bool HasType(const FieldValue& value, FieldType type) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  switch (type) {
    case FieldType::kInt:
      return std::holds_alternative<int64_t>(value);
    case FieldType::kFloat:
      return std::holds_alternative<double>(value);
    case FieldType::kBool:
      return std::holds_alternative<bool>(value);
    case FieldType::kString:
      return std::holds_alternative<std::string>(value);
    case FieldType::kDatetime:
      return std::holds_alternative<Datetime>(value);
    case FieldType::kStringList:
      return std::holds_alternative<std::vector<std::string>>(value);
  }
  return false;
}

std::string ToString(const FieldValue& value) { return std::visit(ValuePrinter(), value); }

Result<FieldValue> ParseFieldValue(FieldType type, std::string_view text) {
  if (text.empty()) return FieldValue();
  if (type == FieldType::kString) return FieldValue(std::string(text));
  if (type == FieldType::kStringList) return FieldValue(SplitList(text));
  const std::string_view trimmed = Trim(text);
  switch (type) {
    case FieldType::kInt:
      if (const auto number = ParseNumber<int64_t>(trimmed)) return FieldValue(*number);
      return NotA("int", text, "2020");
    case FieldType::kFloat:
      if (const auto number = ParseNumber<double>(trimmed); number && !std::isnan(*number)) return FieldValue(*number);
      return NotA("float", text, "1.5");
    case FieldType::kBool:
      if (trimmed == "true" || trimmed == "false") return FieldValue(trimmed == "true");
      return NotA("bool", text, "true or false");
    default: {
      RAGTIME_ASSIGN_OR_RETURN(const Datetime moment, ParseDatetime(trimmed));
      return FieldValue(moment);
    }
  }
}

}  // namespace ragtime
