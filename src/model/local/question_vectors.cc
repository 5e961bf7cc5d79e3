// SPDX-License-Identifier: Apache-2.0
#include "model/local/question_vectors.h"

namespace ragtime {

std::optional<std::vector<float>> QuestionVectors::Find(std::string_view question) {
  std::lock_guard lock(mutex_);
  const std::vector<float>* const vector = by_question_.Find(question);
  if (vector == nullptr) return std::nullopt;
  return *vector;
}

void QuestionVectors::Keep(std::string_view question, const std::vector<float>& vector) {
  if (question.size() > kQuestionBytesMax) return;
  std::lock_guard lock(mutex_);
  by_question_.Keep(question, vector, /*cost=*/1);
}

}  // namespace ragtime
