// SPDX-License-Identifier: Apache-2.0
//
// Content hashes (XXH3): Hash64 for checksums of sections and blocks, HashHex for the identity of a file's or a text's
// bytes.
#ifndef RAGTIME_BASE_HASH_H_
#define RAGTIME_BASE_HASH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ragtime {

uint64_t Hash64(std::span<const std::byte> bytes);
uint64_t Hash64(std::string_view bytes);
// 32 hex digits of XXH3-128.
std::string HashHex(std::string_view bytes);

}  // namespace ragtime

#endif  // RAGTIME_BASE_HASH_H_
