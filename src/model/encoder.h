// SPDX-License-Identifier: Apache-2.0
//
// An Encoder turns sequences of token ids into vectors: the mean of a transformer's last hidden states, not normalised.
//
// Threads: Encode may be called concurrently; calls may wait for each other.
// Errors: kInvalidArgument for an id or a length that the model has not; kDataLoss for a file that is not the model.
#ifndef RAGTIME_MODEL_ENCODER_H_
#define RAGTIME_MODEL_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct EncoderInfo {
  std::string engine;  // Which code runs it, e.g. "own kernels, avx512vnni", for `ragtime doctor`.
  size_t dimension = 0;
  size_t max_tokens = 0;  // Of one sequence, begin and end included.
  size_t vocabulary_size = 0;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  virtual const EncoderInfo& info() const = 0;
  // Fills out[i * dimension ...] for sequences[i], which holds 1 to max_tokens ids, begin and end included. Sequences
  // of like length that stand together are cheapest.
  virtual Status Encode(const Context& context, std::span<const std::vector<int32_t>> sequences, float* out) = 0;

 protected:
  Encoder() = default;
};

// kInvalidArgument for a sequence that is empty, too long, or holds an id outside of the vocabulary.
inline Status CheckSequence(const EncoderInfo& info, std::span<const int32_t> ids) {
  if (ids.empty() || ids.size() > info.max_tokens) {
    return InvalidArgumentError("a sequence has " + std::to_string(ids.size()) + " tokens, the model takes 1 to " +
                                std::to_string(info.max_tokens));
  }
  for (const int32_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= info.vocabulary_size) {
      return InvalidArgumentError("a token id is not in the vocabulary of " + std::to_string(info.vocabulary_size) +
                                  ": " + std::to_string(id));
    }
  }
  return Status();
}

using EncoderFactory = std::function<Result<std::unique_ptr<Encoder>>()>;

// What a sequence is before a transformer's first layer: for each token the sum of its word's row and its position's
// row. The word table is too large to be read whole at a start, so it is mapped and only the rows that are asked for
// are read.
//
// Threads: immutable; every method may be called concurrently.
class InputTable {
 public:
  virtual ~InputTable() = default;
  InputTable(const InputTable&) = delete;
  InputTable& operator=(const InputTable&) = delete;

  virtual size_t dimension() const = 0;
  virtual size_t max_tokens() const = 0;
  virtual size_t vocabulary_size() const = 0;
  // Writes ids.size() x dimension floats for tokens at positions 0, 1, 2 ... The ids were checked by
  // CheckSequence.
  virtual void Fill(std::span<const int32_t> ids, float* out) const = 0;

 protected:
  InputTable() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_ENCODER_H_
