// SPDX-License-Identifier: Apache-2.0
#include "store/chroma/chroma_filter.h"

#include <string>
#include <utility>

namespace ragtime {
namespace {

Json Compare(const std::string& field, const char* op, Json value) {
  return Json::Object{{field, Json::Object{{op, std::move(value)}}}};
}

// Floats are kept by Chroma in a column of their own, apart from whole numbers, and lists not at all.
bool IsComparable(FieldType type) { return type != FieldType::kFloat && type != FieldType::kStringList; }

std::optional<Json> Leaf(const FilterNode& leaf, bool negated) {
  if (!IsComparable(leaf.type)) return std::nullopt;
  if (leaf.op == FilterOp::kIn) {
    Json::Array values;
    for (const FieldValue& value : leaf.values) {
      std::optional<Json> json = ChromaValue(value);
      if (!json) return std::nullopt;
      values.push_back(*std::move(json));
    }
    if (values.empty()) return std::nullopt;
    return Compare(leaf.field, negated ? "$nin" : "$in", std::move(values));
  }
  if (leaf.values.size() != 1) return std::nullopt;
  std::optional<Json> value = ChromaValue(leaf.values[0]);
  if (!value) return std::nullopt;
  // "$ne" and "$nin" hold for rows without the field, as `not` does.
  if (leaf.op == FilterOp::kEqual) return Compare(leaf.field, negated ? "$ne" : "$eq", *std::move(value));
  // Nothing holds for a row without the field but those two: the negation of an order cannot be said.
  if (negated || (leaf.type != FieldType::kInt && leaf.type != FieldType::kDatetime)) return std::nullopt;
  switch (leaf.op) {
    case FilterOp::kLess:
      return Compare(leaf.field, "$lt", *std::move(value));
    case FilterOp::kLessEqual:
      return Compare(leaf.field, "$lte", *std::move(value));
    case FilterOp::kGreater:
      return Compare(leaf.field, "$gt", *std::move(value));
    case FilterOp::kGreaterEqual:
      return Compare(leaf.field, "$gte", *std::move(value));
    default:
      return std::nullopt;
  }
}

std::optional<Json> Where(const FilterNode& node, bool negated) {
  switch (node.op) {
    case FilterOp::kNot:
      return Where(node.operands.at(0), !negated);
    case FilterOp::kAnd:
    case FilterOp::kOr: {
      if (node.operands.empty()) return std::nullopt;
      Json::Array operands;
      for (const FilterNode& operand : node.operands) {
        std::optional<Json> json = Where(operand, negated);
        if (!json) return std::nullopt;
        operands.push_back(*std::move(json));
      }
      if (operands.size() == 1) return std::move(operands[0]);
      const bool is_and = (node.op == FilterOp::kAnd) != negated;
      return Json(Json::Object{{is_and ? "$and" : "$or", std::move(operands)}});
    }
    default:
      return Leaf(node, negated);
  }
}

}  // namespace

std::optional<Json> ChromaWhere(const FilterNode& node) {
  if (node.op == FilterOp::kAnd && node.operands.empty()) return Json();
  return Where(node, false);
}

std::optional<Json> ChromaValue(const FieldValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return Json(*number);
  if (const auto* boolean = std::get_if<bool>(&value)) return Json(*boolean);
  if (const auto* text = std::get_if<std::string>(&value)) return Json(*text);
  if (const auto* moment = std::get_if<Datetime>(&value)) return Json(moment->ms);
  return std::nullopt;
}

}  // namespace ragtime
