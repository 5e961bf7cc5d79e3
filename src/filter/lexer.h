// SPDX-License-Identifier: Apache-2.0
//
// The words and signs of a filter's text.
#ifndef RAGTIME_FILTER_LEXER_H_
#define RAGTIME_FILTER_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

#include "ragtime/status.h"

namespace ragtime {

enum class TokenKind {
  kEnd,
  kField,  // An identifier, or anything in backquotes.
  kInt,
  kFloat,
  kString,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kOpen,         // (
  kClose,        // )
  kOpenSquare,   // [
  kCloseSquare,  // ]
  kComma,
  kMinus,
  kAnd,
  kOr,
  kNot,      // The word.
  kExclaim,  // !
  kIn,
  kBetween,
  kLike,
  kIs,
  kNull,
  kContains,
  kTrue,
  kFalse,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view source;  // As it stands in the filter's text; empty at the end.
  std::string text;         // kField: the name; kString: without quotes and escapes.
  size_t column = 1;        // In characters, from 1.
};

// The last token is kEnd. `source` points into `text`.
Result<std::vector<Token>> SplitFilter(std::string_view text);
// Words such as `and` that name a field in backquotes only.
bool IsFilterKeyword(std::string_view word);
// "the filter is wrong at column 3: ..."
Status FilterError(size_t column, std::string_view what, std::string remedy = {});
// `source` in quotes for a message, cut where it is long; "the end" if it is empty.
std::string Shown(std::string_view source);

}  // namespace ragtime

#endif  // RAGTIME_FILTER_LEXER_H_
