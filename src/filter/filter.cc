// SPDX-License-Identifier: Apache-2.0
#include "ragtime/filter.h"

#include <algorithm>
#include <utility>

#include "filter/lexer.h"
#include "filter/like.h"

namespace ragtime {
namespace {

using List = std::vector<std::string>;

std::string FieldText(const std::string& name) {
  // The name of a field is a word as the grammar has it, if no keyword: FieldSpec asks for that.
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
  };
  const bool word =
      !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), plain);
  return word && !IsFilterKeyword(name) ? name : "`" + name + "`";
}

std::string ListText(const std::vector<FieldValue>& values) {
  std::string text = "(";
  for (const FieldValue& value : values) {
    if (text.size() > 1) text += ", ";
    text += ToString(value);
  }
  return text + ")";
}

// The operator in the text between the field and the value; what a negation in front of it is spelled as.
std::pair<std::string_view, std::string_view> OperatorText(FilterOp op) {
  switch (op) {
    case FilterOp::kEqual:
      return {" = ", " != "};
    case FilterOp::kLess:
      return {" < ", ""};
    case FilterOp::kLessEqual:
      return {" <= ", ""};
    case FilterOp::kGreater:
      return {" > ", ""};
    case FilterOp::kGreaterEqual:
      return {" >= ", ""};
    case FilterOp::kIn:
      return {" in ", " not in "};
    case FilterOp::kLike:
      return {" like ", " not like "};
    case FilterOp::kContains:
      return {" contains ", " not contains "};
    default:
      return {" is null", " is not null"};
  }
}

std::string LeafText(const FilterNode& leaf, std::string_view op) {
  std::string text = FieldText(leaf.field);
  text += op;
  if (leaf.op == FilterOp::kIn) return text + ListText(leaf.values);
  for (const FieldValue& value : leaf.values) text += ToString(value);
  return text;
}

bool IsChain(const FilterNode& node) { return node.op == FilterOp::kAnd || node.op == FilterOp::kOr; }

void AppendNode(const FilterNode& node, std::string& out) {
  if (IsChain(node)) {
    const bool is_and = node.op == FilterOp::kAnd;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      if (i > 0) out += is_and ? " and " : " or ";
      // Within `or`, an `and` needs no parentheses: it binds tighter.
      const bool parentheses = is_and && IsChain(node.operands[i]);
      if (parentheses) out += "(";
      AppendNode(node.operands[i], out);
      if (parentheses) out += ")";
    }
    return;
  }
  if (node.op != FilterOp::kNot) {
    out += LeafText(node, OperatorText(node.op).first);
    return;
  }
  const FilterNode& operand = node.operands[0];
  if (IsChain(operand)) {
    out += "not (";
    AppendNode(operand, out);
    out += ")";
    return;
  }
  const auto [plain, negated] = OperatorText(operand.op);
  out += negated.empty() ? "not " + LeafText(operand, plain) : LeafText(operand, negated);
}

bool MatchesNode(const FilterNode& node, const std::function<const FieldValue&(std::string_view)>& value_of) {
  const auto holds = [&](const FilterNode& operand) { return MatchesNode(operand, value_of); };
  switch (node.op) {
    case FilterOp::kAnd:
      return std::all_of(node.operands.begin(), node.operands.end(), holds);
    case FilterOp::kOr:
      return std::any_of(node.operands.begin(), node.operands.end(), holds);
    case FilterOp::kNot:
      return !holds(node.operands[0]);
    default:
      return MatchesLeaf(node, value_of(node.field));
  }
}

bool HasElement(const List& list, const FieldValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && std::find(list.begin(), list.end(), *text) != list.end();
}

bool IsIn(const FieldValue& value, const std::vector<FieldValue>& values) {
  const auto* list = std::get_if<List>(&value);
  return std::any_of(values.begin(), values.end(), [&](const FieldValue& candidate) {
    return candidate == value || (list != nullptr && HasElement(*list, candidate));
  });
}

bool Contains(const FieldValue& value, const FieldValue& part) {
  if (const auto* list = std::get_if<List>(&value)) return HasElement(*list, part);
  const auto* text = std::get_if<std::string>(&value);
  const auto* piece = std::get_if<std::string>(&part);
  return text != nullptr && piece != nullptr && text->find(*piece) != std::string::npos;
}

bool IsLike(const FieldValue& value, const FieldValue& pattern) {
  const auto* text = std::get_if<std::string>(&value);
  const auto* pattern_text = std::get_if<std::string>(&pattern);
  return text != nullptr && pattern_text != nullptr && LikePattern(*pattern_text).Matches(*text);
}

}  // namespace

Filter::Filter() : root_(std::make_shared<const FilterNode>()) {}

Filter::Filter(FilterNode root) : root_(std::make_shared<const FilterNode>(std::move(root))) {}

Filter Filter::Of(FilterNode root) { return Filter(std::move(root)); }

bool Filter::matches_all() const { return root_->op == FilterOp::kAnd && root_->operands.empty(); }

std::string Filter::ToString() const {
  std::string text;
  AppendNode(*root_, text);
  return text;
}

bool Filter::Matches(const std::function<const FieldValue&(std::string_view field)>& value_of) const {
  return MatchesNode(*root_, value_of);
}

bool MatchesLeaf(const FilterNode& leaf, const FieldValue& value) {
  const bool null = std::holds_alternative<std::monostate>(value);
  if (leaf.op == FilterOp::kIsNull) return null;
  if (null) return false;
  if (leaf.op == FilterOp::kIn) return IsIn(value, leaf.values);
  if (leaf.values.size() != 1) return false;
  const FieldValue& operand = leaf.values[0];
  if (leaf.op == FilterOp::kLike) return IsLike(value, operand);
  if (leaf.op == FilterOp::kContains) return Contains(value, operand);
  if (operand.index() != value.index()) return false;  // Values of two types have no order.
  switch (leaf.op) {
    case FilterOp::kEqual:
      return value == operand;
    case FilterOp::kLess:
      return value < operand;
    case FilterOp::kLessEqual:
      return value <= operand;
    case FilterOp::kGreater:
      return value > operand;
    case FilterOp::kGreaterEqual:
      return value >= operand;
    default:
      return false;
  }
}

}  // namespace ragtime
