// SPDX-License-Identifier: Apache-2.0
#include "model/llama/kept_beginnings.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/stopwatch.h"

namespace ragtime {
namespace {

// A shorter beginning that prompts have in common is not worth a sequence of its own.
constexpr size_t kSharedTokensMin = 16;
// A prompt that shares this much with one that is being read waits for it instead of reading it as well.
constexpr size_t kWorthWaitingTokens = 64;

size_t SharedTokens(std::span<const Token> a, std::span<const Token> b) {
  const auto most = static_cast<ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin());
}

}  // namespace

KeptBeginnings::KeptBeginnings(BatchModel& model, const SchedulerOptions& options,
                               std::function<void(std::string)> on_message, std::function<void()> on_written)
    : model_(model),
      options_(options),
      reuses_(options.reuse && model.keeps_beginnings()),
      spare_sequence_(static_cast<int>(model.sequences() - options.head_sequences) - 1),
      shared_sequence_(spare_sequence_ - 1) {
  for (int sequence = shared_sequence_ - 1; sequence >= 0; --sequence) free_sequences_.push_back(sequence);
  std::unique_ptr<StateFolder> folder;
  if (!options.states_folder.empty() && options.disk_bytes_max > 0 && reuses_) {
    folder = std::make_unique<StateFolder>(options.states_folder, model.fingerprint(), std::move(on_message));
  }
  states_ = std::make_unique<PrefixCache>(options.memory_bytes_max, options.disk_bytes_max, std::move(folder),
                                          std::move(on_written));
}

bool KeptBeginnings::IsWorthWaiting(const std::vector<Token>& prompt, std::span<const TicketPtr> running) const {
  const Start start = FindStart(prompt, running);
  return start.soon >= std::max(start.shared, start.saved) + kWorthWaitingTokens;
}

KeptBeginnings::Start KeptBeginnings::FindStart(const std::vector<Token>& prompt,
                                                std::span<const TicketPtr> running) const {
  Start start;
  if (!reuses_) return start;
  const auto consider = [&](size_t tokens, int sequence) {
    if (Usable(tokens, prompt.size()) <= start.shared) return;
    start.shared = Usable(tokens, prompt.size());
    start.sequence = sequence;
  };
  consider(SharedTokens(prompt, shared_), shared_sequence_);
  for (const TicketPtr& other : running) {
    const size_t common = std::min(SharedTokens(prompt, other->prompt), other->exact);
    start.soon = std::max(start.soon, Usable(common, prompt.size()));
    consider(std::min(common, other->held), other->sequence);
  }
  start.pieces = states_->Match(prompt);
  if (!start.pieces.empty()) start.saved = Usable(start.pieces.back().end, prompt.size());
  return start;
}

// How much of a beginning that was found is used: the last token is always computed, so that there are scores, and of
// those before it none or a wide part.
size_t KeptBeginnings::Usable(size_t found, size_t prompt_tokens) const {
  const size_t body = prompt_tokens - 1;
  if (body < options_.wide_tokens) return 0;
  return found >= body ? body : std::min(found, body - options_.wide_tokens);
}

void KeptBeginnings::Begin(Ticket& ticket, std::span<const TicketPtr> running) {
  Start start = FindStart(ticket.prompt, running);
  start.shared = std::min(start.shared, ticket.options.start_max);
  start.saved = std::min(start.saved, ticket.options.start_max);
  if (TakeOverLast(ticket, std::max(start.saved, start.shared))) {
    start.shared = start.saved = 0;
  } else {
    ticket.sequence = free_sequences_.back();
    free_sequences_.pop_back();
  }
  if (running.empty() && start.saved >= start.shared) {
    // Alone, a request gets its cells in the order of their positions, as if nothing had been kept: the kernels add up
    // in the order of cells.
    DropShared();
    start.shared = 0;
  }
  if (start.shared > 0) {
    model_.Share(start.sequence, ticket.sequence, 0, start.shared);
    ticket.held = start.shared;
  }
  if (start.saved > ticket.held) LoadPieces(ticket, start.pieces, start.saved);
}

void KeptBeginnings::End(Ticket& ticket) {
  if (reuses_) {
    KeepState(ticket);
    KeepShared(ticket);
  }
  // Alone, it has left its cells in the order of their positions, and nobody else attends over them.
  last_held_.clear();
  if (reuses_ && ticket.alone) last_held_.assign(ticket.kept().begin(), ticket.kept().end());
  model_.Forget(ticket.sequence, last_held_.size());
  if (last_held_.empty()) {
    free_sequences_.push_back(ticket.sequence);
  } else {
    last_sequence_ = ticket.sequence;
  }
}

// Adds saved states to what the sequence holds, up to `limit`. Where one cannot be had, the rest is computed.
void KeptBeginnings::LoadPieces(Ticket& ticket, std::span<const PrefixCache::Piece> pieces, size_t limit) {
  for (const PrefixCache::Piece& piece : pieces) {
    const size_t end = std::min(piece.end, limit);
    if (end <= ticket.held) continue;
    const std::optional<std::span<const std::byte>> state = states_->Use(piece.state);
    if (!state || !TakeIn(ticket, *state, {ticket.held, end})) return;
    ticket.held = end;
  }
}

bool KeptBeginnings::TakeIn(const Ticket& ticket, std::span<const std::byte> state, TokenRange range, size_t back) {
  const Status loaded = back > 0 ? model_.LoadMoved(spare_sequence_, state, static_cast<ptrdiff_t>(back))
                                 : model_.LoadState(spare_sequence_, state);
  if (loaded.ok()) model_.Share(spare_sequence_, ticket.sequence, range.start, range.end);
  model_.Forget(spare_sequence_, 0);
  return loaded.ok();
}

void KeptBeginnings::TakeRead(Ticket& ticket, ReadingMemory& memory) {
  const size_t end = memory.held();
  const std::span<const Token> read(ticket.prompt.data(), end);
  const std::vector<PrefixCache::Piece> known = states_->Match(read);
  const size_t known_end = known.empty() ? 0 : known.back().end;
  // What is saved and what is moved is the same but where a part was saved before and not found.
  const bool saves = reuses_ && states_->enabled() && known_end <= ticket.held && known_end < end &&
                     ticket.prompt.size() > options_.wide_tokens;
  if (end > ticket.held) {
    Result<std::vector<std::byte>> state = memory.Save(saves ? known_end : ticket.held);
    // Where there is no room for it, it is read again among the others.
    if (state.ok() && TakeIn(ticket, *state, {ticket.held, end})) ticket.held = end;
    if (state.ok() && saves) states_->Insert(read, known_end, *std::move(state));
  }
}

void KeptBeginnings::ReadTook(double token_ms) {
  read_token_ms_min_ = read_token_ms_min_ == 0 ? token_ms : std::min(read_token_ms_min_, token_ms);
}

// Of the states that are saved, about one in four is asked for again, and is then loaded for as much as it took to
// save.
bool KeptBeginnings::PaysToSave() const {
  constexpr size_t kSavesMeasured = 3;
  if (!options_.weighs_saving || saves_measured_ < kSavesMeasured || read_token_ms_min_ == 0) return true;
  return save_token_ms_min_ < (read_token_ms_min_ - save_token_ms_min_) / 4;
}

// Saves what it has computed of its prompt and nobody has saved yet; also of a request that was given up.
void KeptBeginnings::KeepState(Ticket& ticket) {
  if (!states_->enabled() || ticket.prompt.size() <= options_.wide_tokens) return;
  const std::span<const Token> held = ticket.kept();
  const std::vector<PrefixCache::Piece> known = states_->Match(held);
  const size_t start = known.empty() ? 0 : known.back().end;
  // A prompt without an answer was computed to be saved.
  if (held.size() <= start || (ticket.max_tokens > 0 && !PaysToSave())) return;
  const Stopwatch stopwatch;
  model_.Share(ticket.sequence, spare_sequence_, start, held.size());
  Result<std::vector<std::byte>> state = model_.SaveState(spare_sequence_);
  model_.Forget(spare_sequence_, 0);
  if (state.ok()) states_->Insert(held, start, *std::move(state));
  if (held.size() < start + options_.wide_tokens) return;
  const double ms = stopwatch.ElapsedMs() / static_cast<double>(held.size() - start);
  save_token_ms_min_ = saves_measured_++ == 0 ? ms : std::min(save_token_ms_min_, ms);
}

// The beginning that this prompt and the last one have in common (the system message, at least) stays in the model,
// where the next one can share its cells. It costs nothing to keep but room, so it is small.
void KeptBeginnings::KeepShared(Ticket& ticket) {
  if (ticket.prompt.size() <= options_.wide_tokens) return;
  const std::span<const Token> held = ticket.kept();
  const size_t common = std::min(SharedTokens(held, last_prompt_), model_.cells() / 8);
  last_prompt_.assign(held.begin(), held.end());
  if (common < kSharedTokensMin || (common == shared_.size() && SharedTokens(held, shared_) == common)) return;
  DropShared();
  model_.Share(ticket.sequence, shared_sequence_, 0, common);
  shared_.assign(held.begin(), held.begin() + static_cast<ptrdiff_t>(common));
}

// Goes on with the cells of the last request where no more of the prompt can be had elsewhere; otherwise they are
// dropped, since a request that runs alone has its cells in order.
bool KeptBeginnings::TakeOverLast(Ticket& ticket, size_t saved) {
  if (last_sequence_ < 0) return false;
  const size_t held =
      std::min(Usable(SharedTokens(ticket.prompt, last_held_), ticket.prompt.size()), ticket.options.start_max);
  if (held == 0 || held < saved) {
    DropLast();
    return false;
  }
  model_.Forget(last_sequence_, held);
  ticket.sequence = std::exchange(last_sequence_, -1);
  ticket.held = held;
  last_held_.clear();
  return true;
}

void KeptBeginnings::DropLast() {
  model_.Forget(last_sequence_, 0);
  free_sequences_.push_back(std::exchange(last_sequence_, -1));
  last_held_.clear();
}

void KeptBeginnings::DropShared() {
  model_.Forget(shared_sequence_, 0);
  shared_.clear();
}

}  // namespace ragtime
