// SPDX-License-Identifier: Apache-2.0
//
// ChunkJoins loads parts of prompts that were computed at other places: which ones, when, and what to compute apart so
// that it is there the next time. docs/internals/generation.md, "Passages at other places", tells what and why.
//
// Threads: one at a time, the one that computes.
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
  // Both must outlive it.
  ChunkJoins(const SchedulerOptions& options, KeptBeginnings& beginnings)
      : options_(options), beginnings_(beginnings) {}
  ChunkJoins(const ChunkJoins&) = delete;
  ChunkJoins& operator=(const ChunkJoins&) = delete;

  // Finds out which chunks of the prompt can be loaded, and remembers which ones should have been there. For a request
  // that has its beginning.
  void Plan(Ticket& ticket);
  // Loads the chunks whose place comes next. Where one cannot be had, it is computed. How many tokens were loaded.
  size_t LoadDue(Ticket& ticket);
  // Computing a part of a prompt alone took so long for each of its tokens.
  void ReadTook(double token_ms) { read_token_ms_ = token_ms; }

  // What is worth computing behind its beginning, to be kept, when nobody waits.
  bool wants_chunks() const { return !wanted_.empty(); }
  std::vector<Token> TakeWanted();

 private:
  void Want(std::vector<Token> tokens);

  const SchedulerOptions& options_;
  KeptBeginnings& beginnings_;
  std::map<std::vector<Token>, size_t> uses_;  // By the tokens up to the chunk's end.
  std::deque<std::vector<Token>> wanted_;
  double read_token_ms_ = 0;  // What a token costs that is computed, and, at best, one that is joined.
  double join_token_ms_min_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_CHUNK_JOINS_H_
