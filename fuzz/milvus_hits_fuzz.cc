// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes what a server of Milvus answers to a search.
#include <cstddef>
#include <cstdint>

#include "milvus_answer_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsMilvusHits(std::as_bytes(std::span(data, size)));
  return 0;
}
