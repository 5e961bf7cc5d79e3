// SPDX-License-Identifier: Apache-2.0
//
// ReadingMemory is a small memory of the model beside the one that all sequences share; one prompt at a time is read in
// it, and then moved.
//
// Attention goes over every cell up to the highest in use, whoever's it is. A prompt that is read beside the cells of
// others therefore costs more the more there are (on two cores, among 8 requests of 1,300 tokens, twice as much), and
// one that has a memory for itself costs what it costs alone, and is rounded as it is alone.
// Threads: one at a time, the one that computes.
#ifndef RAGTIME_MODEL_LLAMA_READING_MEMORY_H_
#define RAGTIME_MODEL_LLAMA_READING_MEMORY_H_

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "model/llama/batch_model.h"

namespace ragtime {

class ReadingMemory {
 public:
  // Uses two sequences of `memory`, whose saved states `shared` can load. Both must outlive it.
  ReadingMemory(BatchModel& memory, BatchModel& shared) : memory_(memory), shared_(shared) {}
  ReadingMemory(const ReadingMemory&) = delete;
  ReadingMemory& operator=(const ReadingMemory&) = delete;

  // Starts with what `sequence` of the shared memory holds, `held` tokens.
  Status Begin(int sequence, size_t held);
  // Reads what comes next, at most kBatchTokensMax tokens; `abort` as in BatchModel::Compute. After an error it holds
  // what it held before.
  Status Read(std::span<const Token> tokens, const std::function<bool()>& abort);
  size_t held() const { return held_; }
  // What it holds from `start` on, as a saved state.
  Result<std::vector<std::byte>> Save(size_t start);
  void Clear();

 private:
  BatchModel& memory_;
  BatchModel& shared_;
  size_t held_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_READING_MEMORY_H_
