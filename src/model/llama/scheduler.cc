// SPDX-License-Identifier: Apache-2.0
#include "model/llama/scheduler.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

// A shorter beginning that prompts have in common is not worth a sequence of its own.
constexpr size_t kSharedTokensMin = 16;
// A prompt that shares this much with one that is being read waits for it instead of reading it as well.
constexpr size_t kWorthWaitingTokens = 64;
// Some 80 prompts of a vocabulary of 49,152.
constexpr size_t kFirstScoresBytesMax = 16 << 20;

size_t SharedTokens(std::span<const Token> a, std::span<const Token> b) {
  const auto most = static_cast<ptrdiff_t>(std::min(a.size(), b.size()));
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first - a.begin());
}

}  // namespace

// A part of a prompt that is loaded from where it was computed, `back` positions before.
struct Scheduler::Join {
  TokenRange range;
  size_t back = 0;
  std::vector<PrefixCache::Piece> pieces;
};

// A request, shared by the thread that waits for it and the engine's.
struct Scheduler::Ticket {
  Ticket(BatchModel& model, std::vector<Token> tokens, const GenerationRequest& asked, ThinkingLimit thinking,
         size_t cells, uint32_t seed)
      : prompt(std::move(tokens)),
        max_tokens(asked.max_tokens),
        client(asked.client),
        cells_needed(cells),
        chooser(model, asked, std::move(thinking), seed) {}

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

  // Of the engine thread.
  TokenChooser chooser;
  int sequence = -1;
  size_t held = 0;  // Tokens that the sequence holds: of the prompt, then of the answer.
  size_t written = 0;
  Token last = 0;              // Written, not held yet.
  std::vector<Token> text;     // The prompt and what is written, where it is looked up.
  std::vector<Token> guesses;  // Of the batch under way, behind `last`.
  LookupGate::Record lookup;
  RunOptions options;
  bool is_background = false;       // Nobody waits for it: it is computed to be kept.
  std::deque<Join> joins;           // To come, in order.
  bool alone = false;               // No other has run since it began.
  bool apart = false;               // Its prompt is read in the reading memory.
  size_t exact = SIZE_MAX;          // What is held from here on is an approximation, and is not kept.
  size_t batch_end = 0;             // What `held` becomes when the batch under way is done.
  std::optional<size_t> scores_at;  // Where in that batch its scores are.

  // Guarded by the scheduler's mutex_.
  std::condition_variable_any changed;
  std::deque<std::string> pieces;
  bool done = false;
  bool truncated = false;
  Status status;
  size_t cached = 0;
  double queue_ms = 0;
  std::vector<std::string> warnings;
};

// Where a prompt can start from.
struct Scheduler::Start {
  int sequence = -1;  // One in the model that holds the first `shared` tokens.
  size_t shared = 0;
  std::vector<PrefixCache::Piece> pieces;  // Saved states of the first `saved` tokens.
  size_t saved = 0;
  size_t soon = 0;  // Tokens that a running request is about to hold.
};

Scheduler::Scheduler(BatchModel& model, SchedulerOptions options, BatchModel* reading_memory)
    : model_(model),
      options_(std::move(options)),
      reuses_(options_.reuse && model.keeps_beginnings()),
      spare_sequence_(static_cast<int>(model.sequences()) - 1),
      shared_sequence_(static_cast<int>(model.sequences()) - 2),
      first_scores_(kFirstScoresBytesMax) {
  for (int sequence = shared_sequence_ - 1; sequence >= 0; --sequence) free_sequences_.push_back(sequence);
  std::unique_ptr<StateFolder> folder;
  if (!options_.states_folder.empty() && options_.disk_bytes_max > 0 && reuses_) {
    folder = std::make_unique<StateFolder>(options_.states_folder, model.fingerprint(), [this](std::string message) {
      std::lock_guard lock(mutex_);
      warnings_.push_back(std::move(message));
    });
  }
  states_ =
      std::make_unique<PrefixCache>(options_.memory_bytes_max, options_.disk_bytes_max, std::move(folder), [this] {
        {
          std::lock_guard lock(mutex_);
          has_written_ = true;
        }
        wake_.notify_all();
      });
  latest_prompt_ = states_->Latest();
  if (reading_memory != nullptr && model.keeps_beginnings()) {
    reading_memory_ = std::make_unique<ReadingMemory>(*reading_memory, model);
  }
  UpdateStatistics();
  thread_ = std::thread([this] { Loop(); });
}

Scheduler::~Scheduler() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

GeneratorStatistics Scheduler::statistics() const {
  std::lock_guard lock(mutex_);
  GeneratorStatistics statistics = statistics_;
  statistics.requests_waiting += arrived_.size();
  return statistics;
}

Result<GenerationResult> Scheduler::Run(const Context& context, std::vector<Token> prompt,
                                        const GenerationRequest& request, AnswerStream& answer, RunOptions options) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  if (prompt.empty()) return InvalidArgumentError("the prompt is empty");
  const size_t context_tokens = std::min(options_.context_tokens, model_.cells());
  if (prompt.size() >= context_tokens) {
    return ResourceExhaustedError(StrCat("the prompt is longer than the context of the language model: ", prompt.size(),
                                         " of ", context_tokens, " tokens"),
                                  "raise llm.context_tokens or lower answer.passages");
  }
  const size_t cells = prompt.size() + std::min(request.max_tokens, context_tokens - prompt.size());
  const auto ticket =
      std::make_shared<Ticket>(model_, std::move(prompt), request, std::move(options.thinking), cells, options_.seed);
  ticket->options = std::move(options);
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return CancelledError("the language model is being closed");
    arrived_.push_back(ticket);
    has_arrived_ = true;
  }
  wake_.notify_all();
  Result<GenerationResult> result = Follow(context, *ticket, answer);
  // The engine lets go of it after the batch under way, or before, if nobody else waits for that.
  ticket->left = true;
  wake_.notify_all();
  return result;
}

Result<GenerationResult> Scheduler::Follow(const Context& context, Ticket& ticket, AnswerStream& answer) {
  size_t written = 0;
  bool wanted = true;
  std::unique_lock lock(mutex_);
  while (wanted) {
    const auto has_news = [&ticket] { return ticket.done || !ticket.pieces.empty(); };
    if (context.deadline) {
      ticket.changed.wait_until(lock, context.stop, *context.deadline, has_news);
    } else {
      ticket.changed.wait(lock, context.stop, has_news);
    }
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (ticket.pieces.empty()) break;  // Done, and all is read.
    std::deque<std::string> pieces;
    pieces.swap(ticket.pieces);
    lock.unlock();
    for (const std::string& piece : pieces) {
      ++written;
      wanted = answer.Feed(piece);
      if (!wanted) break;
    }
    lock.lock();
  }
  if (wanted && !ticket.status.ok()) return ticket.status;
  const size_t cached = ticket.cached;
  const double queue_ms = ticket.queue_ms;
  const bool truncated = wanted && ticket.truncated;
  std::vector<std::string> warnings = std::move(ticket.warnings);
  lock.unlock();
  GenerationResult result = answer.Finish(written);
  result.prompt_tokens = ticket.prompt.size();
  result.cached_tokens = cached;
  result.queue_ms = queue_ms;
  result.truncated = truncated;
  result.warnings = std::move(warnings);
  return result;
}

void Scheduler::Loop() {
  ThreadBudget::Share threads;
  for (;;) {
    if (running_.empty()) threads.Return();
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] {
        return stopping_ || has_written_ || !arrived_.empty() || !waiting_.empty() || !running_.empty() ||
               !chunks_wanted_.empty();
      });
      if (stopping_) break;
      has_arrived_ = false;
      has_written_ = false;
      std::move(arrived_.begin(), arrived_.end(), std::back_inserter(waiting_));
      arrived_.clear();
    }
    // llama.cpp allocates, and its C++ may throw.
    try {
      states_->TakeWritten();
      DropGone();
      TakeWaiting();
      if (running_.empty() && waiting_.empty()) ComputeWantedChunk();
      UpdateStatistics();
      if (running_.empty()) continue;
      if (options_.budget != nullptr && threads.threads() == 0) {
        threads = options_.budget->TakeForAnswers(options_.threads);
      }
      Step();
    } catch (const std::exception& exception) {
      const std::vector<TicketPtr> all = running_;
      for (const TicketPtr& ticket : all) {
        End(ticket, InternalError(StrCat("llama.cpp failed: ", exception.what())), false);
      }
    }
  }
  // Those that were left with their receiver have computed something all the same.
  const std::vector<TicketPtr> all = running_;
  for (const TicketPtr& ticket : all) End(ticket, CancelledError("the language model is being closed"), false);
}

void Scheduler::DropGone() {
  std::erase_if(waiting_, [](const TicketPtr& ticket) { return ticket->left.load(); });
  const std::vector<TicketPtr> all = running_;
  for (const TicketPtr& ticket : all) {
    if (ticket->left || (ticket->is_background && !waiting_.empty()))
      End(ticket, CancelledError("nobody waits for the answer"), false);
  }
}

// Starts what has room, client by client in turn. Who comes first and has none is waited for, so that large requests
// are not passed by for ever.
void Scheduler::TakeWaiting() {
  while (!waiting_.empty() && (!free_sequences_.empty() || last_sequence_ >= 0)) {
    const TicketPtr ticket = NextInTurn();
    if (ticket == nullptr || !Admit(ticket)) return;
  }
}

// The first request of the client whose turn it is, of those that do not rather wait for another's prompt.
Scheduler::TicketPtr Scheduler::NextInTurn() {
  TicketPtr first;
  for (const TicketPtr& ticket : waiting_) {
    const Start start = FindStart(ticket->prompt);
    if (start.soon >= std::max(start.shared, start.saved) + kWorthWaitingTokens) continue;
    // In turn: the least name behind the last one served, else the least of all.
    const bool is_next = ticket->client > last_client_;
    if (first == nullptr || (is_next && !(first->client > last_client_)) ||
        (is_next == (first->client > last_client_) && ticket->client < first->client)) {
      first = ticket;
    }
  }
  return first;
}

Scheduler::Start Scheduler::FindStart(const std::vector<Token>& prompt) {
  Start start;
  if (!reuses_) return start;
  const auto consider = [&](size_t tokens, int sequence) {
    if (Usable(tokens, prompt.size()) <= start.shared) return;
    start.shared = Usable(tokens, prompt.size());
    start.sequence = sequence;
  };
  consider(SharedTokens(prompt, shared_), shared_sequence_);
  for (const TicketPtr& other : running_) {
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
size_t Scheduler::Usable(size_t found, size_t prompt_tokens) const {
  const size_t body = prompt_tokens - 1;
  if (body < options_.wide_tokens) return 0;
  return found >= body ? body : std::min(found, body - options_.wide_tokens);
}

bool Scheduler::Admit(const TicketPtr& ticket) {
  const size_t used = reserved_ + shared_.size();
  if (used + ticket->cells_needed > model_.cells()) {
    DropShared();
    if (reserved_ + ticket->cells_needed > model_.cells()) return false;
  }
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), ticket));
  last_client_ = ticket->client;
  reserved_ += ticket->cells_needed;
  const double queue_ms = ticket->stopwatch.ElapsedMs();
  Start start = FindStart(ticket->prompt);
  start.shared = std::min(start.shared, ticket->options.start_max);
  start.saved = std::min(start.saved, ticket->options.start_max);
  if (TakeOverLast(*ticket, std::max(start.saved, start.shared))) {
    start.shared = start.saved = 0;
  } else {
    ticket->sequence = free_sequences_.back();
    free_sequences_.pop_back();
  }
  if (running_.empty() && start.saved >= start.shared) {
    // Alone, a request gets its cells in the order of their positions, as if nothing had been kept: the kernels add up
    // in the order of cells.
    DropShared();
    start.shared = 0;
  }
  if (start.shared > 0) {
    model_.Share(start.sequence, ticket->sequence, 0, start.shared);
    ticket->held = start.shared;
  }
  if (start.saved > ticket->held) LoadPieces(*ticket, start.pieces, start.saved);
  if (ticket->options.joins && model_.moves()) PlanJoins(*ticket);
  // A part that is not wide is computed as fast among the others, and what is joined is joined there.
  ticket->alone = running_.empty();
  for (const TicketPtr& other : running_) other->alone = false;
  ticket->apart = reading_memory_ != nullptr && !running_.empty() && ticket->joins.empty() &&
                  ticket->held + options_.wide_tokens < ticket->prompt.size();
  running_.push_back(ticket);
  if (ticket->is_background) return true;
  {
    std::lock_guard lock(mutex_);
    ticket->cached = ticket->held;
    ticket->queue_ms = queue_ms;
    statistics_.prompt_tokens += ticket->prompt.size();
    statistics_.cached_tokens += ticket->held;
  }
  BeginWithKnownScores(ticket);
  return true;
}

// Adds saved states to what the sequence holds, up to `limit`. Where one cannot be had, the rest is computed.
void Scheduler::LoadPieces(Ticket& ticket, std::span<const PrefixCache::Piece> pieces, size_t limit) {
  for (const PrefixCache::Piece& piece : pieces) {
    const size_t end = std::min(piece.end, limit);
    if (end <= ticket.held) continue;
    const std::optional<std::span<const std::byte>> state = states_->Use(piece.state);
    if (!state || !TakeIn(ticket, *state, end)) return;
  }
}

// Adds what a state holds of its prompt before `end` to what the sequence holds. False: there was no room.
bool Scheduler::TakeIn(Ticket& ticket, std::span<const std::byte> state, size_t end) {
  const bool loaded = model_.LoadState(spare_sequence_, state).ok();
  if (loaded) {
    model_.Share(spare_sequence_, ticket.sequence, ticket.held, end);
    ticket.held = end;
  }
  model_.Forget(spare_sequence_, 0);
  return loaded;
}

// Finds out which chunks of the prompt can be loaded, and remembers which ones should have been there.
void Scheduler::PlanJoins(Ticket& ticket) {
  if (ticket.options.chunks.empty()) return;
  const size_t beginning = ticket.options.chunks.front().start;
  const bool is_quick = ticket.options.always_joins || read_token_ms_ == 0 || join_token_ms_min_ < read_token_ms_;
  // The first one stands where it was computed: it is found with the beginning.
  for (const TokenRange& chunk : std::span(ticket.options.chunks).subspan(1)) {
    std::vector<Token> tokens(ticket.prompt.begin(), ticket.prompt.begin() + static_cast<ptrdiff_t>(beginning));
    tokens.insert(tokens.end(), ticket.prompt.begin() + static_cast<ptrdiff_t>(chunk.start),
                  ticket.prompt.begin() + static_cast<ptrdiff_t>(chunk.end));
    const size_t back = chunk.start - beginning;
    std::vector<PrefixCache::Piece> pieces = states_->Match(tokens);
    const TokenRange range{chunk.start + ticket.options.head_tokens, (pieces.empty() ? 0 : pieces.back().end) + back};
    if (range.end < range.start + options_.wide_tokens) {
      if (chunk.end > range.start + options_.wide_tokens) WantChunk(std::move(tokens));
      continue;
    }
    if (range.start < ticket.held || !is_quick) continue;
    ticket.exact = std::min(ticket.exact, range.start);
    ticket.joins.push_back({range, back, std::move(pieces)});
  }
}

// Loads the chunk whose place comes next. Where it cannot be had, it is computed.
void Scheduler::JoinDue(Ticket& ticket) {
  while (!ticket.joins.empty() && ticket.joins.front().range.start == ticket.held) {
    const Join join = std::move(ticket.joins.front());
    ticket.joins.pop_front();
    const Stopwatch stopwatch;
    for (const PrefixCache::Piece& piece : join.pieces) {
      if (piece.end + join.back <= ticket.held) continue;
      const std::optional<std::span<const std::byte>> state = states_->Use(piece.state);
      const bool loaded = state && model_.LoadState(spare_sequence_, *state).ok();
      if (loaded) {
        model_.Move(spare_sequence_, static_cast<ptrdiff_t>(join.back));
        model_.Share(spare_sequence_, ticket.sequence, ticket.held, piece.end + join.back);
        ticket.held = piece.end + join.back;
      }
      model_.Forget(spare_sequence_, 0);
      if (!loaded) break;
    }
    const size_t joined = ticket.held - join.range.start;
    if (joined == 0) continue;
    // At best: one that was interrupted by other work must not be the last that is ever tried.
    const double ms = stopwatch.ElapsedMs() / static_cast<double>(joined);
    join_token_ms_min_ = join_token_ms_min_ == 0 ? ms : std::min(join_token_ms_min_, ms);
    std::lock_guard lock(mutex_);
    ticket.cached += joined;
    statistics_.cached_tokens += joined;
    statistics_.joined_tokens += joined;
  }
}

// A chunk that was missed for the second time is worth computing apart.
void Scheduler::WantChunk(std::vector<Token> tokens) {
  constexpr size_t kRememberedMax = 1024;
  constexpr size_t kWantedMax = 32;
  if (!states_->enabled()) return;
  if (chunk_uses_.size() >= kRememberedMax) chunk_uses_.clear();
  if (++chunk_uses_[tokens] < 2 || chunks_wanted_.size() >= kWantedMax) return;
  if (std::find(chunks_wanted_.begin(), chunks_wanted_.end(), tokens) != chunks_wanted_.end()) return;
  chunks_wanted_.push_back(std::move(tokens));
}

// Starts to compute a chunk behind its beginning, to be kept; it is given up as soon as somebody asks.
void Scheduler::ComputeWantedChunk() {
  if (chunks_wanted_.empty()) return;
  GenerationRequest request;
  request.max_tokens = 0;
  std::vector<Token> tokens = std::move(chunks_wanted_.front());
  chunks_wanted_.pop_front();
  const size_t cells = tokens.size();
  if (cells > model_.cells()) return;
  const auto ticket =
      std::make_shared<Ticket>(model_, std::move(tokens), request, ThinkingLimit(), cells, options_.seed);
  ticket->is_background = true;
  waiting_.push_back(ticket);
  TakeWaiting();
  waiting_.clear();
}

std::vector<BatchToken> Scheduler::MakeBatch() {
  std::vector<BatchToken> batch;
  for (const TicketPtr& ticket : running_) {
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
    if (!begins && running_.size() == 1) GuessAhead(*ticket, batch);
  }
  const size_t most = batch.empty() ? options_.batch_tokens : options_.shared_batch_tokens;
  size_t room = std::max(most, batch.size() + 1) - batch.size();
  // In the order in which they came: a part of a prompt is the cheaper the larger it is, and of prompts that are read
  // side by side none is done before nearly all are.
  for (size_t i = 0; i < running_.size() && room > 0; ++i) {
    Ticket& ticket = *running_[i];
    if (!ticket.reads() || ticket.apart) continue;
    const size_t end = ticket.joins.empty() ? ticket.prompt.size() - 1 : ticket.joins.front().range.start;
    const size_t part = PartOf(end - ticket.held, room);
    room -= part;
    for (size_t n = 0; n < part; ++n, ++ticket.batch_end) {
      batch.push_back({ticket.prompt[ticket.batch_end], ticket.batch_end, ticket.sequence, false});
    }
  }
  return batch;
}

// How much of `rest` is read in a batch with so much room: what is left for the next one is a wide part too.
size_t Scheduler::PartOf(size_t rest, size_t room) const {
  const size_t part = std::min(room, rest);
  if (rest > part && rest < part + options_.wide_tokens && rest > options_.wide_tokens) {
    return std::min(part, rest - options_.wide_tokens);
  }
  return part;
}

void Scheduler::Step() {
  for (const TicketPtr& ticket : running_) JoinDue(*ticket);
  const std::vector<BatchToken> batch = MakeBatch();
  if (!batch.empty()) ComputeBatch(batch);
  ReadApart();
}

// Reads the next part of the prompt whose turn it is, where that is read apart.
void Scheduler::ReadApart() {
  const auto first = std::find_if(running_.begin(), running_.end(), [](const auto& ticket) { return ticket->reads(); });
  if (first == running_.end() || !(*first)->apart) return;
  const TicketPtr ticket = *first;
  if (read_apart_ != ticket) {
    if (!reading_memory_->Begin(ticket->sequence, ticket->held).ok()) {
      ticket->apart = false;
      return;
    }
    read_apart_ = ticket;
  }
  const size_t body = ticket->prompt.size() - 1;
  const size_t part =
      PartOf(body - reading_memory_->held(), std::min(options_.batch_tokens, options_.shared_batch_tokens));
  const Status status = reading_memory_->Read(
      std::span(ticket->prompt).subspan(reading_memory_->held(), part),
      [&ticket, this] { return ticket->left.load() || (ticket->is_background && has_arrived_.load()); });
  {
    std::lock_guard lock(mutex_);
    ++statistics_.batches;
    statistics_.batch_tokens += part;
  }
  if (!status.ok()) {
    End(ticket, status.code() == StatusCode::kAborted ? CancelledError("nobody waits for the answer") : status, false);
  } else if (reading_memory_->held() == body) {
    MoveRead(*ticket);
  }
}

// Moves what was read apart into the memory that all share, and saves it.
void Scheduler::MoveRead(Ticket& ticket) {
  const size_t end = reading_memory_->held();
  const std::span<const Token> read(ticket.prompt.data(), end);
  const std::vector<PrefixCache::Piece> known = states_->Match(read);
  const size_t known_end = known.empty() ? 0 : known.back().end;
  // What is saved and what is moved is the same but where a part was saved before and not found.
  const bool saves = reuses_ && states_->enabled() && known_end <= ticket.held && known_end < end &&
                     ticket.prompt.size() > options_.wide_tokens;
  ticket.apart = false;
  if (end > ticket.held) {
    Result<std::vector<std::byte>> state = reading_memory_->Save(saves ? known_end : ticket.held);
    // Where there is no room for it, it is read again among the others.
    if (state.ok()) TakeIn(ticket, *state, end);
    if (state.ok() && saves) states_->Insert(read, known_end, *std::move(state));
  }
  reading_memory_->Clear();
  read_apart_ = nullptr;
}

void Scheduler::ComputeBatch(std::span<const BatchToken> batch) {
  std::vector<TicketPtr> computed;
  for (const TicketPtr& ticket : running_) {
    if (ticket->batch_end > ticket->held) computed.push_back(ticket);
  }
  const Stopwatch stopwatch;
  const Status status = model_.Compute(batch, [this, &computed] {
    return std::all_of(computed.begin(), computed.end(), [this](const TicketPtr& ticket) {
      return ticket->left.load() || (ticket->is_background && has_arrived_.load());
    });
  });
  if (computed.size() == 1 && computed.front()->written > 0) lookup_.TookMs(batch.size(), stopwatch.ElapsedMs());
  if (batch.size() >= options_.wide_tokens) {
    const double ms = stopwatch.ElapsedMs() / static_cast<double>(batch.size());
    read_token_ms_min_ = read_token_ms_min_ == 0 ? ms : std::min(read_token_ms_min_, ms);
  }
  if (computed.size() == 1 && batch.size() >= options_.wide_tokens) {
    read_token_ms_ = stopwatch.ElapsedMs() / static_cast<double>(batch.size());
  }
  {
    std::lock_guard lock(mutex_);
    ++statistics_.batches;
    statistics_.batch_tokens += batch.size();
  }
  if (!status.ok()) {
    for (const TicketPtr& ticket : computed) {
      // Part of the batch may have been taken in.
      model_.Forget(ticket->sequence, ticket->held);
      End(ticket, status.code() == StatusCode::kAborted ? CancelledError("nobody waits for the answer") : status,
          false);
    }
    return;
  }
  for (const TicketPtr& ticket : computed) {
    if (ticket->scores_at) {
      Advance(ticket);
    } else {
      ticket->held = ticket->batch_end;
    }
  }
}

// Adds guesses of the next tokens to the batch, as many as pay and fit.
void Scheduler::GuessAhead(Ticket& ticket, std::vector<BatchToken>& batch) {
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

// Chooses the first token before the prompt's last one is computed, where all else of the prompt is there and the
// scores behind it are known. Nothing else changes: the next step computes that last token, alone as always.
void Scheduler::BeginWithKnownScores(const TicketPtr& ticket) {
  if (ticket->reads() || ticket->max_tokens == 0 || ticket->options.first_scores != nullptr) return;
  const std::span<const float> known = first_scores_.Find(ticket->prompt);
  if (known.empty()) return;
  std::vector<float> scores(known.begin(), known.end());
  bool truncated = false;
  if (!TakeToken(*ticket, scores, truncated)) return;
  {
    // Nobody needs the prompt's last token any more.
    std::lock_guard lock(mutex_);
    ++ticket->cached;
    ++statistics_.cached_tokens;
  }
  End(ticket, Status(), truncated);
}

// Chooses and publishes the next token. True: the answer ends.
bool Scheduler::TakeToken(Ticket& ticket, std::span<float> scores, bool& truncated) {
  std::string piece;
  const std::optional<Token> token = ticket.chooser.Next(scores, piece);
  if (!token) return true;
  ticket.last = *token;
  ++ticket.written;
  if (!ticket.text.empty()) ticket.text.push_back(*token);
  Publish(ticket, std::move(piece));
  truncated = ticket.written == ticket.max_tokens || ticket.held == std::min(options_.context_tokens, model_.cells());
  return truncated;
}

// Takes the next token by the scores, and those after it as long as what was guessed is what is chosen.
void Scheduler::Advance(const TicketPtr& ticket) {
  ++ticket->held;
  if (ticket->max_tokens == 0) return End(ticket, Status(), true);
  const std::vector<Token>& guesses = ticket->guesses;
  if (ticket->written == 0 && ticket->alone && reuses_ && ticket->exact == SIZE_MAX) {
    first_scores_.Keep(ticket->prompt, model_.Scores(*ticket->scores_at));
  }
  if (ticket->options.first_scores != nullptr && ticket->written == 0) {
    const std::span<const float> scores = model_.Scores(*ticket->scores_at);
    ticket->options.first_scores->assign(scores.begin(), scores.end());
  }
  size_t right = 0;
  bool ends = false;
  bool truncated = false;
  for (;;) {
    ends = TakeToken(*ticket, model_.Scores(*ticket->scores_at + right), truncated);
    if (ends || right == guesses.size() || guesses[right] != ticket->last) break;
    ++right;
    ++ticket->held;
  }
  if (!guesses.empty()) {
    lookup_.Counted(ticket->lookup, guesses.size(), right);
    if (right < guesses.size()) model_.Forget(ticket->sequence, ticket->held);
    std::lock_guard lock(mutex_);
    statistics_.guessed_tokens += guesses.size();
    statistics_.right_guesses += right;
  }
  if (ends) End(ticket, Status(), truncated);
}

void Scheduler::Publish(Ticket& ticket, std::string piece) {
  {
    std::lock_guard lock(mutex_);
    ++statistics_.completion_tokens;
    ticket.pieces.push_back(std::move(piece));
  }
  ticket.changed.notify_all();
}

void Scheduler::End(const TicketPtr& ticket, Status status, bool truncated) {
  {
    std::lock_guard lock(mutex_);
    ticket->done = true;
    ticket->truncated = truncated;
    ticket->status = std::move(status);
    ticket->warnings = std::exchange(warnings_, {});
  }
  ticket->changed.notify_all();
  if (read_apart_ == ticket) MoveRead(*ticket);
  running_.erase(std::find(running_.begin(), running_.end(), ticket));
  if (reuses_) {
    KeepState(*ticket);
    KeepShared(*ticket);
  }
  // Alone, it has left its cells in the order of their positions, and nobody else attends over them.
  last_held_.clear();
  if (reuses_ && ticket->alone) last_held_.assign(ticket->kept().begin(), ticket->kept().end());
  model_.Forget(ticket->sequence, last_held_.size());
  if (last_held_.empty()) {
    free_sequences_.push_back(ticket->sequence);
  } else {
    last_sequence_ = ticket->sequence;
  }
  reserved_ -= ticket->cells_needed;
  UpdateStatistics();
}

// Of the states that are saved, about one in four is asked for again, and is then loaded for as much as it took to
// save.
bool Scheduler::PaysToSave() const {
  constexpr size_t kSavesMeasured = 3;
  if (!options_.weighs_saving || saves_measured_ < kSavesMeasured || read_token_ms_min_ == 0) return true;
  return save_token_ms_min_ < (read_token_ms_min_ - save_token_ms_min_) / 4;
}

// Saves what it has computed of its prompt and nobody has saved yet; also of a request that was given up.
void Scheduler::KeepState(Ticket& ticket) {
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
void Scheduler::KeepShared(Ticket& ticket) {
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
bool Scheduler::TakeOverLast(Ticket& ticket, size_t saved) {
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

void Scheduler::DropLast() {
  model_.Forget(last_sequence_, 0);
  free_sequences_.push_back(std::exchange(last_sequence_, -1));
  last_held_.clear();
}

void Scheduler::DropShared() {
  model_.Forget(shared_sequence_, 0);
  shared_.clear();
}

void Scheduler::UpdateStatistics() {
  std::lock_guard lock(mutex_);
  statistics_.requests_waiting = waiting_.size();
  statistics_.requests_running = running_.size();
  statistics_.cells = model_.cells();
  statistics_.cells_reserved = reserved_;
  statistics_.states_memory_bytes = states_->memory_bytes();
  statistics_.states_disk_bytes = states_->disk_bytes();
}

}  // namespace ragtime
