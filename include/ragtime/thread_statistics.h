// SPDX-License-Identifier: Apache-2.0
//
// ThreadStatistics says how many threads the models of this process compute with, and for whom.
#ifndef RAGTIME_THREAD_STATISTICS_H_
#define RAGTIME_THREAD_STATISTICS_H_

#include <cstdint>

namespace ragtime {

struct ThreadStatistics {
  uint64_t threads = 0;  // The budget.
  // Taken now.
  uint64_t questions = 0;   // By the embedding of what is asked.
  uint64_t answers = 0;     // By language models, as long as any answer is written.
  uint64_t background = 0;  // By the embedding of what is ingested.
  // So far.
  uint64_t questions_embedded = 0;  // Embeddings that somebody waited for.
  uint64_t background_pieces = 0;   // Pieces of background work, some ten milliseconds each.
  uint64_t background_waits = 0;    // Of these, those that waited until a thread was left for them.
  double background_wait_ms = 0;    // All their waits together.
};

}  // namespace ragtime

#endif  // RAGTIME_THREAD_STATISTICS_H_
