// SPDX-License-Identifier: Apache-2.0
#include "store/query_terms.h"

#include <iterator>
#include <map>
#include <string>
#include <utility>

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

std::vector<WeightedTerm> QueryTerms(const KeywordQuery& query, const ChineseDictionary* dictionary) {
  if (!query.phrases) return Count(QueryWords(query.text, dictionary));
  const QuotedText parts = SplitQuotes(query.text);
  std::vector<std::string> words;
  const auto add = [&words](std::vector<std::string> more) {
    words.insert(words.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  for (const std::string_view loose : parts.loose) add(QueryWords(loose, dictionary));
  for (const std::string_view quoted : parts.quoted) add(SplitWords(quoted, dictionary));
  return Count(std::move(words));
}

std::vector<WeightedTerm> WiderQueryTerms(std::string_view question) { return Count(SplitWords(question)); }

std::vector<Phrase> QueryPhrases(const KeywordQuery& query) {
  std::vector<Phrase> phrases;
  if (!query.phrases) return phrases;
  for (const std::string_view quoted : SplitQuotes(query.text).quoted) phrases.emplace_back(quoted);
  return phrases;
}

}  // namespace ragtime
