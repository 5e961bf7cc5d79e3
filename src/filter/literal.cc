// SPDX-License-Identifier: Apache-2.0
#include "filter/literal.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/str_cat.h"

namespace ragtime {
namespace {

std::string_view Example(FieldType type) {
  switch (type) {
    case FieldType::kInt:
      return "a whole number, as 2020";
    case FieldType::kFloat:
      return "a number, as 1.5";
    case FieldType::kBool:
      return "true or false";
    case FieldType::kDatetime:
      return "a date in quotes, as \"2024-01-02\" or \"2024-01-02T03:04:05Z\"";
    case FieldType::kString:
    case FieldType::kStringList:
      return "a text in quotes, as \"Li\"";
  }
  return "a value";
}

template <typename Number>
std::optional<Number> ReadNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<FieldValue> BindInt(const Token& literal) {
  if (literal.kind == TokenKind::kInt) {
    if (const auto number = ReadNumber<int64_t>(literal.source)) return *number;
  } else if (literal.kind == TokenKind::kFloat) {
    const auto number = ReadNumber<double>(literal.source);
    // 2^63 itself is no int64.
    if (number && *number == std::trunc(*number) && *number >= -0x1p63 && *number < 0x1p63) {
      return static_cast<int64_t>(*number);
    }
  }
  return std::nullopt;
}

std::optional<FieldValue> BindFloat(const Token& literal) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (literal.kind == TokenKind::kField) return literal.source.starts_with('-') ? -kInfinity : kInfinity;
  if (literal.kind != TokenKind::kInt && literal.kind != TokenKind::kFloat) return std::nullopt;
  const auto number = ReadNumber<double>(literal.source);
  if (!number) return std::nullopt;
  return *number + 0.0;  // -0.0 and 0.0 are equal: one spelling.
}

}  // namespace

Result<FieldValue> BindLiteral(const Token& literal, const FieldSpec& field) {
  std::optional<FieldValue> value;
  switch (field.type) {
    case FieldType::kInt:
      value = BindInt(literal);
      break;
    case FieldType::kFloat:
      value = BindFloat(literal);
      break;
    case FieldType::kBool:
      if (literal.kind == TokenKind::kTrue || literal.kind == TokenKind::kFalse) {
        value = literal.kind == TokenKind::kTrue;
      }
      break;
    case FieldType::kDatetime:
      if (literal.kind == TokenKind::kString) {
        if (const auto moment = ParseDatetime(literal.text); moment.ok()) value = *moment;
      }
      break;
    case FieldType::kString:
    case FieldType::kStringList:
      if (literal.kind == TokenKind::kString) value = literal.text;
      break;
  }
  if (value) return *std::move(value);
  return FilterError(literal.column,
                     StrCat("the field \"", field.name, "\" of type ", FieldTypeName(field.type),
                            " cannot be compared with ", Shown(literal.source)),
                     StrCat("Write ", Example(field.type), "."));
}

}  // namespace ragtime
