// SPDX-License-Identifier: Apache-2.0
//
// The sentence that says that the documents do not answer, in the question's language, with the nearest files.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_QUERY_ANSWER_NOT_FOUND_H_
#define RAGTIME_QUERY_ANSWER_NOT_FOUND_H_

#include <span>
#include <string>
#include <string_view>

#include "ragtime/knowledge_base.h"

namespace ragtime {

inline constexpr size_t kNearestFilesMax = 3;

// English for a language that it does not know. Files are named once each, nearest first.
std::string NotFoundText(std::string_view language, std::span<const SearchHit> nearest);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_ANSWER_NOT_FOUND_H_
