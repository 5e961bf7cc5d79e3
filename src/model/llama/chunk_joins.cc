// SPDX-License-Identifier: Apache-2.0
#include "model/llama/chunk_joins.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/stopwatch.h"

namespace ragtime {

void ChunkJoins::Plan(Ticket& ticket) {
  if (ticket.options.chunks.empty()) return;
  const size_t beginning = ticket.options.chunks.front().start;
  const bool is_quick = ticket.options.always_joins || read_token_ms_ == 0 || join_token_ms_min_ < read_token_ms_;
  // The first one stands where it was computed: it is found with the beginning.
  for (const TokenRange& chunk : std::span(ticket.options.chunks).subspan(1)) {
    std::vector<Token> tokens(ticket.prompt.begin(), ticket.prompt.begin() + static_cast<ptrdiff_t>(beginning));
    tokens.insert(tokens.end(), ticket.prompt.begin() + static_cast<ptrdiff_t>(chunk.start),
                  ticket.prompt.begin() + static_cast<ptrdiff_t>(chunk.end));
    const size_t back = chunk.start - beginning;
    std::vector<PrefixCache::Piece> pieces = beginnings_.states().Match(tokens);
    const TokenRange range{chunk.start + ticket.options.head_tokens, (pieces.empty() ? 0 : pieces.back().end) + back};
    if (range.end < range.start + options_.wide_tokens) {
      if (chunk.end > range.start + options_.wide_tokens) Want(std::move(tokens));
      continue;
    }
    if (range.start < ticket.held || !is_quick) continue;
    ticket.exact = std::min(ticket.exact, range.start);
    ticket.joins.push_back({range, back, std::move(pieces)});
  }
}

size_t ChunkJoins::LoadDue(Ticket& ticket) {
  size_t loaded = 0;
  while (!ticket.joins.empty() && ticket.joins.front().range.start == ticket.held) {
    const ChunkJoin join = std::move(ticket.joins.front());
    ticket.joins.pop_front();
    const Stopwatch stopwatch;
    for (const PrefixCache::Piece& piece : join.pieces) {
      const size_t end = piece.end + join.back;
      if (end <= ticket.held) continue;
      const std::optional<std::span<const std::byte>> state = beginnings_.states().Use(piece.state);
      if (!state || !beginnings_.TakeIn(ticket, *state, end, join.back)) break;
    }
    const size_t joined = ticket.held - join.range.start;
    if (joined == 0) continue;
    // At best: one that was interrupted by other work must not be the last that is ever tried.
    const double ms = stopwatch.ElapsedMs() / static_cast<double>(joined);
    join_token_ms_min_ = join_token_ms_min_ == 0 ? ms : std::min(join_token_ms_min_, ms);
    loaded += joined;
  }
  return loaded;
}

std::vector<Token> ChunkJoins::TakeWanted() {
  std::vector<Token> tokens = std::move(wanted_.front());
  wanted_.pop_front();
  return tokens;
}

// A chunk that was missed for the second time is worth computing apart.
void ChunkJoins::Want(std::vector<Token> tokens) {
  constexpr size_t kRememberedMax = 1024;
  constexpr size_t kWantedMax = 32;
  if (!beginnings_.states().enabled()) return;
  if (uses_.size() >= kRememberedMax) uses_.clear();
  if (++uses_[tokens] < 2 || wanted_.size() >= kWantedMax) return;
  if (std::find(wanted_.begin(), wanted_.end(), tokens) != wanted_.end()) return;
  wanted_.push_back(std::move(tokens));
}

}  // namespace ragtime
