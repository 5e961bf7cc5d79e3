// SPDX-License-Identifier: Apache-2.0
//
// AnswerWriter writes the next tokens of an answer by the scores that were computed, guesses what comes next, and
// begins an answer whose first scores are known before the model does.
//
// Threads: one at a time, the one that computes.
#ifndef RAGTIME_MODEL_LLAMA_ANSWER_WRITER_H_
#define RAGTIME_MODEL_LLAMA_ANSWER_WRITER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "model/llama/batch_model.h"
#include "model/llama/first_scores.h"
#include "model/llama/prompt_lookup.h"
#include "model/llama/scheduler_options.h"
#include "model/llama/ticket.h"

namespace ragtime {

class AnswerWriter {
 public:
  // What one call has done.
  struct Progress {
    size_t written = 0;  // Tokens.
    size_t guessed = 0;  // Of the batch, and those that were right.
    size_t right = 0;
    bool ends = false;  // The answer does.
    bool truncated = false;
  };

  // Both must outlive it. `keeps_scores`: of the first tokens, for the same prompts to come.
  AnswerWriter(BatchModel& model, const SchedulerOptions& options, bool keeps_scores);
  AnswerWriter(const AnswerWriter&) = delete;
  AnswerWriter& operator=(const AnswerWriter&) = delete;

  // Chooses the first token before the prompt's last one is computed, where all else of the prompt is there and the
  // scores behind it are known. Nothing else changes: the next step computes that last token, alone as always.
  Progress BeginWithKnownScores(Ticket& ticket);
  // Adds guesses of the next tokens of the only answer that is written to its batch, as many as pay and fit.
  void GuessAhead(Ticket& ticket, std::vector<BatchToken>& batch);
  // The batch of the only answer that is written took so long.
  void BatchTook(size_t tokens, double ms) { lookup_.TookMs(tokens, ms); }
  // Takes the next token by the scores of the last batch, and those after it as long as what was guessed is what is
  // chosen.
  Progress Advance(Ticket& ticket);

 private:
  void Write(Ticket& ticket, std::span<float> scores, Progress& progress);

  BatchModel& model_;
  const SchedulerOptions& options_;
  const bool keeps_scores_;
  FirstScores first_scores_;
  LookupGate lookup_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_ANSWER_WRITER_H_
