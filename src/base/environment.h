// SPDX-License-Identifier: Apache-2.0
//
// EnvironmentVariable reads what the user has set outside of the configuration: keys, passwords, folders.
#ifndef RAGTIME_BASE_ENVIRONMENT_H_
#define RAGTIME_BASE_ENVIRONMENT_H_

#include <cstdlib>
#include <string>

namespace ragtime {

// "" where it is not set, or `name` is empty.
inline std::string EnvironmentVariable(const std::string& name) {
  const char* const value = name.empty() ? nullptr : std::getenv(name.c_str());
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace ragtime

#endif  // RAGTIME_BASE_ENVIRONMENT_H_
