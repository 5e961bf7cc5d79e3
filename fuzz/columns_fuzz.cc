// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of COLUMNS.
#include <cstddef>
#include <cstdint>

#include "index_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsColumns(std::as_bytes(std::span(data, size)));
  return 0;
}
