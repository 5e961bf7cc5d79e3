// SPDX-License-Identifier: Apache-2.0
//
// CheckValue says whether a document may have a value in a field: it has the declared type, is UTF-8, a number, and not
// longer than kFieldBytesMax.
#ifndef RAGTIME_FILTER_VALUE_CHECK_H_
#define RAGTIME_FILTER_VALUE_CHECK_H_

#include <cstddef>
#include <string_view>

#include "ragtime/field.h"
#include "ragtime/status.h"

namespace ragtime {

inline constexpr size_t kFieldBytesMax = size_t{64} << 10;  // Of the value of one field of one document.

// kInvalidArgument, whose message starts with `subject`: "the field year".
Status CheckValue(std::string_view subject, FieldType type, const FieldValue& value);

}  // namespace ragtime

#endif  // RAGTIME_FILTER_VALUE_CHECK_H_
