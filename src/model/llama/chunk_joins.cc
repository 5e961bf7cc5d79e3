// SPDX-License-Identifier: Apache-2.0
#include "model/llama/chunk_joins.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/stopwatch.h"

namespace ragtime {

ChunkJoins::ChunkJoins(BatchModel& model, const SchedulerOptions& options, KeptBeginnings& beginnings,
                       int first_sequence)
    : model_(model), options_(options), beginnings_(beginnings) {
  for (size_t i = 0; i < options.head_sequences; ++i) free_sequences_.push_back(first_sequence + static_cast<int>(i));
}

void ChunkJoins::Plan(Ticket& ticket) const {
  if (!ticket.options.joins || ticket.options.chunks.empty() || options_.head_sequences == 0 || !model_.moves()) return;
  // The first one stands where it is computed by everybody: it is read and kept as any beginning is. The last tokens of
  // it may be missing, which are never saved, and are computed with the heads.
  const size_t first_end = ticket.options.chunks.front().end;
  ticket.join_at = ticket.held + options_.wide_tokens > first_end ? ticket.held : first_end;
}

size_t ChunkJoins::Join(Ticket& ticket) {
  ticket.join_at.reset();
  const size_t beginning = ticket.options.chunks.front().start;
  const bool is_quick = ticket.options.always_joins || read_token_ms_ == 0 || join_token_ms_min_ < read_token_ms_;
  const Stopwatch stopwatch;
  const size_t body = ticket.prompt.size() - 1;  // The last token is computed alone, when all else is there.
  size_t joined = 0;
  size_t missing = 0;
  size_t at = ticket.held;  // All before it is there, or a gap.
  size_t last_start = at;   // Of the chunk that was loaded last.
  for (const TokenRange& chunk : std::span(ticket.options.chunks).subspan(1)) {
    std::vector<Token> tokens(ticket.prompt.begin(), ticket.prompt.begin() + static_cast<ptrdiff_t>(beginning));
    tokens.insert(tokens.end(), ticket.prompt.begin() + static_cast<ptrdiff_t>(chunk.start),
                  ticket.prompt.begin() + static_cast<ptrdiff_t>(chunk.end));
    const size_t back = chunk.start - beginning;
    const std::vector<PrefixCache::Piece> pieces = beginnings_.states().Match(tokens);
    const TokenRange range{chunk.start + ticket.options.head_tokens,
                           std::min((pieces.empty() ? 0 : pieces.back().end) + back, body)};
    if (range.end < range.start + options_.wide_tokens) {
      if (chunk.end > range.start + options_.wide_tokens) Want(std::move(tokens));
      continue;
    }
    if (range.start < at || !is_quick) continue;
    size_t end = range.start;
    for (const PrefixCache::Piece& piece : pieces) {
      const size_t piece_end = std::min(piece.end + back, range.end);
      if (piece_end <= end) continue;
      const std::optional<std::span<const std::byte>> state = beginnings_.states().Use(piece.state);
      // Where it cannot be had, the rest is computed.
      if (!state || !beginnings_.TakeIn(ticket, *state, {end, piece_end}, back)) break;
      end = piece_end;
    }
    if (end == range.start) continue;
    last_start = range.start;
    if (at < range.start) ticket.gaps.push_back({at, range.start});
    missing += range.start - at;
    joined += end - range.start;
    at = end;
  }
  if (joined == 0) return 0;
  // A wide batch costs no more than a smaller one, and what is computed anew is exact: the last chunk gives way.
  const size_t last_batch = body - at + (missing < together_tokens() ? missing : 0);
  if (last_batch < options_.wide_tokens) {
    const size_t anew = std::min(options_.wide_tokens - last_batch, at - last_start);
    at -= anew;
    joined -= anew;
    model_.Forget(ticket.sequence, at);
    if (joined == 0) {
      ticket.gaps.clear();
      return 0;
    }
  }
  ticket.exact = ticket.held;
  if (ticket.gaps.empty()) {
    ticket.held = at;
  } else if (ticket.gaps.back().end == at) {
    ticket.gaps.back().end = body;  // The last chunk gave way whole: nothing stands between the two.
  } else if (at < body) {
    ticket.gaps.push_back({at, body});
  }
  ticket.joined_end = body;
  // At best: one that was interrupted by other work must not be the last that is ever tried. Nor must the first, in
  // which the model finds out how keys are turned.
  const double ms = stopwatch.ElapsedMs() / static_cast<double>(joined);
  if (joins_++ > 0) join_token_ms_min_ = join_token_ms_min_ == 0 ? ms : std::min(join_token_ms_min_, ms);
  return joined;
}

size_t ChunkJoins::AddHeads(Ticket& ticket, size_t room, std::vector<BatchToken>& batch) {
  size_t added = 0;
  for (const TokenRange& gap : ticket.gaps) {
    if (added == room || added >= together_tokens() || free_sequences_.empty()) break;
    const int sequence = free_sequences_.back();
    free_sequences_.pop_back();
    const TokenRange part{gap.start, gap.start + std::min(gap.end - gap.start, room - added)};
    model_.Share(ticket.sequence, sequence, 0, part.start);
    for (size_t at = part.start; at < part.end; ++at) batch.push_back({ticket.prompt[at], at, sequence, false});
    ticket.heads.push_back({part, sequence});
    added += part.end - part.start;
  }
  return added;
}

void ChunkJoins::TakeHeads(Ticket& ticket) {
  for (size_t i = 0; i < ticket.heads.size(); ++i) {
    const ChunkHead& head = ticket.heads[i];
    model_.Share(head.sequence, ticket.sequence, head.range.start, head.range.end);
    ticket.gaps[i].start = head.range.end;
  }
  std::erase_if(ticket.gaps, [](const TokenRange& gap) { return gap.start == gap.end; });
  if (ticket.gaps.empty()) ticket.held = ticket.joined_end;
  DropHeads(ticket);
}

void ChunkJoins::DropHeads(Ticket& ticket) {
  for (const ChunkHead& head : ticket.heads) {
    model_.Forget(head.sequence, 0);
    free_sequences_.push_back(head.sequence);
  }
  ticket.heads.clear();
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
