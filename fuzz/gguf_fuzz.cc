// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of a GGUF file.
#include <cstddef>
#include <cstdint>

#include "store_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsGguf(std::as_bytes(std::span(data, size)));
  return 0;
}
