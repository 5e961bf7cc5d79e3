// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes answers of servers of embeddings.
#include <cstddef>
#include <cstdint>

#include "answer_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsEmbeddings({reinterpret_cast<const char*>(data), size});
  return 0;
}
