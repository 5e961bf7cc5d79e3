// SPDX-License-Identifier: Apache-2.0
//
// Scheduler runs many generations on one model at once: one thread computes batch after batch for all of them, and
// starts and ends them. docs/internals/generation.md tells how.
//
// Threads: Run and statistics may be called concurrently; Run waits, and feeds the answer, on the calling thread.
// Errors: the context's; kResourceExhausted where a prompt can never fit; the model's own.
#ifndef RAGTIME_MODEL_LLAMA_SCHEDULER_H_
#define RAGTIME_MODEL_LLAMA_SCHEDULER_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "model/answer_stream.h"
#include "model/llama/answer_writer.h"
#include "model/llama/batch_model.h"
#include "model/llama/chunk_joins.h"
#include "model/llama/kept_beginnings.h"
#include "model/llama/reading_memory.h"
#include "model/llama/scheduler_options.h"
#include "model/llama/ticket.h"
#include "model/llama/waiting_line.h"
#include "ragtime/context.h"
#include "ragtime/generator.h"

namespace ragtime {

class Scheduler {
 public:
  // Uses all sequences of `model`, which must outlive it, two of them for itself, and those for heads. While others
  // run, prompts are read in `reading_memory`, a memory of the same model with two sequences and room for a whole
  // prompt; null: there is none.
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
  void Loop();
  // Of the engine thread.
  void DropGone();
  void TakeWaiting();
  bool Admit(const TicketPtr& ticket);
  void ComputeWantedChunk();
  void Step();
  void ComputeBatch(std::span<const BatchToken> batch);
  void ReadApart();
  void MoveRead(Ticket& ticket);
  void CountCached(Ticket& ticket, size_t tokens, size_t joined);
  void Note(const TicketPtr& ticket, const AnswerWriter::Progress& progress);
  void End(const TicketPtr& ticket, Status status, bool truncated);
  bool IsUnwanted(const Ticket& ticket) const;
  void UpdateStatistics();

  BatchModel& model_;
  const SchedulerOptions options_;
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
  KeptBeginnings beginnings_;
  ChunkJoins joins_;
  AnswerWriter writer_;
  std::unique_ptr<ReadingMemory> reading_memory_;  // Null: there is none.
  TicketPtr read_apart_;                           // Whose prompt it holds a part of.
  WaitingLine waiting_;
  std::vector<TicketPtr> running_;
  size_t reserved_ = 0;  // Cells that running requests may come to need.

  std::thread thread_;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_SCHEDULER_H_
