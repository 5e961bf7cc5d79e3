// SPDX-License-Identifier: Apache-2.0
#include "store/milvus/milvus_expression.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// Milvus reads a sign and a number, and the number of the lowest integer is none.
std::optional<std::string> Literal(int64_t number) {
  if (number == std::numeric_limits<int64_t>::min()) return std::nullopt;
  return StrCat(number);
}

std::optional<std::string> Literal(const FieldValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return Literal(*number);
  if (const auto* moment = std::get_if<Datetime>(&value)) return Literal(moment->ms);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return MilvusString(*text);
  if (const auto* number = std::get_if<double>(&value)) {
    if (!std::isfinite(*number)) return std::nullopt;
    std::array<char, 40> digits{};
    std::snprintf(digits.data(), digits.size(), "%.17g", *number);
    std::string text = digits.data();
    // A whole number would be compared as one.
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
  }
  return std::nullopt;
}

std::optional<std::string> Literals(const std::vector<FieldValue>& values) {
  std::string list = "[";
  for (const FieldValue& value : values) {
    const auto literal = Literal(value);
    if (!literal) return std::nullopt;
    list += StrCat(list.size() == 1 ? "" : ", ", *literal);
  }
  return list + "]";
}

// A run of characters that means itself, with % before or behind it where the pattern has it.
std::optional<std::string> Pattern(std::string_view before, std::string_view text, std::string_view behind) {
  if (text.find_first_of("%_\\\"'") != std::string_view::npos) return std::nullopt;
  const auto quoted = MilvusString(StrCat(before, text, behind));
  if (!quoted) return std::nullopt;
  return StrCat("like ", *quoted);
}

std::optional<std::string> Like(std::string_view pattern) {
  const bool before = pattern.starts_with('%');
  const bool behind = pattern.size() > 1 && pattern.ends_with('%');
  pattern.remove_prefix(before ? 1 : 0);
  pattern.remove_suffix(behind ? 1 : 0);
  if (pattern.empty()) return std::nullopt;
  return Pattern(before ? "%" : "", pattern, behind ? "%" : "");
}

std::optional<std::string> Comparison(FilterOp op) {
  switch (op) {
    case FilterOp::kEqual:
      return "==";
    case FilterOp::kLess:
      return "<";
    case FilterOp::kLessEqual:
      return "<=";
    case FilterOp::kGreater:
      return ">";
    case FilterOp::kGreaterEqual:
      return ">=";
    default:
      return std::nullopt;
  }
}

// Of a list: only whether it has an element.
std::optional<std::string> ListLeaf(const FilterNode& leaf, const std::string& column) {
  if (leaf.op == FilterOp::kContains && leaf.values.size() == 1) {
    const auto literal = Literal(leaf.values[0]);
    if (literal) return StrCat("array_contains(", column, ", ", *literal, ")");
  }
  if (leaf.op == FilterOp::kIn && !leaf.values.empty()) {
    const auto literals = Literals(leaf.values);
    if (literals) return StrCat("array_contains_any(", column, ", ", *literals, ")");
  }
  return std::nullopt;
}

std::optional<std::string> Leaf(const FilterNode& leaf) {
  const std::string column = MilvusColumn(leaf.field);
  if (leaf.op == FilterOp::kIsNull) return column + " is null";
  if (leaf.type == FieldType::kStringList) return ListLeaf(leaf, column);
  if (leaf.op == FilterOp::kIn) {
    const auto literals = Literals(leaf.values);
    if (!literals) return std::nullopt;
    return StrCat(column, " in ", *literals);
  }
  if (leaf.values.size() != 1) return std::nullopt;
  if (leaf.op == FilterOp::kLike || leaf.op == FilterOp::kContains) {
    const auto* text = std::get_if<std::string>(&leaf.values[0]);
    if (text == nullptr || text->empty()) return std::nullopt;
    const auto like = leaf.op == FilterOp::kLike ? Like(*text) : Pattern("%", *text, "%");
    if (!like) return std::nullopt;
    return StrCat(column, " ", *like);
  }
  const auto comparison = Comparison(leaf.op);
  const auto literal = Literal(leaf.values[0]);
  if (!comparison || !literal) return std::nullopt;
  return StrCat(column, " ", *comparison, " ", *literal);
}

std::optional<std::string> Node(const FilterNode& node, bool negated) {
  if (node.op == FilterOp::kNot) return Node(node.operands[0], !negated);
  if (node.op == FilterOp::kAnd || node.op == FilterOp::kOr) {
    const bool is_and = (node.op == FilterOp::kAnd) != negated;
    // Without operands it is always true, or always false.
    if (node.operands.empty()) return is_and ? "id > 0" : "id < 0";
    std::string chain;
    for (const FilterNode& operand : node.operands) {
      const auto part = Node(operand, negated);
      if (!part) return std::nullopt;
      chain += StrCat(chain.empty() ? "(" : is_and ? " and (" : " or (", *part, ")");
    }
    return chain;
  }
  const auto leaf = Leaf(node);
  if (!leaf || !negated) return leaf;
  if (node.op == FilterOp::kIsNull) return MilvusColumn(node.field) + " is not null";
  return StrCat("(not (", *leaf, ")) or ", MilvusColumn(node.field), " is null");
}

}  // namespace

std::optional<std::string> MilvusString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return std::nullopt;
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string MilvusColumn(std::string_view field) { return StrCat("f_", field); }

std::optional<std::string> MilvusExpression(const Filter& filter) {
  if (filter.matches_all()) return "";
  return Node(filter.root(), false);
}

std::string MilvusIdsExpression(std::span<const int64_t> ids) {
  std::string expression = "id in [";
  for (size_t i = 0; i < ids.size(); ++i) expression += StrCat(i == 0 ? "" : ", ", ids[i]);
  return expression + "]";
}

}  // namespace ragtime
