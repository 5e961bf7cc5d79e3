// SPDX-License-Identifier: Apache-2.0
#include "store/query_terms.h"

#include <map>
#include <string>

#include "text/words.h"

namespace ragtime {

std::vector<WeightedTerm> QueryTerms(std::string_view question) {
  std::map<std::string, float> counts;
  for (std::string& word : QueryWords(question)) counts[std::move(word)] += 1;
  std::vector<WeightedTerm> terms;
  for (const auto& [word, count] : counts) terms.push_back({.term = word, .weight = count});
  return terms;
}

}  // namespace ragtime
