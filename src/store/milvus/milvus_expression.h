// SPDX-License-Identifier: Apache-2.0
//
// MilvusExpression says a Filter in Milvus' language of boolean expressions, where it can say exactly the same.
//
// Milvus leaves out a row whose field is null from a comparison and from its negation; our `not` is plain negation. So
// negations are moved inwards to the operators, and each negated one becomes `not (...) or field is null`.
//
// Threads: functions without state.
#ifndef RAGTIME_STORE_MILVUS_MILVUS_EXPRESSION_H_
#define RAGTIME_STORE_MILVUS_MILVUS_EXPRESSION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ragtime/filter.h"

namespace ragtime {

// The name of a column on the server: fields may be called as Milvus' own words are, so that each gets a prefix.
std::string MilvusColumn(std::string_view field);

// In quotes; nullopt with control characters.
std::optional<std::string> MilvusString(std::string_view text);

// "" for a filter that matches everything; nullopt where Milvus has no exact word for a part of it: `like` and
// `contains` with characters that its patterns treat in their own way, order of lists, strings with control characters.
std::optional<std::string> MilvusExpression(const Filter& filter);

// "id in [1, 2, 3]"
std::string MilvusIdsExpression(std::span<const int64_t> ids);

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_MILVUS_EXPRESSION_H_
