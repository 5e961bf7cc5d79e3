// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of a tokenizer file.
#include <cstddef>
#include <cstdint>

#include "store_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsTokenizer(std::as_bytes(std::span(data, size)));
  return 0;
}
