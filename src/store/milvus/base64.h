// SPDX-License-Identifier: Apache-2.0
//
// Base64 writes bytes as RFC 4648, section 4 says, with padding: how Milvus wants user and password.
#ifndef RAGTIME_STORE_MILVUS_BASE64_H_
#define RAGTIME_STORE_MILVUS_BASE64_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace ragtime {

inline std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? uint8_t(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace ragtime

#endif  // RAGTIME_STORE_MILVUS_BASE64_H_
