// SPDX-License-Identifier: Apache-2.0
//
// Scheduler runs many generations on one model at once: one thread computes a batch that holds the next token of each
// request that writes and a part of the prompts of those that do not write yet. docs/internals/generation.md tells how.
//
// Threads: Run and statistics may be called concurrently; Run waits, and feeds the answer, on the calling thread.
// Errors: the context's; kResourceExhausted where a prompt can never fit; the model's own.
#ifndef RAGTIME_MODEL_LLAMA_SCHEDULER_H_
#define RAGTIME_MODEL_LLAMA_SCHEDULER_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_budget.h"
#include "model/answer_stream.h"
#include "model/llama/batch_model.h"
#include "model/llama/first_scores.h"
#include "model/llama/prefix_cache.h"
#include "model/llama/prompt_lookup.h"
#include "model/llama/reading_memory.h"
#include "model/llama/token_chooser.h"
#include "ragtime/context.h"
#include "ragtime/generator.h"

namespace ragtime {

struct SchedulerOptions {
  size_t context_tokens = 4096;  // Of one request: its prompt and its answer.
  // The largest batch while nobody writes, and while somebody does, who would wait for it. With 128 and 256 the first
  // tokens of 8 users came 1.6 and 1.3 times as late, and fewer in all (bench/generate.py): small batches cost more.
  size_t batch_tokens = kBatchTokensMax;
  size_t shared_batch_tokens = 512;
  // llama.cpp computes attention for this many tokens and more at once with another kernel, which rounds in other ways.
  // A prompt is therefore cut into parts no smaller than this, and a beginning is reused only as far as leaves such a
  // part, or nothing: then reuse does not change a bit of the answer.
  size_t wide_tokens = 64;
  uint64_t memory_bytes_max = 0;  // Of saved states.
  uint64_t disk_bytes_max = 0;
  std::filesystem::path states_folder;  // Empty: none.
  bool reuse = true;                    // False: every prompt is computed whole.
  // Guess what comes next while one request writes alone and it pays. A batch of several tokens rounds in other ways
  // than batches of one, so that a near tie may fall the other way.
  bool prompt_lookup = false;
  bool always_guesses = false;  // Whether it pays or not, to compare with.
  // Save states only where that is measured to be sooner than computing again. A GPU reads a prompt as fast as it
  // copies what it made of it.
  bool weighs_saving = false;
  uint32_t seed = 0;
  // What the model's threads are taken from while there is anything to compute; null: nothing.
  std::shared_ptr<ThreadBudget> budget;
  size_t threads = 1;
};

struct RunOptions {
  // Parts of the prompt that may stand at other places in other prompts. Not used where `joins` is false.
  std::vector<TokenRange> chunks;
  // Load what was computed of a chunk behind the same beginning, wherever it stands now. An approximation: what stands
  // between the beginning and the chunk is not seen by it.
  bool joins = false;
  // Of a chunk that is loaded at another place than it was computed at, so many tokens are computed anew: what a model
  // looks at most of a text is its beginning (LegoLink: Hu et al. 2024, arXiv 2410.15332, section 4).
  size_t head_tokens = 16;
  // Join whether that is measured to be sooner or not, to compare with.
  bool always_joins = false;
  // What of the prompt may be found instead of computed, at its place; for comparing.
  size_t start_max = SIZE_MAX;
  ThinkingLimit thinking = {};
  // Gets the scores of the first token.
  std::vector<float>* first_scores = nullptr;
};

class Scheduler {
 public:
  // Uses all sequences of `model`, which must outlive it, two of them for itself. While others run, prompts are read in
  // `reading_memory`, a memory of the same model with two sequences and room for a whole prompt; null: there is none.
  Scheduler(BatchModel& model, SchedulerOptions options, BatchModel* reading_memory = nullptr);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  // No Run may be under way. Saved states are written by then.
  ~Scheduler();

  Result<GenerationResult> Run(const Context& context, std::vector<Token> prompt, const GenerationRequest& request,
                               AnswerStream& answer, RunOptions options = {});
  // The prompt, but for its last token, that was saved or found last before this scheduler was made; empty: none was.
  const std::vector<Token>& latest_prompt() const { return latest_prompt_; }
  GeneratorStatistics statistics() const;

 private:
  struct Ticket;
  struct Start;
  struct Join;
  using TicketPtr = std::shared_ptr<Ticket>;

  void Loop();
  // Of the caller.
  Result<GenerationResult> Follow(const Context& context, Ticket& ticket, AnswerStream& answer);
  // Of the engine thread.
  void TakeWaiting();
  TicketPtr NextInTurn();
  bool Admit(const TicketPtr& ticket);
  Start FindStart(const std::vector<Token>& prompt);
  size_t Usable(size_t found, size_t prompt_tokens) const;
  void LoadPieces(Ticket& ticket, std::span<const PrefixCache::Piece> pieces, size_t limit);
  void PlanJoins(Ticket& ticket);
  void JoinDue(Ticket& ticket);
  void WantChunk(std::vector<Token> tokens);
  void ComputeWantedChunk();
  void DropGone();
  void Step();
  void ComputeBatch(std::span<const BatchToken> batch);
  void ReadApart();
  void MoveRead(Ticket& ticket);
  bool TakeOverLast(Ticket& ticket, size_t saved);
  void DropLast();
  bool TakeIn(Ticket& ticket, std::span<const std::byte> state, size_t end);
  size_t PartOf(size_t rest, size_t room) const;
  std::vector<BatchToken> MakeBatch();
  void GuessAhead(Ticket& ticket, std::vector<BatchToken>& batch);
  void BeginWithKnownScores(const TicketPtr& ticket);
  bool TakeToken(Ticket& ticket, std::span<float> scores, bool& truncated);
  void Advance(const TicketPtr& ticket);
  void End(const TicketPtr& ticket, Status status, bool truncated);
  bool PaysToSave() const;
  void KeepState(Ticket& ticket);
  void KeepShared(Ticket& ticket);
  void DropShared();
  void Publish(Ticket& ticket, std::string piece);
  void UpdateStatistics();

  BatchModel& model_;
  const SchedulerOptions options_;
  const bool reuses_;
  const int spare_sequence_;   // For loading and saving.
  const int shared_sequence_;  // Holds shared_.
  std::vector<Token> latest_prompt_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<TicketPtr> arrived_;   // Guarded by mutex_.
  bool stopping_ = false;           // Guarded by mutex_.
  bool has_written_ = false;        // Guarded by mutex_. A saved state has reached the disk.
  GeneratorStatistics statistics_;  // Guarded by mutex_.
  std::atomic<bool> has_arrived_ = false;
  std::vector<std::string> warnings_;  // Guarded by mutex_. For whoever ends next.

  // Of the engine thread only.
  std::unique_ptr<PrefixCache> states_;
  std::unique_ptr<ReadingMemory> reading_memory_;  // Null: there is none.
  TicketPtr read_apart_;                           // Whose prompt it holds a part of.
  std::deque<TicketPtr> waiting_;
  std::vector<TicketPtr> running_;
  std::vector<int> free_sequences_;
  std::string last_client_;
  size_t reserved_ = 0;  // Cells that running requests may come to need.
  LookupGate lookup_;
  FirstScores first_scores_;
  std::map<std::vector<Token>, size_t> chunk_uses_;  // By the tokens up to the chunk's end.
  std::deque<std::vector<Token>> chunks_wanted_;     // Computed when nobody waits.
  double read_token_ms_ = 0;  // What a token costs that is computed, and, at best, one that is joined.
  double join_token_ms_min_ = 0;
  double read_token_ms_min_ = 0;  // At best, likewise of one that is saved.
  double save_token_ms_min_ = 0;
  size_t saves_measured_ = 0;
  std::vector<Token> last_prompt_;
  int last_sequence_ = -1;  // Holds last_held_, what is left of the last request while none runs; -1: nothing.
  std::vector<Token> last_held_;
  std::vector<Token> shared_;  // The beginning that the last prompts had in common.

  std::thread thread_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_SCHEDULER_H_
