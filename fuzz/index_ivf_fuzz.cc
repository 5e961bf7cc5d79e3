// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of an index of type IVF_FLAT, IVF_SQ8, IVF_PQ or PQ.
#include <cstddef>
#include <cstdint>

#include "index_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsIvfIndex(std::as_bytes(std::span(data, size)));
  return 0;
}
