// SPDX-License-Identifier: Apache-2.0
//
// Which passage each sentence of a generated answer rests on, and which words of it.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_QUERY_ANSWER_CITATIONS_H_
#define RAGTIME_QUERY_ANSWER_CITATIONS_H_

#include <span>
#include <string_view>
#include <vector>

#include "query/passage.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

// A sentence without a marker is ascribed to a passage of which one sentence holds at least this share of its
// informative words, weighed, and all its numbers, and denies something just if it does ...
inline constexpr double kInferredCoverageMin = 0.6;
// ... and only if it has at least so many of them: "Yes, it does." rests on nothing.
inline constexpr size_t kInferredWordsMin = 3;

// In the order of the answer: for each marker of a sentence the sentence of that passage which shares most with it, and
// for a sentence without one the sentence that overlaps it most, marked as inferred, or none. Behind a full stop a
// marker belongs to the sentence before it. A passage's sentence is cited once. `answer` holds valid markers only.
std::vector<Citation> CiteAnswer(std::string_view answer, std::span<const Passage> passages,
                                 const SourceSpanOf& source_span_of);

// Whether the model itself cites something: there is a marker in one of its first kCitedWithinSentences sentences. A
// citation that could be inferred is not enough: words in common do not make a small model's sentence true. kOpen:
// `answer` is a beginning, and what follows decides; what is decided for a beginning holds for every continuation.
enum class Rests { kYes, kNo, kOpen };
inline constexpr size_t kCitedWithinSentences = 4;
Rests RestsOnPassages(std::string_view answer, bool whole);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_CITATIONS_H_
