// SPDX-License-Identifier: Apache-2.0
//
// QueryTerms are the distinct words of a question with how often it has each, by ascending word, so that sums of floats
// come out the same in every store. df is left 0.
#ifndef RAGTIME_STORE_QUERY_TERMS_H_
#define RAGTIME_STORE_QUERY_TERMS_H_

#include <string_view>
#include <vector>

#include "ragtime/index.h"

namespace ragtime {

// Of Chinese, Japanese, Korean and Thai the pairs of characters.
std::vector<WeightedTerm> QueryTerms(std::string_view question);
// Single characters too: for a question none of whose QueryTerms occurs anywhere.
std::vector<WeightedTerm> WiderQueryTerms(std::string_view question);

}  // namespace ragtime

#endif  // RAGTIME_STORE_QUERY_TERMS_H_
