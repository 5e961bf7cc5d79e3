// SPDX-License-Identifier: Apache-2.0
//
// A literal of a filter as a value of the field that it is compared with.
#ifndef RAGTIME_FILTER_LITERAL_H_
#define RAGTIME_FILTER_LITERAL_H_

#include "filter/lexer.h"
#include "ragtime/field.h"

namespace ragtime {

// `literal` is kInt, kFloat, kString, kTrue, kFalse, or `inf` with its sign in the source. Strings for a list field.
// kInvalidArgument names the field, its type and the literal.
Result<FieldValue> BindLiteral(const Token& literal, const FieldSpec& field);

}  // namespace ragtime

#endif  // RAGTIME_FILTER_LITERAL_H_
