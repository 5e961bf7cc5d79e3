// SPDX-License-Identifier: Apache-2.0
#include "model/local/question_vectors.h"

#include <algorithm>

namespace ragtime {

std::optional<std::vector<float>> QuestionVectors::Find(std::string_view question) {
  std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.first == question; });
  if (found == entries_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found);
  return entries_.front().second;
}

void QuestionVectors::Keep(std::string_view question, const std::vector<float>& vector) {
  if (question.size() > kQuestionBytesMax || Find(question)) return;
  std::lock_guard lock(mutex_);
  entries_.emplace_front(question, vector);
  if (entries_.size() > kQuestionsMax) entries_.pop_back();
}

}  // namespace ragtime
