// SPDX-License-Identifier: Apache-2.0
//
// Ticket is a request on its way through the Scheduler: what was asked, and how far the engine thread has come.
//
// Threads: shared by the thread that waits, which uses what is const, `left` and `answer`, and the engine's.
#ifndef RAGTIME_MODEL_LLAMA_TICKET_H_
#define RAGTIME_MODEL_LLAMA_TICKET_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "model/llama/batch_model.h"
#include "model/llama/pending_answer.h"
#include "model/llama/prompt_lookup.h"
#include "model/llama/scheduler_options.h"
#include "model/llama/token_chooser.h"
#include "ragtime/generator.h"

namespace ragtime {

// Tokens of a prompt that the batch under way computes in a sequence of their own.
struct ChunkHead {
  TokenRange range;
  int sequence = -1;
};

struct Ticket {
  Ticket(BatchModel& model, std::vector<Token> tokens, const GenerationRequest& asked, RunOptions how, size_t cells,
         uint32_t seed)
      : prompt(std::move(tokens)),
        max_tokens(asked.max_tokens),
        client(asked.client),
        cells_needed(cells),
        chooser(model, asked, std::exchange(how.thinking, {}), seed),
        options(std::move(how)) {}

  // The last token of the prompt is computed as those of the answer are: alone, where nobody else writes.
  bool reads() const { return held + 1 < prompt.size(); }
  // What it holds of its prompt and can be used again.
  std::span<const Token> kept() const { return {prompt.data(), std::min({held, prompt.size() - 1, exact})}; }

  const std::vector<Token> prompt;
  const size_t max_tokens;
  const std::string client;
  const size_t cells_needed;
  const Stopwatch stopwatch;
  std::atomic<bool> left = false;  // Nobody waits any more.
  PendingAnswer answer;

  // Of the engine thread.
  TokenChooser chooser;
  const RunOptions options;
  int sequence = -1;
  size_t held = 0;  // Tokens that the sequence holds: of the prompt, then of the answer.
  size_t written = 0;
  Token last = 0;              // Written, not held yet.
  std::vector<Token> text;     // The prompt and what is written, where it is looked up.
  std::vector<Token> guesses;  // Of the batch under way, behind `last`.
  LookupGate::Record lookup;
  bool is_background = false;       // Nobody waits for it: it is computed to be kept.
  std::optional<size_t> join_at;    // How much of the prompt is held when chunks are loaded; none: none are, any more.
  std::vector<TokenRange> gaps;     // To be computed before, between and behind chunks that are loaded, in order.
  size_t joined_end = 0;            // What `held` becomes when no gap is left.
  std::vector<ChunkHead> heads;     // Of gaps, in the batch under way.
  bool alone = false;               // No other has run since it began.
  bool apart = false;               // Its prompt is read in the reading memory.
  size_t exact = SIZE_MAX;          // What is held from here on is an approximation, and is not kept.
  size_t batch_end = 0;             // What `held` becomes when the batch under way is done.
  std::optional<size_t> scores_at;  // Where in that batch its scores are.
};

using TicketPtr = std::shared_ptr<Ticket>;

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_TICKET_H_
