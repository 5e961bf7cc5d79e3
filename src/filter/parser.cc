// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/edit_distance.h"
#include "base/str_cat.h"
#include "filter/lexer.h"
#include "filter/literal.h"
#include "ragtime/filter.h"

namespace ragtime {
namespace {

// Deeper conditions are no person's; each level takes some hundred bytes of stack here and wherever a tree is walked.
constexpr int kNestingMax = 256;
constexpr std::string_view kOperators = "=, !=, <, <=, >, >=, in, between, like, contains or is null";

FilterNode Not(FilterNode node) {
  if (node.op == FilterOp::kNot) {
    FilterNode inner = std::move(node.operands[0]);
    return inner;
  }
  FilterNode negated;
  negated.op = FilterOp::kNot;
  negated.operands.push_back(std::move(node));
  return negated;
}

// `a and (b and c)` is `a and b and c`.
void AddOperand(FilterNode operand, FilterNode& to) {
  if (operand.op != to.op) {
    to.operands.push_back(std::move(operand));
    return;
  }
  for (FilterNode& inner : operand.operands) to.operands.push_back(std::move(inner));
}

std::string UnknownFieldRemedy(std::string_view name, std::span<const FieldSpec> fields) {
  if (fields.empty()) return "Declare fields in doc_fields; there are none yet.";
  constexpr size_t kComparedMax = 64;  // The cost is the product of both lengths.
  const FieldSpec* nearest = nullptr;
  // Two letters swapped are a distance of 2.
  size_t least = (name.size() <= 3 ? 1 : std::max<size_t>(2, name.size() / 3)) + 1;
  std::string known;
  for (const FieldSpec& field : fields) {
    known += known.empty() ? "" : ", ";
    known += field.name;
    if (name.size() > kComparedMax || field.name.size() > kComparedMax) continue;
    const size_t distance = EditDistance(name, field.name);
    if (distance < least) {
      least = distance;
      nearest = &field;
    }
  }
  return StrCat(nearest != nullptr ? StrCat("Did you mean \"", nearest->name, "\"? ") : "", "Known fields: ", known,
                ".");
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::span<const FieldSpec> fields) : tokens_(std::move(tokens)), fields_(fields) {}

  Result<FilterNode> Run() {
    if (Next().kind == TokenKind::kEnd) return FilterNode();
    RAGTIME_ASSIGN_OR_RETURN(FilterNode root, ParseOr());
    if (Next().kind == TokenKind::kClose) return FilterError(Next().column, "a ) has no ( before it");
    if (Next().kind != TokenKind::kEnd) return Unexpected("and, or, or the end");
    return root;
  }

 private:
  const Token& Next() const { return tokens_[position_]; }
  const Token& Take() { return tokens_[position_++]; }
  bool Accept(TokenKind kind) {
    if (Next().kind != kind) return false;
    ++position_;
    return true;
  }

  Status Unexpected(std::string_view expected) const {
    return FilterError(Next().column, StrCat(Shown(Next().source), " stands where ", expected, " could stand"),
                       "Write a field, an operator and a value, as in year >= 2020, with and, or, not between them.");
  }

  Status TooDeep() const {
    return FilterError(Next().column, StrCat("parentheses and not are nested too deep, more than ", kNestingMax),
                       "Write the condition with fewer parentheses.");
  }

  Result<FilterNode> ParseOr() { return ParseChain(FilterOp::kOr); }
  Result<FilterNode> ParseAnd() { return ParseChain(FilterOp::kAnd); }

  Result<FilterNode> ParseChain(FilterOp op) {
    const bool is_or = op == FilterOp::kOr;
    RAGTIME_ASSIGN_OR_RETURN(FilterNode first, is_or ? ParseAnd() : ParseUnary());
    const TokenKind word = is_or ? TokenKind::kOr : TokenKind::kAnd;
    if (Next().kind != word) return first;
    FilterNode chain;
    chain.op = op;
    AddOperand(std::move(first), chain);
    while (Accept(word)) {
      RAGTIME_ASSIGN_OR_RETURN(FilterNode operand, is_or ? ParseAnd() : ParseUnary());
      AddOperand(std::move(operand), chain);
    }
    return chain;
  }

  Result<FilterNode> ParseUnary() {
    const Token& token = Next();
    const bool negated = token.kind == TokenKind::kNot || token.kind == TokenKind::kExclaim;
    if (!negated && token.kind != TokenKind::kOpen) return ParseCondition();
    if (++nesting_ > kNestingMax) return TooDeep();
    Take();
    if (negated) {
      RAGTIME_ASSIGN_OR_RETURN(FilterNode operand, ParseUnary());
      --nesting_;
      return Not(std::move(operand));
    }
    RAGTIME_ASSIGN_OR_RETURN(FilterNode inner, ParseOr());
    if (!Accept(TokenKind::kClose)) return Unexpected("and, or, or )");
    --nesting_;
    return inner;
  }

  Result<FilterNode> ParseCondition() {
    const Token& name = Next();
    if (name.kind != TokenKind::kField) {
      if (IsFilterKeyword(name.source)) {
        return FilterError(name.column, StrCat(Shown(name.source), " stands where a field, not or ( could stand"),
                           StrCat("Write `", name.source, "` in backquotes if it is a field."));
      }
      return Unexpected("a field, not or (");
    }
    const auto field =
        std::find_if(fields_.begin(), fields_.end(), [&](const FieldSpec& spec) { return spec.name == name.text; });
    if (field == fields_.end()) {
      return FilterError(name.column, StrCat("there is no field ", Shown(name.source)),
                         UnknownFieldRemedy(name.text, fields_));
    }
    Take();
    return ParseOperator(*field);
  }

  Result<FilterNode> ParseOperator(const FieldSpec& field) {
    const Token& token = Next();
    const bool negated = Accept(TokenKind::kNot);
    const Token& op = Next();
    switch (op.kind) {
      case TokenKind::kIn:
        return Negate(negated, ParseIn(field));
      case TokenKind::kBetween:
        // The canonical text is `not (... and ...)`, which must parse again.
        if (negated && nesting_ + 2 > kNestingMax) return TooDeep();
        return Negate(negated, ParseBetween(field));
      case TokenKind::kLike:
        return Negate(negated, ParseSimple(field, FilterOp::kLike));
      case TokenKind::kContains:
        return Negate(negated, ParseSimple(field, FilterOp::kContains));
      default:
        break;
    }
    if (negated) return Unexpected("in, between, like or contains");
    switch (op.kind) {
      case TokenKind::kEqual:
        return ParseSimple(field, FilterOp::kEqual);
      case TokenKind::kNotEqual:
        return Negate(true, ParseSimple(field, FilterOp::kEqual));
      case TokenKind::kLess:
        return ParseSimple(field, FilterOp::kLess);
      case TokenKind::kLessEqual:
        return ParseSimple(field, FilterOp::kLessEqual);
      case TokenKind::kGreater:
        return ParseSimple(field, FilterOp::kGreater);
      case TokenKind::kGreaterEqual:
        return ParseSimple(field, FilterOp::kGreaterEqual);
      case TokenKind::kIs:
        return ParseIsNull(field);
      default:
        break;
    }
    if (field.type != FieldType::kBool) return Unexpected(kOperators);
    if (token.kind != TokenKind::kEnd && token.kind != TokenKind::kAnd && token.kind != TokenKind::kOr &&
        token.kind != TokenKind::kClose) {
      return Unexpected("=, !=, in, is null, and, or, or the end");
    }
    return Leaf(field, FilterOp::kEqual, {true});
  }

  static Result<FilterNode> Negate(bool negated, Result<FilterNode> node) {
    if (!negated || !node.ok()) return node;
    return Not(*std::move(node));
  }

  static FilterNode Leaf(const FieldSpec& field, FilterOp op, std::vector<FieldValue> values) {
    FilterNode leaf;
    leaf.op = op;
    leaf.field = field.name;
    leaf.type = field.type;
    leaf.values = std::move(values);
    return leaf;
  }

  // Takes the operator off if a field of the type has it.
  Status TakeOperator(const FieldSpec& field, FilterOp op) {
    bool has = true;
    std::string_view instead;
    switch (field.type) {
      case FieldType::kString:
        break;
      case FieldType::kStringList:
        has = op == FilterOp::kIn || op == FilterOp::kContains;
        instead = "contains, in and is null";
        break;
      case FieldType::kBool:
        has = op == FilterOp::kIn || op == FilterOp::kEqual;
        instead = "=, !=, in and is null";
        break;
      default:
        has = op != FilterOp::kLike && op != FilterOp::kContains;
        instead = "=, !=, <, <=, >, >=, in, between and is null";
    }
    if (!has) {
      return FilterError(Next().column,
                         StrCat("the field \"", field.name, "\" of type ", FieldTypeName(field.type), " has no ",
                                Shown(Next().source)),
                         StrCat("It has ", instead, "."));
    }
    Take();
    return Status();
  }

  Result<FieldValue> ParseLiteral(const FieldSpec& field) {
    Token literal = Next();
    if (literal.kind == TokenKind::kMinus && tokens_[position_ + 1].source == "inf") {
      Take();
      // The sign and the word may be apart; a message shows both.
      const std::string_view word = Next().source;
      literal.kind = TokenKind::kField;
      literal.source = {literal.source.data(), static_cast<size_t>(word.data() + word.size() - literal.source.data())};
    }
    switch (literal.kind) {
      case TokenKind::kInt:
      case TokenKind::kFloat:
      case TokenKind::kString:
      case TokenKind::kTrue:
      case TokenKind::kFalse:
        break;
      case TokenKind::kNull:
        return FilterError(literal.column, "nothing is equal to null, or less or greater",
                           StrCat("Write: ", field.name, " is null, or: ", field.name, " is not null."));
      case TokenKind::kField:
        if (literal.source.ends_with("inf") && (literal.source == "inf" || literal.source[0] == '-')) break;
        return FilterError(literal.column, StrCat(Shown(literal.source), " stands where a value could stand"),
                           "Write texts in quotes, as in author = \"Li\".");
      default:
        return Unexpected("a value");
    }
    RAGTIME_ASSIGN_OR_RETURN(FieldValue value, BindLiteral(literal, field));
    Take();
    return value;
  }

  Result<FilterNode> ParseSimple(const FieldSpec& field, FilterOp op) {
    RAGTIME_RETURN_IF_ERROR(TakeOperator(field, op));
    RAGTIME_ASSIGN_OR_RETURN(FieldValue value, ParseLiteral(field));
    return Leaf(field, op, {std::move(value)});
  }

  Result<FilterNode> ParseBetween(const FieldSpec& field) {
    RAGTIME_RETURN_IF_ERROR(TakeOperator(field, FilterOp::kGreaterEqual));
    RAGTIME_ASSIGN_OR_RETURN(FieldValue low, ParseLiteral(field));
    if (!Accept(TokenKind::kAnd)) return Unexpected("and with the upper value");
    RAGTIME_ASSIGN_OR_RETURN(FieldValue high, ParseLiteral(field));
    FilterNode both;
    both.operands.push_back(Leaf(field, FilterOp::kGreaterEqual, {std::move(low)}));
    both.operands.push_back(Leaf(field, FilterOp::kLessEqual, {std::move(high)}));
    return both;
  }

  Result<FilterNode> ParseIn(const FieldSpec& field) {
    RAGTIME_RETURN_IF_ERROR(TakeOperator(field, FilterOp::kIn));
    TokenKind close = TokenKind::kClose;
    if (Accept(TokenKind::kOpenSquare)) {
      close = TokenKind::kCloseSquare;
    } else if (!Accept(TokenKind::kOpen)) {
      return Unexpected("a list in ( ) or [ ]");
    }
    std::vector<FieldValue> values;
    do {
      RAGTIME_ASSIGN_OR_RETURN(FieldValue value, ParseLiteral(field));
      values.push_back(std::move(value));
    } while (Accept(TokenKind::kComma));
    if (!Accept(close)) return Unexpected(close == TokenKind::kClose ? ", or )" : ", or ]");
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    if (values.size() > 1) return Leaf(field, FilterOp::kIn, std::move(values));
    const bool list = field.type == FieldType::kStringList;
    return Leaf(field, list ? FilterOp::kContains : FilterOp::kEqual, std::move(values));
  }

  Result<FilterNode> ParseIsNull(const FieldSpec& field) {
    Take();
    const bool negated = Accept(TokenKind::kNot);
    if (!Accept(TokenKind::kNull)) return Unexpected(negated ? "null" : "null or not null");
    return Negate(negated, Leaf(field, FilterOp::kIsNull, {}));
  }

  const std::vector<Token> tokens_;
  const std::span<const FieldSpec> fields_;
  size_t position_ = 0;
  int nesting_ = 0;
};

}  // namespace

Result<Filter> Filter::Parse(std::string_view text, std::span<const FieldSpec> fields) {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<Token> tokens, SplitFilter(text));
  RAGTIME_ASSIGN_OR_RETURN(FilterNode root, Parser(std::move(tokens), fields).Run());
  return Filter(std::move(root));
}

}  // namespace ragtime
