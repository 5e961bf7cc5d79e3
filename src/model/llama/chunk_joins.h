// SPDX-License-Identifier: Apache-2.0
//
// ChunkJoins loads parts of prompts that were computed at other places, and has what is missing between them computed:
// their heads. docs/internals/generation.md, "Passages at other places", tells what and why.
//
// llama.cpp computes only behind the last position that a sequence holds. What stands before a loaded chunk is
// therefore computed in a sequence of its own, which shares all that stands before it, and then shared with the
// request's. Threads: one at a time, the one that computes.
#ifndef RAGTIME_MODEL_LLAMA_CHUNK_JOINS_H_
#define RAGTIME_MODEL_LLAMA_CHUNK_JOINS_H_

#include <cstddef>
#include <deque>
#include <map>
#include <vector>

#include "model/llama/batch_model.h"
#include "model/llama/kept_beginnings.h"
#include "model/llama/scheduler_options.h"
#include "model/llama/ticket.h"

namespace ragtime {

class ChunkJoins {
 public:
  // Both must outlive it. Uses the sequences of the model from `first_sequence` on, as many as the options say.
  ChunkJoins(BatchModel& model, const SchedulerOptions& options, KeptBeginnings& beginnings, int first_sequence);
  ChunkJoins(const ChunkJoins&) = delete;
  ChunkJoins& operator=(const ChunkJoins&) = delete;

  // Decides when chunks of the prompt are loaded. For a request that has its beginning.
  void Plan(Ticket& ticket) const;
  // Loads those that can be had, and remembers which ones should have been there. To be called when `join_at` is held.
  // How many tokens were loaded; what is left between them are the request's gaps.
  size_t Join(Ticket& ticket);
  // Adds what comes next of the request's gaps to the batch, at most `room` tokens, and returns how many. What is
  // computed in one batch does not see each other. Heads that are long are therefore computed in several, and see those
  // before them; short ones all together with what follows the last chunk, since each batch costs much for itself.
  size_t AddHeads(Ticket& ticket, size_t room, std::vector<BatchToken>& batch);
  // The batch with the request's heads was computed.
  void TakeHeads(Ticket& ticket);
  // Or it was not.
  void DropHeads(Ticket& ticket);
  // Computing a part of a prompt alone took so long for each of its tokens.
  void ReadTook(double token_ms) { read_token_ms_ = token_ms; }

  // What is worth computing behind its beginning, to be kept, when nobody waits.
  bool wants_chunks() const { return !wanted_.empty(); }
  std::vector<Token> TakeWanted();

 private:
  void Want(std::vector<Token> tokens);
  // Gaps are computed together until there are so many tokens.
  size_t together_tokens() const { return 2 * options_.wide_tokens; }

  BatchModel& model_;
  const SchedulerOptions& options_;
  KeptBeginnings& beginnings_;
  std::vector<int> free_sequences_;
  std::map<std::vector<Token>, size_t> uses_;  // By the tokens up to the chunk's end.
  std::deque<std::vector<Token>> wanted_;
  double read_token_ms_ = 0;  // What a token costs that is computed, and, at best, one that is joined.
  double join_token_ms_min_ = 0;
  size_t joins_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_CHUNK_JOINS_H_
