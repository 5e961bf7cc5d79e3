// SPDX-License-Identifier: Apache-2.0
//
// SearchWords finds the rows of a segment by words, under the condition that they hold the phrases of the question.
//
// The index has no positions: it gives the rows that hold all words of the phrases, and their texts are read, the best
// rows first, until enough of them hold the phrases.
//
// Threads: functions without state. Errors: those of the segment and the context.
#ifndef RAGTIME_STORE_PHRASE_SEARCH_H_
#define RAGTIME_STORE_PHRASE_SEARCH_H_

#include <cstddef>
#include <span>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/status.h"
#include "store/segment.h"
#include "text/phrases.h"

namespace ragtime {

// As KeywordIndex::Search; `limit` is at least 1.
Result<std::vector<RowHit>> SearchWords(const Context& context, const Segment& segment,
                                        std::span<const WeightedTerm> terms, std::span<const Phrase> phrases,
                                        const KeywordStatistics& statistics, size_t limit,
                                        const RowSelection& selection);

}  // namespace ragtime

#endif  // RAGTIME_STORE_PHRASE_SEARCH_H_
