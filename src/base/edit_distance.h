// SPDX-License-Identifier: Apache-2.0
//
// EditDistance tells how alike two names are spelled, for errors that suggest the right one.
#ifndef RAGTIME_BASE_EDIT_DISTANCE_H_
#define RAGTIME_BASE_EDIT_DISTANCE_H_

#include <cstddef>
#include <string_view>

namespace ragtime {

// Bytes to insert, remove or replace to make one of the other (Levenshtein). Takes the product of both sizes.
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace ragtime

#endif  // RAGTIME_BASE_EDIT_DISTANCE_H_
