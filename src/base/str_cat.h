// SPDX-License-Identifier: Apache-2.0
//
// StrCat joins strings and numbers into one string, for messages.
#ifndef RAGTIME_BASE_STR_CAT_H_
#define RAGTIME_BASE_STR_CAT_H_

#include <sstream>
#include <string>

namespace ragtime {

template <typename... Args>
std::string StrCat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return std::move(out).str();
}

}  // namespace ragtime

#endif  // RAGTIME_BASE_STR_CAT_H_
