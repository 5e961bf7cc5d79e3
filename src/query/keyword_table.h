// SPDX-License-Identifier: Apache-2.0
//
// SearchKeywordTable finds nodes whose keywords, one on each line of their text, a question holds; the more, the
// better.
//
// Candidates come from the keyword index, whose dictionary is looked up by hash; their keywords are then compared
// whole.
//
// Threads: may be called concurrently. Errors: those of the snapshot.
#ifndef RAGTIME_QUERY_KEYWORD_TABLE_H_
#define RAGTIME_QUERY_KEYWORD_TABLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// At most `limit` hits; the score is the number of keywords that the question holds. Best first, equal scores by id.
Result<std::vector<Hit>> SearchKeywordTable(const Snapshot& snapshot, const Context& context,
                                            const std::string& question, const std::string& group, const Filter& filter,
                                            size_t limit);

// How many lines of `keywords` have all their words in `question`.
size_t CountSharedKeywords(std::string_view keywords, std::string_view question);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_KEYWORD_TABLE_H_
