// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes what a Chroma server answers.
#include <cstddef>
#include <cstdint>

#include "chroma_answer_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ragtime::UseAsChromaAnswer({reinterpret_cast<const char*>(data), size});
  return 0;
}
