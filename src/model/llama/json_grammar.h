// SPDX-License-Identifier: Apache-2.0
//
// JsonGrammar writes the grammar (GBNF, as llama.cpp reads it) of all JSON texts that a schema allows.
//
// Known of a schema: type, properties, required, additionalProperties, items, minItems, maxItems, minLength, maxLength,
// enum, const, anyOf, oneOf and $ref within it; title, description, default, examples and $comment say nothing about
// the text. Members come in the order of the schema, and none that it does not name.
// Errors: kInvalidArgument names the place in the schema, and what of it cannot be held to.
#ifndef RAGTIME_MODEL_LLAMA_JSON_GRAMMAR_H_
#define RAGTIME_MODEL_LLAMA_JSON_GRAMMAR_H_

#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

// `schema` "": any JSON object. The grammar's first rule is "root".
Result<std::string> JsonGrammar(std::string_view schema);

// Whether llama.cpp can follow the grammar: not where a rule begins with itself, as a schema that is but a reference to
// itself. For tests, which have no model.
bool LlamaReads(const std::string& grammar);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_JSON_GRAMMAR_H_
