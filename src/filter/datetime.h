// SPDX-License-Identifier: Apache-2.0
//
// Moments as ISO 8601 texts in UTC; ParseDatetime of include/ragtime/field.h is the other way round.
#ifndef RAGTIME_FILTER_DATETIME_H_
#define RAGTIME_FILTER_DATETIME_H_

#include <string>

#include "ragtime/field.h"

namespace ragtime {

// "2024-01-02T03:04:05Z", with ".678" where there are milliseconds. Years outside of 0 to 9999 have a sign.
std::string FormatDatetime(Datetime moment);

}  // namespace ragtime

#endif  // RAGTIME_FILTER_DATETIME_H_
