// SPDX-License-Identifier: Apache-2.0
//
// KeptBeginnings is what stays of prompts for those that come: cells in the model and saved states. It gives a request
// its sequence, with as much of its prompt in it as can be had, and keeps what it leaves.
// docs/internals/generation.md, "Where a prompt starts", tells what and why.
//
// Threads: one at a time, the one that computes; on_message and on_written may be called on another.
#ifndef RAGTIME_MODEL_LLAMA_KEPT_BEGINNINGS_H_
#define RAGTIME_MODEL_LLAMA_KEPT_BEGINNINGS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/llama/batch_model.h"
#include "model/llama/prefix_cache.h"
#include "model/llama/reading_memory.h"
#include "model/llama/scheduler_options.h"
#include "model/llama/ticket.h"

namespace ragtime {

class KeptBeginnings {
 public:
  // Uses all sequences of `model` but the last ones, which are for heads of chunks; two of them for itself. Both must
  // outlive it. `on_message` gets what is wrong with
  // the folder of states; `on_written` is called when a state has reached the disk: TakeWritten then finds it.
  KeptBeginnings(BatchModel& model, const SchedulerOptions& options, std::function<void(std::string)> on_message,
                 std::function<void()> on_written);
  KeptBeginnings(const KeptBeginnings&) = delete;
  KeptBeginnings& operator=(const KeptBeginnings&) = delete;

  bool reuses() const { return reuses_; }
  // Whether a request can get a sequence.
  bool has_sequence() const { return !free_sequences_.empty() || last_sequence_ >= 0; }
  // Cells of the beginning that the last prompts had in common.
  size_t shared_tokens() const { return shared_.size(); }
  PrefixCache& states() { return *states_; }

  // Whether a running request is about to hold so much more of the prompt than can be had now that it is worth waiting.
  bool IsWorthWaiting(const std::vector<Token>& prompt, std::span<const TicketPtr> running) const;
  // Gives the request a sequence, and puts into it what can be had of its prompt.
  void Begin(Ticket& ticket, std::span<const TicketPtr> running);
  // Keeps what the request leaves, which runs no more, and takes its sequence back.
  void End(Ticket& ticket);
  // Adds what was read apart of the request's prompt to what its sequence holds, and saves it. Where there is no room
  // for it, the sequence stays as it is.
  void TakeRead(Ticket& ticket, ReadingMemory& memory);
  // Adds what a state holds of a range of the prompt to what the request's sequence holds; it was computed `back`
  // positions before. False: there was no room.
  bool TakeIn(const Ticket& ticket, std::span<const std::byte> state, TokenRange range, size_t back = 0);
  void DropShared();
  // Computing a wide part of a prompt took so long for each of its tokens.
  void ReadTook(double token_ms);

 private:
  // Where a prompt can start from.
  struct Start {
    int sequence = -1;  // One in the model that holds the first `shared` tokens.
    size_t shared = 0;
    std::vector<PrefixCache::Piece> pieces;  // Saved states of the first `saved` tokens.
    size_t saved = 0;
    size_t soon = 0;  // Tokens that a running request is about to hold.
  };

  Start FindStart(const std::vector<Token>& prompt, std::span<const TicketPtr> running) const;
  size_t Usable(size_t found, size_t prompt_tokens) const;
  void LoadPieces(Ticket& ticket, std::span<const PrefixCache::Piece> pieces, size_t limit);
  bool TakeOverLast(Ticket& ticket, size_t saved);
  void DropLast();
  bool PaysToSave() const;
  void KeepState(Ticket& ticket);
  void KeepShared(Ticket& ticket);

  BatchModel& model_;
  const SchedulerOptions& options_;
  const bool reuses_;
  const int spare_sequence_;   // For loading and saving.
  const int shared_sequence_;  // Holds shared_.
  std::unique_ptr<PrefixCache> states_;
  std::vector<int> free_sequences_;
  double read_token_ms_min_ = 0;  // What a token costs, at best, that is computed and one that is saved.
  double save_token_ms_min_ = 0;
  size_t saves_measured_ = 0;
  std::vector<Token> last_prompt_;
  int last_sequence_ = -1;  // Holds last_held_, what is left of the last request while none runs; -1: nothing.
  std::vector<Token> last_held_;
  std::vector<Token> shared_;  // The beginning that the last prompts had in common.
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_KEPT_BEGINNINGS_H_
