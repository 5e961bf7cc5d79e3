// SPDX-License-Identifier: Apache-2.0
//
// Scores answers as `ragtime tune --kv` does: score_answers < LINES
//
// Each line is a JSON object with "answer", "question" and "passages"; for each one with "from_passages" and "on_topic"
// is printed, null where there are no words. bench/generate.py runs it.
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include "text/answer_score.h"
#include "wire/json.h"

namespace ragtime {
namespace {

Json OrNull(const std::optional<double>& share) { return share ? Json(*share) : Json(); }

int Main() {
  for (std::string line; std::getline(std::cin, line);) {
    const Result<Json> json = Json::Parse(line);
    if (!json.ok()) {
      std::fprintf(stderr, "score_answers: %s\n", json.status().ToString().c_str());
      return 1;
    }
    const AnswerScore score =
        ScoreAnswer((*json)["answer"].AsString(), (*json)["question"].AsString(), (*json)["passages"].AsString());
    Json scored(Json::Object{});
    scored.Set("from_passages", OrNull(score.from_passages)).Set("on_topic", OrNull(score.on_topic));
    std::printf("%s\n", scored.Dump().c_str());
  }
  return 0;
}

}  // namespace
}  // namespace ragtime

int main() { return ragtime::Main(); }
