// SPDX-License-Identifier: Apache-2.0
#include "model/llama/scheduler.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "model/llama/next_batch.h"

namespace ragtime {

Scheduler::Scheduler(BatchModel& model, SchedulerOptions options, BatchModel* reading_memory)
    : model_(model),
      options_(std::move(options)),
      beginnings_(
          model, options_,
          [this](std::string message) {
            std::lock_guard lock(mutex_);
            warnings_.push_back(std::move(message));
          },
          [this] {
            {
              std::lock_guard lock(mutex_);
              has_written_ = true;
            }
            wake_.notify_all();
          }),
      joins_(model, options_, beginnings_, static_cast<int>(model.sequences() - options_.head_sequences)),
      writer_(model, options_, beginnings_.reuses()) {
  latest_prompt_ = beginnings_.states().Latest();
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
      std::make_shared<Ticket>(model_, std::move(prompt), request, std::move(options), cells, options_.seed);
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return CancelledError("the language model is being closed");
    arrived_.push_back(ticket);
    has_arrived_ = true;
  }
  wake_.notify_all();
  Result<GenerationResult> result = ticket->answer.Follow(context, answer);
  // The engine lets go of it after the batch under way, or before, if nobody else waits for that.
  ticket->left = true;
  wake_.notify_all();
  if (result.ok()) result->prompt_tokens = ticket->prompt.size();
  if (result.ok() && ticket->options.first_scores != nullptr) {
    *ticket->options.first_scores = ticket->answer.TakeFirstScores();
  }
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
               joins_.wants_chunks();
      });
      if (stopping_) break;
      has_arrived_ = false;
      has_written_ = false;
      for (TicketPtr& ticket : arrived_) waiting_.Add(std::move(ticket));
      arrived_.clear();
    }
    // llama.cpp allocates, and its C++ may throw.
    try {
      beginnings_.states().TakeWritten();
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
  waiting_.DropLeft();
  const std::vector<TicketPtr> all = running_;
  for (const TicketPtr& ticket : all) {
    if (ticket->left || (ticket->is_background && !waiting_.empty()))
      End(ticket, CancelledError("nobody waits for the answer"), false);
  }
}

// Starts what has room, client by client in turn. Who comes first and has none is waited for, so that large requests
// are not passed by for ever.
void Scheduler::TakeWaiting() {
  while (!waiting_.empty() && beginnings_.has_sequence()) {
    const TicketPtr ticket =
        waiting_.Next([this](const Ticket& waiting) { return beginnings_.IsWorthWaiting(waiting.prompt, running_); });
    if (ticket == nullptr || !Admit(ticket)) return;
  }
}

bool Scheduler::Admit(const TicketPtr& ticket) {
  const size_t used = reserved_ + beginnings_.shared_tokens();
  if (used + ticket->cells_needed > model_.cells()) {
    beginnings_.DropShared();
    if (reserved_ + ticket->cells_needed > model_.cells()) return false;
  }
  waiting_.Remove(ticket);
  reserved_ += ticket->cells_needed;
  const double queue_ms = ticket->stopwatch.ElapsedMs();
  beginnings_.Begin(*ticket, running_);
  joins_.Plan(*ticket);
  // A part that is not wide is computed as fast among the others, and what is joined is joined there.
  ticket->alone = running_.empty();
  for (const TicketPtr& other : running_) other->alone = false;
  ticket->apart = reading_memory_ != nullptr && !running_.empty() && !ticket->join_at &&
                  ticket->held + options_.wide_tokens < ticket->prompt.size();
  running_.push_back(ticket);
  if (ticket->is_background) return true;
  ticket->answer.Begin(queue_ms);
  {
    std::lock_guard lock(mutex_);
    statistics_.prompt_tokens += ticket->prompt.size();
  }
  CountCached(*ticket, ticket->held, 0);
  const AnswerWriter::Progress progress = writer_.BeginWithKnownScores(*ticket);
  // Nobody needs the prompt's last token any more.
  if (progress.ends) CountCached(*ticket, 1, 0);
  Note(ticket, progress);
  return true;
}

// Starts to compute a chunk behind its beginning, to be kept; it is given up as soon as somebody asks.
void Scheduler::ComputeWantedChunk() {
  if (!joins_.wants_chunks()) return;
  GenerationRequest request;
  request.max_tokens = 0;
  std::vector<Token> tokens = joins_.TakeWanted();
  const size_t cells = tokens.size();
  if (cells > model_.cells() || !beginnings_.has_sequence()) return;
  const auto ticket = std::make_shared<Ticket>(model_, std::move(tokens), request, RunOptions(), cells, options_.seed);
  ticket->is_background = true;
  Admit(ticket);
}

void Scheduler::Step() {
  for (const TicketPtr& ticket : running_) {
    if (ticket->join_at != ticket->held) continue;
    const size_t joined = joins_.Join(*ticket);
    if (joined > 0) CountCached(*ticket, joined, joined);
  }
  const std::vector<BatchToken> batch = NextBatch(running_, options_, writer_, joins_);
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
  const size_t part = WidePart(body - reading_memory_->held(),
                               std::min(options_.batch_tokens, options_.shared_batch_tokens), options_.wide_tokens);
  const Status status = reading_memory_->Read(std::span(ticket->prompt).subspan(reading_memory_->held(), part),
                                              [&ticket, this] { return IsUnwanted(*ticket); });
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
  ticket.apart = false;
  beginnings_.TakeRead(ticket, *reading_memory_);
  reading_memory_->Clear();
  read_apart_ = nullptr;
}

void Scheduler::ComputeBatch(std::span<const BatchToken> batch) {
  std::vector<TicketPtr> computed;
  for (const TicketPtr& ticket : running_) {
    if (ticket->batch_end > ticket->held || !ticket->heads.empty()) computed.push_back(ticket);
  }
  const Stopwatch stopwatch;
  const Status status = model_.Compute(batch, [this, &computed] {
    return std::all_of(computed.begin(), computed.end(), [this](const auto& ticket) { return IsUnwanted(*ticket); });
  });
  const double ms = stopwatch.ElapsedMs();
  if (computed.size() == 1 && computed.front()->written > 0) writer_.BatchTook(batch.size(), ms);
  if (batch.size() >= options_.wide_tokens) {
    const double token_ms = ms / static_cast<double>(batch.size());
    beginnings_.ReadTook(token_ms);
    if (computed.size() == 1) joins_.ReadTook(token_ms);
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
      Note(ticket, writer_.Advance(*ticket));
    } else if (!ticket->heads.empty()) {
      joins_.TakeHeads(*ticket);
    } else {
      ticket->held = ticket->batch_end;
    }
  }
}

bool Scheduler::IsUnwanted(const Ticket& ticket) const {
  return ticket.left.load() || (ticket.is_background && has_arrived_.load());
}

void Scheduler::CountCached(Ticket& ticket, size_t tokens, size_t joined) {
  ticket.answer.AddCached(tokens);
  std::lock_guard lock(mutex_);
  statistics_.cached_tokens += tokens;
  statistics_.joined_tokens += joined;
}

void Scheduler::Note(const TicketPtr& ticket, const AnswerWriter::Progress& progress) {
  {
    std::lock_guard lock(mutex_);
    statistics_.completion_tokens += progress.written;
    statistics_.guessed_tokens += progress.guessed;
    statistics_.right_guesses += progress.right;
  }
  if (progress.ends) return End(ticket, Status(), progress.truncated);
  // What is computed next takes the processors from those who bring the first token to its reader, for milliseconds.
  const bool is_first = progress.written > 0 && progress.written == ticket->written;
  if (is_first && running_.size() == 1)
    ticket->answer.AwaitReader(std::chrono::milliseconds(options_.hand_over_ms_max));
}

void Scheduler::End(const TicketPtr& ticket, Status status, bool truncated) {
  std::vector<std::string> warnings;
  {
    std::lock_guard lock(mutex_);
    warnings = std::exchange(warnings_, {});
  }
  ticket->answer.End(std::move(status), truncated, std::move(warnings));
  if (read_apart_ == ticket) MoveRead(*ticket);
  std::erase(running_, ticket);
  joins_.DropHeads(*ticket);
  beginnings_.End(*ticket);
  reserved_ -= ticket->cells_needed;
  UpdateStatistics();
}

void Scheduler::UpdateStatistics() {
  std::lock_guard lock(mutex_);
  statistics_.requests_waiting = waiting_.size();
  statistics_.requests_running = running_.size();
  statistics_.cells = model_.cells();
  statistics_.cells_reserved = reserved_;
  statistics_.states_memory_bytes = beginnings_.states().memory_bytes();
  statistics_.states_disk_bytes = beginnings_.states().disk_bytes();
}

}  // namespace ragtime
