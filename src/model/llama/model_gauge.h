// SPDX-License-Identifier: Apache-2.0
//
// A gauge measures a language model: how fast it reads and writes for some users at once, and how well it foretells a
// text, alone and beside the model that it was made from.
//
// Threads: as the BatchModel. Sequences 0 to users - 1 must be free; they are free again afterwards.
#ifndef RAGTIME_MODEL_LLAMA_MODEL_GAUGE_H_
#define RAGTIME_MODEL_LLAMA_MODEL_GAUGE_H_

#include <cstddef>
#include <span>

#include "model/llama/batch_model.h"
#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

struct SpeedGauge {
  double prefill_tokens_per_s = 0;  // Of all users together.
  double decode_tokens_per_s = 0;   // The same.
  double tpot_ms = 0;               // Of each.
};

// Each user's prompt has `prompt_tokens`, none of them alike, and each gets `tokens` more, one batch for all of them.
// Prompts are read in batches of `batch_tokens`.
Result<SpeedGauge> GaugeSpeed(const Context& context, BatchModel& model, size_t users, size_t prompt_tokens,
                              size_t tokens, size_t batch_tokens = kBatchTokensMax);

struct TextGauge {
  size_t tokens = 0;             // That were foretold.
  double perplexity = 0;         // Of the model.
  double origin_perplexity = 0;  // Of the one it was made from.
  double kl_mean = 0;            // From the origin's distribution of the next token to the model's, in nats.
  double kl_p99 = 0;
  double agreement = 0;  // How often both find the same token most likely, 0 to 1.
};

// The text is read in windows of 512 tokens, of which the second half is foretold, as llama.cpp's perplexity does.
// kInvalidArgument: the text is shorter than a window, or the vocabularies differ.
Result<TextGauge> GaugeText(const Context& context, BatchModel& origin, BatchModel& model, std::span<const Token> text);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_MODEL_GAUGE_H_
