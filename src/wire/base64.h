// SPDX-License-Identifier: Apache-2.0
//
// Base64 (RFC 4648, section 4) read back into bytes.
#ifndef RAGTIME_WIRE_BASE64_H_
#define RAGTIME_WIRE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace ragtime {

// nullopt where it is none: another character, a wrong length, bits behind the end.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_WIRE_BASE64_H_
