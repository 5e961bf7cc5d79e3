// SPDX-License-Identifier: Apache-2.0
#include "answer_targets.h"

#include <cmath>

#include "model/llama/json_grammar.h"
#include "model/openai/embedding_answer.h"
#include "require.h"

namespace ragtime {
bool UseAsSchema(std::string_view text) {
  const Result<std::string> grammar = JsonGrammar(text);
  if (!grammar.ok()) {
    Require(grammar.status().code() == StatusCode::kInvalidArgument);
    Require(!grammar.status().message().empty() && !grammar.status().remedy().empty());
    return false;
  }
  Require(LlamaReads(*grammar) || grammar->find("ref1 ::=") != std::string::npos);
  return true;
}

bool UseAsEmbeddings(std::string_view text) {
  const Result<Json> answer = Json::Parse(text);
  if (!answer.ok()) return false;
  bool taken = false;
  for (const size_t count : {1u, 3u}) {
    const auto vectors = ReadEmbeddings(*answer, count);
    if (!vectors.ok()) {
      Require(!vectors.status().message().empty() && !vectors.status().remedy().empty());
      continue;
    }
    taken = true;
    Require(vectors->size() == count);
    for (const std::vector<float>& vector : *vectors) {
      double squares = 0;
      for (const float value : vector) squares += double{value} * value;
      Require(std::abs(squares - 1) < 1e-3);
    }
  }
  return taken;
}

}  // namespace ragtime
