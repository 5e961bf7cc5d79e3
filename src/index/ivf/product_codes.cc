// SPDX-License-Identifier: Apache-2.0
#include "index/ivf/product_codes.h"

#include <algorithm>

namespace ragtime {

std::vector<float> ProductCodes::Table(std::span<const float> query) const {
  const size_t values = shape_.values();
  std::vector<float> table(size_t{shape_.code_bytes()} * 256);
  float products[256];
  for (size_t part = 0; part < shape_.parts; ++part) {
    std::fill_n(products, values, 0.0f);
    for (size_t i = 0; i < shape_.width; ++i) {
      const size_t at = part * shape_.width + i;
      const float factor = at < query.size() ? (l2_ ? 2 * query[at] : query[at]) : 0.0f;
      const float* const column = codebooks_ + at * values;
      for (size_t value = 0; value < values; ++value) products[value] += factor * column[value];
    }
    if (shape_.bits == 8) {
      std::copy_n(products, 256, table.begin() + static_cast<ptrdiff_t>(part * 256));
      continue;
    }
    // Two parts share a byte, the first has its low bits.
    float* const bytes = table.data() + part / 2 * 256;
    for (size_t byte = 0; byte < 256; ++byte) bytes[byte] += products[part % 2 == 0 ? byte % 16 : byte / 16];
  }
  return table;
}

void ProductCodes::Estimate(const std::vector<float>& table, std::span<const uint32_t> places, float* estimates) const {
  const size_t bytes = shape_.code_bytes();
  for (size_t i = 0; i < places.size(); ++i) {
    const uint8_t* const code = codes_ + places[i] * bytes;
    const float* at = table.data();
    // Sums that do not wait for each other.
    float sums[4] = {};
    size_t b = 0;
    for (; b + 4 <= bytes; b += 4, at += 1024) {
      sums[0] += at[code[b]];
      sums[1] += at[256 + code[b + 1]];
      sums[2] += at[512 + code[b + 2]];
      sums[3] += at[768 + code[b + 3]];
    }
    for (; b < bytes; ++b, at += 256) sums[0] += at[code[b]];
    estimates[i] = (sums[0] + sums[1]) + (sums[2] + sums[3]) + (l2_ ? offsets_[places[i]] : 0.0f);
  }
}

}  // namespace ragtime
