// SPDX-License-Identifier: Apache-2.0
#include "store/query_terms.h"

#include <map>
#include <string>

#include "text/words.h"

namespace ragtime {

namespace {

std::vector<WeightedTerm> Count(std::vector<std::string> words) {
  std::map<std::string, float> counts;
  for (std::string& word : words) counts[std::move(word)] += 1;
  std::vector<WeightedTerm> terms;
  for (const auto& [word, count] : counts) terms.push_back({.term = word, .weight = count});
  return terms;
}

}  // namespace

std::vector<WeightedTerm> QueryTerms(std::string_view question) { return Count(QueryWords(question)); }

std::vector<WeightedTerm> WiderQueryTerms(std::string_view question) { return Count(SplitWords(question)); }

}  // namespace ragtime
