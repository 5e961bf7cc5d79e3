// SPDX-License-Identifier: Apache-2.0
#include "model/llama/first_scores.h"

#include <string_view>

namespace ragtime {
namespace {

std::string_view KeyOf(std::span<const Token> prompt) {
  return {reinterpret_cast<const char*>(prompt.data()), prompt.size_bytes()};
}

}  // namespace

std::span<const float> FirstScores::Find(std::span<const Token> prompt) {
  const std::vector<float>* const scores = by_prompt_.Find(KeyOf(prompt));
  if (scores == nullptr) return {};
  return *scores;
}

void FirstScores::Keep(std::span<const Token> prompt, std::span<const float> scores) {
  by_prompt_.Keep(KeyOf(prompt), std::vector<float>(scores.begin(), scores.end()),
                  prompt.size_bytes() + scores.size_bytes());
}

}  // namespace ragtime
