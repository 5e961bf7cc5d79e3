// SPDX-License-Identifier: Apache-2.0
//
// An answer without a language model: the best sentences of the documents, word by word, each with its source.
//
// A sentence is scored by the share of the question's words it holds (weighed, its headings counted a little), by the
// cosine of its meaning to the question's, and by the rank of its passage.
//
// Threads: may be called concurrently. Errors: none; where sentences cannot be embedded, words alone decide.
#ifndef RAGTIME_QUERY_ANSWER_EXTRACT_H_
#define RAGTIME_QUERY_ANSWER_EXTRACT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/passage.h"
#include "ragtime/context.h"
#include "ragtime/embedder.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

inline constexpr size_t kExtractSentencesMax = 3;
// Sentences that are embedded at most, those best by words and rank. It is what an extracted answer waits for: 24 of
// them took 240-660 ms on two cores that were busy otherwise.
inline constexpr size_t kExtractEmbeddedMax = 16;

struct ExtractRequest {
  std::string question;
  std::span<const Passage> passages;    // Best first.
  std::span<const float> query_vector;  // Empty: `embedder` is not touched.
  Embedder* embedder = nullptr;
  SourceSpanOf source_span_of;
  Context context;
};

struct Extract {
  // "Sentence one. [1] Sentence two. [1] Sentence three. [2]": line breaks inside a sentence are spaces here, and its
  // own "[3]" is "(3)".
  std::string text;
  // One for each sentence, in the order of the text. Passages are numbered anew, in the order in which they appear; the
  // quote is the sentence as it stands in the node.
  std::vector<Citation> citations;
  std::vector<std::string> pieces;  // The text, sentence by sentence, for streaming.
  Status embedding;                 // Why meaning was left out; OK where it was not, or nobody asked for it.
};

// Empty text where the passages hold no sentence at all. Headings, navigation, code and questions are taken only where
// there is nothing else.
Extract ExtractAnswer(const ExtractRequest& request);

// Whether a sentence says something that can stand alone. `heading`: those of its node.
bool IsProse(std::string_view sentence, std::span<const std::string> heading);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_EXTRACT_H_
