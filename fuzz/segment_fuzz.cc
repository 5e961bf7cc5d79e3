// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of a segment.
#include <cstddef>
#include <cstdint>

#include "store_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsSegment(std::as_bytes(std::span(data, size)));
  return 0;
}
