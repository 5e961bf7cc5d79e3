// SPDX-License-Identifier: Apache-2.0
#include "model/llama/answer_writer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace ragtime {
namespace {

// Some 80 prompts of a vocabulary of 49,152.
constexpr size_t kFirstScoresBytesMax = 16 << 20;

}  // namespace

AnswerWriter::AnswerWriter(BatchModel& model, const SchedulerOptions& options, bool keeps_scores)
    : model_(model), options_(options), keeps_scores_(keeps_scores), first_scores_(kFirstScoresBytesMax) {}

AnswerWriter::Progress AnswerWriter::BeginWithKnownScores(Ticket& ticket) {
  Progress progress;
  if (ticket.reads() || ticket.max_tokens == 0 || ticket.options.first_scores != nullptr) return progress;
  const std::span<const float> known = first_scores_.Find(ticket.prompt);
  if (known.empty()) return progress;
  std::vector<float> scores(known.begin(), known.end());
  Write(ticket, scores, progress);
  return progress;
}

void AnswerWriter::GuessAhead(Ticket& ticket, std::vector<BatchToken>& batch) {
  if (!options_.prompt_lookup || !model_.keeps_beginnings()) return;
  if (ticket.text.empty()) {
    ticket.text = ticket.prompt;
    ticket.text.push_back(ticket.last);
    ticket.lookup = lookup_.StartOf();
  }
  const size_t room = std::min(ticket.cells_needed - ticket.held - 1, ticket.max_tokens - ticket.written - 1);
  ticket.guesses = GuessTokens(ticket.text, std::min(kGuessesMax, room));
  if (!options_.always_guesses) ticket.guesses.resize(lookup_.Length(ticket.lookup, ticket.guesses.size()));
  for (const Token guess : ticket.guesses) batch.push_back({guess, ticket.batch_end++, ticket.sequence, true});
}

AnswerWriter::Progress AnswerWriter::Advance(Ticket& ticket) {
  Progress progress;
  ++ticket.held;
  if (ticket.max_tokens == 0) {
    progress.ends = progress.truncated = true;
    return progress;
  }
  if (ticket.written == 0) {
    const std::span<const float> scores = model_.Scores(*ticket.scores_at);
    if (ticket.alone && keeps_scores_ && ticket.exact == SIZE_MAX) first_scores_.Keep(ticket.prompt, scores);
    if (ticket.options.first_scores != nullptr) ticket.answer.SetFirstScores({scores.begin(), scores.end()});
  }
  const std::vector<Token>& guesses = ticket.guesses;
  for (;;) {
    Write(ticket, model_.Scores(*ticket.scores_at + progress.right), progress);
    if (progress.ends || progress.right == guesses.size() || guesses[progress.right] != ticket.last) break;
    ++progress.right;
    ++ticket.held;
  }
  if (!guesses.empty()) {
    progress.guessed = guesses.size();
    lookup_.Counted(ticket.lookup, guesses.size(), progress.right);
    if (progress.right < guesses.size()) model_.Forget(ticket.sequence, ticket.held);
  }
  return progress;
}

// Chooses and hands out the next token.
void AnswerWriter::Write(Ticket& ticket, std::span<float> scores, Progress& progress) {
  std::string piece;
  const std::optional<Token> token = ticket.chooser.Next(scores, piece);
  if (!token) {
    progress.ends = true;
    return;
  }
  ticket.last = *token;
  ++ticket.written;
  ++progress.written;
  if (!ticket.text.empty()) ticket.text.push_back(*token);
  ticket.answer.Push(std::move(piece));
  progress.truncated =
      ticket.written == ticket.max_tokens || ticket.held == std::min(options_.context_tokens, model_.cells());
  progress.ends = progress.truncated;
}

}  // namespace ragtime
