// SPDX-License-Identifier: Apache-2.0
//
// ScoreAnswer says how good an answer is where nobody has written the right one: by the words that it shares with its
// passages and with its question.
//
// Words are those of QueryWords with three letters and more, without those that every text has; each counts once. It is
// the one scorer of `ragtime tune --kv` and of bench/generate.py. Threads: may be called concurrently.
#ifndef RAGTIME_TEXT_ANSWER_SCORE_H_
#define RAGTIME_TEXT_ANSWER_SCORE_H_

#include <optional>
#include <string_view>

namespace ragtime {

struct AnswerScore {
  std::optional<double>
      from_passages;               // Of the answer's words, the share that stands in the passages. None: it has none.
  std::optional<double> on_topic;  // Of the question's words, the share that stands in the answer, likewise.
};

AnswerScore ScoreAnswer(std::string_view answer, std::string_view question, std::string_view passages);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_ANSWER_SCORE_H_
