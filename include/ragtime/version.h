// SPDX-License-Identifier: Apache-2.0
//
// The version of the library and of what it writes to disk.
#ifndef RAGTIME_VERSION_H_
#define RAGTIME_VERSION_H_

namespace ragtime {

inline constexpr const char kVersion[] = "0.1.0";

// The format of a knowledge base directory. A reader refuses a newer one and says so.
inline constexpr int kFormatVersion = 0;

// The "schema" of every JSON object that is printed.
inline constexpr int kJsonSchema = 1;

}  // namespace ragtime

#endif  // RAGTIME_VERSION_H_
