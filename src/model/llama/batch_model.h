// SPDX-License-Identifier: Apache-2.0
//
// BatchModel is what the Scheduler needs of a language model: many sequences in one memory of cells, computed in one
// batch, cut, shared, saved and loaded.
//
// A cell holds what the model keeps of one token; sequences that share a beginning may share its cells.
// Threads: one at a time, but for Piece and EndsGeneration, which may be called concurrently.
#ifndef RAGTIME_MODEL_LLAMA_BATCH_MODEL_H_
#define RAGTIME_MODEL_LLAMA_BATCH_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ragtime/status.h"

struct llama_sampler;

namespace ragtime {

using Token = int32_t;

// The largest batch of one Compute.
inline constexpr size_t kBatchTokensMax = 512;

// Of a prompt.
struct TokenRange {
  size_t start = 0;
  size_t end = 0;
};

struct BatchToken {
  Token token = 0;
  size_t position = 0;  // The one behind the last that its sequence holds; before that, positions may be left out.
  int sequence = 0;
  bool wants_scores = false;
};

class BatchModel {
 public:
  virtual ~BatchModel() = default;
  BatchModel(const BatchModel&) = delete;
  BatchModel& operator=(const BatchModel&) = delete;

  virtual size_t cells() const = 0;
  // Sequences are numbered from 0.
  virtual size_t sequences() const = 0;
  // Whether a beginning of a sequence can be kept, shared and saved. False for models whose memory is one running
  // state; these compute every prompt whole.
  virtual bool keeps_beginnings() const = 0;
  // Equal where saved states can be exchanged: the same weights, kept in the same way.
  virtual std::string fingerprint() const = 0;

  virtual size_t vocabulary_size() const = 0;
  virtual std::string Piece(Token token) const = 0;
  virtual const std::vector<std::string>& Pieces() = 0;  // Of the whole vocabulary.
  virtual bool EndsGeneration(Token token) const = 0;

  // Computes the tokens, those of one sequence in ascending order. `abort` is asked between operations; true ends the
  // work with kAborted. kResourceExhausted: no cells are left. After an error, what the sequences hold of the batch is
  // unknown: Forget it.
  virtual Status Compute(std::span<const BatchToken> batch, const std::function<bool()>& abort) = 0;
  // The score of each token to come after batch[index] of the last Compute, which wants_scores. May be changed by the
  // caller until the next call.
  virtual std::span<float> Scores(size_t index) = 0;

  // Drops what `sequence` holds from `position` on.
  virtual void Forget(int sequence, size_t position) = 0;
  // Lets `to` hold what `from` holds at [start, end) too; no cell is copied.
  virtual void Share(int from, int to, size_t start, size_t end) = 0;
  // What the sequence holds, as bytes.
  virtual Result<std::vector<std::byte>> SaveState(int sequence) = 0;
  // Replaces what the sequence holds by a saved state.
  virtual Status LoadState(int sequence, std::span<const std::byte> state) = 0;
  // Whether saved states can be loaded at other positions.
  virtual bool moves() const = 0;
  // Likewise, `by` positions further on. What is loaded so must be computed with once before it can be saved. May
  // compute, so that the last scores are lost.
  virtual Status LoadMoved(int sequence, std::span<const std::byte> state, ptrdiff_t by) = 0;

  // What lets only texts of the grammar (GBNF) be written, for the caller to free. Null: the grammar cannot be read, or
  // this model knows none. May be called concurrently.
  virtual llama_sampler* MakeGrammar(const std::string&) const { return nullptr; }

 protected:
  BatchModel() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_BATCH_MODEL_H_
