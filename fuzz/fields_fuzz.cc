// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes front matter and sidecars; the first byte says which.
#include <cstddef>
#include <cstdint>

#include "fields_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    ragtime::UseAsFrontMatter(text);
  } else {
    ragtime::UseAsSidecar(text);
  }
  return 0;
}
