// SPDX-License-Identifier: Apache-2.0
#include "query/rewrite/synonyms.h"

#include <algorithm>

#include "query/rewrite/verbatim.h"
#include "text/words.h"

namespace ragtime {

SynonymRewriter::SynonymRewriter(const SynonymTable& table) {
  for (const auto& [phrase, expansions] : table) {
    std::vector<std::string> words = QueryWords(phrase);
    if (!words.empty() && !expansions.empty()) entries_.push_back({std::move(words), expansions});
  }
}

Result<RewrittenQuery> SynonymRewriter::Rewrite(const Context&, std::string_view question) const {
  RewrittenQuery query;
  query.text = NormaliseQuestion(question);
  query.keywords = query.text;
  // Pairs of CJK characters follow each other, so that a phrase is a sub-sequence there too. A phrase of one CJK
  // character is a word of SplitWords only.
  const std::vector<std::string> words = QueryWords(query.text);
  const std::vector<std::string> all_words = SplitWords(query.text);
  for (const Entry& entry : entries_) {
    auto holds = [&](const std::vector<std::string>& in) {
      return std::search(in.begin(), in.end(), entry.words.begin(), entry.words.end()) != in.end();
    };
    if (!holds(words) && !holds(all_words)) continue;
    for (const std::string& expansion : entry.expansions) query.keywords += ' ' + expansion;
  }
  return query;
}

}  // namespace ragtime
