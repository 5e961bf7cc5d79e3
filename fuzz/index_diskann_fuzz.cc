// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the bytes of a DISKANN index.
#include <cstddef>
#include <cstdint>

#include "index_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsDiskannIndex(std::as_bytes(std::span(data, size)));
  return 0;
}
