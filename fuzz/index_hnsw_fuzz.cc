// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of an HNSW index.
#include <cstddef>
#include <cstdint>

#include "index_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsHnswIndex(std::as_bytes(std::span(data, size)));
  return 0;
}
