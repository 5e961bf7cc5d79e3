// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bodies of requests; the first byte says of which.
#include <cstddef>
#include <cstdint>

#include "request_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    ragtime::UseAsChatRequest(body);
  } else {
    ragtime::UseAsSearchRequest(body);
  }
  return 0;
}
