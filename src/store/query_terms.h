// SPDX-License-Identifier: Apache-2.0
//
// QueryTerms are the distinct words of a question with how often it has each, by ascending word, so that sums of floats
// come out the same in every store. df is left 0. QueryPhrases are its conditions.
#ifndef RAGTIME_STORE_QUERY_TERMS_H_
#define RAGTIME_STORE_QUERY_TERMS_H_

#include <string_view>
#include <vector>

#include "ragtime/index.h"
#include "ragtime/store.h"
#include "text/chinese_dictionary.h"
#include "text/phrases.h"

namespace ragtime {

// Of Chinese, Japanese, Korean and Thai the pairs of characters, or the words of a dictionary (may be null); of phrases
// the single characters too, so that every node that holds a phrase holds one of its terms.
std::vector<WeightedTerm> QueryTerms(const KeywordQuery& query, const ChineseDictionary* dictionary);
// Single characters too: for a question none of whose QueryTerms occurs anywhere.
std::vector<WeightedTerm> WiderQueryTerms(std::string_view question);
// What a node must hold: none where the question has no quotes, or query.phrases is not set.
std::vector<Phrase> QueryPhrases(const KeywordQuery& query);

}  // namespace ragtime

#endif  // RAGTIME_STORE_QUERY_TERMS_H_
