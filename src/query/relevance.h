// SPDX-License-Identifier: Apache-2.0
//
// How much of a question its hits speak about, in words and in meaning: the evidence on which "found" is decided.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_QUERY_RELEVANCE_H_
#define RAGTIME_QUERY_RELEVANCE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "query/route.h"
#include "ragtime/index.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

// The words that say what a text is about, each once, in order, as the keyword index knows them: those of QueryWords
// without the function words of the text's language and of English. If nothing else is left, the function words.
std::vector<std::string> InformativeWords(std::string_view text);

// Given words, weighed by how few of some texts hold them: ln(1 + N / (df + 1)). A word that all hold still counts
// about a fourth of one that none of ten holds, because the texts were found by these very words.
class WordWeights {
 public:
  WordWeights(std::span<const std::string> words, std::span<const std::string_view> texts);
  // The share, 0 ... 1, of the words' weight that `text` holds; 0 if there are no words.
  double Coverage(std::string_view text) const;

 private:
  std::unordered_map<std::string, double> weights_;
  double total_ = 0;
};

// What recall found, in two numbers.
struct Evidence {
  std::optional<double> best_cosine;  // None: no vector route.
  double coverage = 0;                // Share of the question's informative words, weighed, in the hit that has most.
  size_t words = 0;                   // Informative words of the question.
};

// `hits` are those that an answer would be made of. `metric` says how to read their vector scores.
Evidence MeasureEvidence(std::string_view question, std::span<const SearchHit> hits, Metric metric = Metric::kCosine);
// The same, where `specs` say which routes are by vector, and how to read their scores.
Evidence MeasureEvidence(std::string_view question, std::span<const SearchHit> hits, std::span<const RouteSpec> specs);

// Calibrated on 176 pages of postgresql-doc-15 and the Chinese debian-reference with multilingual-e5-small: 60
// questions that they answer and 54 on other subjects. With a threshold of 0.88 none of the 60 was lost and 2 of the 54
// passed; by the best threshold for the cosine alone (0.855), 5 and 1. docs/decisions/answers.md has the table and its
// limits.
inline constexpr double kCoverageWorth = 0.1;
// Where no vector route answered, words are all there is: lost 1 of 54 and let pass 5 of 54 there (0.5: 3 and 2).
inline constexpr double kCoverageFoundWithoutVectors = 0.44;

// cosine + kCoverageWorth * coverage reaches `cosine_threshold`, which is EmbedderInfo::found_threshold: close in
// meaning, or a little less close and in the question's own words. A model without a threshold (0) finds whatever it
// recalls.
bool IsFound(const Evidence& evidence, double cosine_threshold);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_RELEVANCE_H_
