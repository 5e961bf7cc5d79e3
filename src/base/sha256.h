// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4), by which the rest of the world names a file's content. Hash64 is 50 times faster where nobody
// else reads the result.
#ifndef RAGTIME_BASE_SHA256_H_
#define RAGTIME_BASE_SHA256_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "ragtime/status.h"

namespace ragtime {

// 64 hex digits, lower case.
std::string Sha256(std::string_view bytes);
Result<std::string> Sha256OfFile(const std::filesystem::path& path);

}  // namespace ragtime

#endif  // RAGTIME_BASE_SHA256_H_
