// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers and the mutation test do with what users and servers of models send: take it as a JSON schema that
// an answer is held to, and as an answer of /embeddings.
#ifndef RAGTIME_FUZZ_ANSWER_TARGETS_H_
#define RAGTIME_FUZZ_ANSWER_TARGETS_H_

#include <string_view>

namespace ragtime {

// Whether it was taken. Aborts where llama.cpp cannot read the grammar of a schema, unless it refers to itself.
bool UseAsSchema(std::string_view text);
// Aborts where a vector is taken that has not the length 1.
bool UseAsEmbeddings(std::string_view text);

inline constexpr std::string_view kSchemaSeed =
    R"({"type":"object","properties":{"a":{"type":"string","maxLength":9},"b":{"$ref":"#/$defs/n"},"c":{"enum":["x",7]},)"
    R"("d":{"type":"array","items":{"type":["integer","null"]},"minItems":1,"maxItems":3},"e":{"const":"\u674e"},)"
    R"("f":{"anyOf":[{"type":"boolean"},{"type":"object","additionalProperties":{"type":"number"}}]}},)"
    R"("required":["a"],"$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}}}}})";
inline constexpr std::string_view kEmbeddingsSeed =
    R"({"object":"list","data":[{"index":1,"embedding":[0.5,-1e-3,2]},{"index":0,"embedding":"AACAPwAAAEAAAEDA"},)"
    R"({"index":2,"embedding":[1e-30,3]}],"model":"m","usage":{"prompt_tokens":3}})";

}  // namespace ragtime

#endif  // RAGTIME_FUZZ_ANSWER_TARGETS_H_
