// SPDX-License-Identifier: Apache-2.0
//
// ReplayAnswer streams an answer that is whole already as if it came piece by piece.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_QUERY_ANSWER_REPLAY_H_
#define RAGTIME_QUERY_ANSWER_REPLAY_H_

#include "ragtime/generator.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

// Reasoning first, then the text, in pieces of some words each. Where the reader leaves, the answer becomes what it
// got, with the citations whose markers are in it. `on_token` may be empty.
void ReplayAnswer(const Generator::OnToken& on_token, Answer& answer);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_REPLAY_H_
