// SPDX-License-Identifier: Apache-2.0
//
// A Filter as a `where` clause of Chroma: comparisons of whole numbers, moments and booleans, equality of strings, in,
// and, or, and what `not` of them is. Everything else Chroma has no words for, or other ones.
//
// Threads: a function without state.
#ifndef RAGTIME_STORE_CHROMA_CHROMA_FILTER_H_
#define RAGTIME_STORE_CHROMA_CHROMA_FILTER_H_

#include <optional>

#include "ragtime/filter.h"
#include "wire/json.h"

namespace ragtime {

// None where it cannot be said. Null (JSON) where every row matches.
std::optional<Json> ChromaWhere(const FilterNode& node);
// A value as metadata holds it; none for those that it cannot hold.
std::optional<Json> ChromaValue(const FieldValue& value);

}  // namespace ragtime

#endif  // RAGTIME_STORE_CHROMA_CHROMA_FILTER_H_
