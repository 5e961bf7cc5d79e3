// SPDX-License-Identifier: Apache-2.0
#include "model/llama/next_batch.h"

#include <algorithm>

namespace ragtime {

size_t WidePart(size_t rest, size_t room, size_t wide_tokens) {
  const size_t part = std::min(room, rest);
  if (rest > part && rest < part + wide_tokens && rest > wide_tokens) return std::min(part, rest - wide_tokens);
  return part;
}

std::vector<BatchToken> NextBatch(std::span<const TicketPtr> running, const SchedulerOptions& options,
                                  AnswerWriter& writer, ChunkJoins& joins) {
  std::vector<BatchToken> batch;
  for (const TicketPtr& ticket : running) {
    ticket->scores_at.reset();
    ticket->guesses.clear();
    ticket->batch_end = ticket->held;
    if (ticket->reads()) continue;
    ticket->scores_at = batch.size();
    const bool begins = ticket->held < ticket->prompt.size();
    if (begins && ticket->written > 0) ticket->scores_at.reset();  // Its first token is chosen.
    batch.push_back(
        {begins ? ticket->prompt.back() : ticket->last, ticket->held, ticket->sequence, ticket->scores_at.has_value()});
    ++ticket->batch_end;
    if (!begins && running.size() == 1) writer.GuessAhead(*ticket, batch);
  }
  const size_t most = batch.empty() ? options.batch_tokens : options.shared_batch_tokens;
  size_t room = std::max(most, batch.size() + 1) - batch.size();
  // In the order in which they came: a part of a prompt is the cheaper the larger it is, and of prompts that are read
  // side by side none is done before nearly all are.
  for (size_t i = 0; i < running.size() && room > 0; ++i) {
    Ticket& ticket = *running[i];
    if (!ticket.reads() || ticket.apart) continue;
    if (!ticket.gaps.empty()) {
      room -= joins.AddHeads(ticket, room, batch);
      continue;
    }
    const size_t end = ticket.join_at.value_or(ticket.prompt.size() - 1);
    const size_t part = WidePart(end - ticket.held, room, options.wide_tokens);
    room -= part;
    for (size_t n = 0; n < part; ++n, ++ticket.batch_end) {
      batch.push_back({ticket.prompt[ticket.batch_end], ticket.batch_end, ticket.sequence, false});
    }
  }
  return batch;
}

}  // namespace ragtime
