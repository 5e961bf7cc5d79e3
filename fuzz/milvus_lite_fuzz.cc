// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes what a file of Milvus Lite 2.x holds of a collection.
#include <cstddef>
#include <cstdint>

#include "milvus_lite_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsMilvusLite(std::as_bytes(std::span(data, size)));
  return 0;
}
