// SPDX-License-Identifier: Apache-2.0
//
// NextBatch is which tokens are computed next: the next one of each request that writes, and parts of the prompts of
// those that do not write yet. docs/internals/generation.md, "A step", tells why so.
#ifndef RAGTIME_MODEL_LLAMA_NEXT_BATCH_H_
#define RAGTIME_MODEL_LLAMA_NEXT_BATCH_H_

#include <cstddef>
#include <span>
#include <vector>

#include "model/llama/answer_writer.h"
#include "model/llama/batch_model.h"
#include "model/llama/chunk_joins.h"
#include "model/llama/scheduler_options.h"
#include "model/llama/ticket.h"

namespace ragtime {

// How much of `rest` is read in a batch with so much room: what is left for the next one is a wide part too.
size_t WidePart(size_t rest, size_t room, size_t wide_tokens);

// Each request's `batch_end`, `scores_at`, `guesses` and `heads` say what of the batch is its own.
std::vector<BatchToken> NextBatch(std::span<const TicketPtr> running, const SchedulerOptions& options,
                                  AnswerWriter& writer, ChunkJoins& joins);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_NEXT_BATCH_H_
