// SPDX-License-Identifier: Apache-2.0
//
// QuestionVectors remembers the vectors of the questions that were embedded last: asked again, a question's embedding
// would be most of the time to its first token.
//
// Threads: every method may be called concurrently.
#ifndef RAGTIME_MODEL_LOCAL_QUESTION_VECTORS_H_
#define RAGTIME_MODEL_LOCAL_QUESTION_VECTORS_H_

#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/lru.h"

namespace ragtime {

class QuestionVectors {
 public:
  static constexpr size_t kQuestionsMax = 64;
  static constexpr size_t kQuestionBytesMax = 4096;  // A longer one is not kept.

  std::optional<std::vector<float>> Find(std::string_view question);
  // What was not asked for longest makes room.
  void Keep(std::string_view question, const std::vector<float>& vector);

 private:
  std::mutex mutex_;
  Lru<std::vector<float>> by_question_{kQuestionsMax};  // Guarded by mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LOCAL_QUESTION_VECTORS_H_
