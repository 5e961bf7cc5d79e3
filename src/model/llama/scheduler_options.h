// SPDX-License-Identifier: Apache-2.0
//
// SchedulerOptions says how a Scheduler runs all its requests, RunOptions how one of them.
#ifndef RAGTIME_MODEL_LLAMA_SCHEDULER_OPTIONS_H_
#define RAGTIME_MODEL_LLAMA_SCHEDULER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/thread_budget.h"
#include "model/llama/batch_model.h"
#include "model/llama/token_chooser.h"

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
  // So many of the model's sequences are for what is computed between chunks that are loaded. None: none is loaded.
  size_t head_sequences = 0;
  // Guess what comes next while one request writes alone and it pays. A batch of several tokens rounds in other ways
  // than batches of one, so that a near tie may fall the other way.
  bool prompt_lookup = false;
  bool always_guesses = false;  // Whether it pays or not, to compare with.
  // Save states only where that is measured to be sooner than computing again. A GPU reads a prompt as fast as it
  // copies what it made of it.
  bool weighs_saving = false;
  // How long nothing is computed at the most, while the first token of the only answer is on its way to its reader.
  int64_t hand_over_ms_max = 2;
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

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_SCHEDULER_OPTIONS_H_
