// SPDX-License-Identifier: Apache-2.0
//
// TuneGguf measures with how many threads a language model reads and writes fastest on this machine, in which batches
// it reads, and what keys and values of half the size would change.
#ifndef RAGTIME_MODEL_LLAMA_MODEL_TUNE_H_
#define RAGTIME_MODEL_LLAMA_MODEL_TUNE_H_

#include <cstddef>
#include <filesystem>
#include <vector>

#include "model/llama/llama_placement.h"
#include "model/llama/model_gauge.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct ThreadGauge {
  size_t threads = 0;
  SpeedGauge speed;  // Of one user, the median of the rounds.
};
struct BatchGauge {
  size_t batch_tokens = 0;
  double read_tokens_per_s = 0;
};
struct GgufTuning {
  std::vector<ThreadGauge> threads;
  std::vector<BatchGauge> batches;  // With read_threads.
  SpeedGauge f16;                   // Keys and values as the type says, with the threads chosen.
  SpeedGauge q8_0;
  // What is chosen: fewer threads and larger batches where that is as fast within kTie.
  size_t threads_chosen = 0;
  size_t read_threads_chosen = 0;
  size_t batch_tokens_chosen = 0;
};

inline constexpr double kTie = 0.03;

// The least key whose value is no more than kTie below the largest value. `rates` by ascending key, at least one.
struct Rate {
  size_t key = 0;
  double per_s = 0;
};
size_t LeastAsFast(const std::vector<Rate>& rates);

// 1, 2, 4 ... and `cores`, with what lies half way: ascending.
std::vector<size_t> ThreadCounts(size_t cores);

Result<GgufTuning> TuneGguf(const Context& context, const std::filesystem::path& gguf, const LlamaPlacement& placement,
                            size_t cores);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_MODEL_TUNE_H_
