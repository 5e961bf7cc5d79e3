// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the parser of filters.
#include <cstddef>
#include <cstdint>

#include "index_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsFilter({reinterpret_cast<const char*>(data), size});
  return 0;
}
