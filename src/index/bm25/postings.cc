// SPDX-License-Identifier: Apache-2.0
#include "index/bm25/postings.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ragtime {
namespace {

constexpr char kRemedy[] = "Build the index again from the texts.";

size_t PackedSize(size_t count, unsigned bits) { return (count * bits + 7) / 8; }

void AppendPacked(std::span<const uint32_t> values, unsigned bits, std::vector<std::byte>& out) {
  uint64_t buffer = 0;
  unsigned filled = 0;
  for (const uint32_t value : values) {
    buffer |= uint64_t{value} << filled;
    for (filled += bits; filled >= 8; filled -= 8, buffer >>= 8) out.push_back(static_cast<std::byte>(buffer));
  }
  if (filled > 0) out.push_back(static_cast<std::byte>(buffer));
}

// Reads up to 8 bytes from where the last value starts, which the padding allows.
void Unpack(const std::byte* packed, unsigned bits, size_t count, uint32_t* values) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  for (size_t i = 0, position = 0; i < count; ++i, position += bits) {
    uint64_t word;
    std::memcpy(&word, packed + position / 8, sizeof(word));
    values[i] = static_cast<uint32_t>(word >> (position % 8) & mask);
  }
}

unsigned BitsFor(std::span<const uint32_t> values) {
  uint32_t all = 0;
  for (const uint32_t value : values) all |= value;
  return static_cast<unsigned>(std::bit_width(all));
}

}  // namespace

void AppendPostings(std::span<const uint32_t> rows, std::span<const uint32_t> counts, std::vector<std::byte>& out) {
  uint32_t next_row = 0;
  for (size_t start = 0; start < rows.size(); start += kPostingsBlockRows) {
    const size_t size = std::min(kPostingsBlockRows, rows.size() - start);
    uint32_t gaps[kPostingsBlockRows];
    uint32_t more[kPostingsBlockRows];
    for (size_t i = 0; i < size; ++i) {
      gaps[i] = rows[start + i] - next_row;
      next_row = rows[start + i] + 1;
      more[i] = counts[start + i] - 1;
    }
    const unsigned row_bits = BitsFor({gaps, size});
    const unsigned count_bits = BitsFor({more, size});
    out.push_back(static_cast<std::byte>(row_bits));
    out.push_back(static_cast<std::byte>(count_bits));
    AppendPacked({gaps, size}, row_bits, out);
    AppendPacked({more, size}, count_bits, out);
  }
}

Status PostingsReader::Next() {
  size_ = 0;
  if (left_ == 0) return Status();
  const size_t size = std::min<uint64_t>(kPostingsBlockRows, left_);
  if (bytes_.size() < 2 + kPostingsPadding) return DataLossError("the postings of a term end early", kRemedy);
  const auto row_bits = std::to_integer<unsigned>(bytes_[0]);
  const auto count_bits = std::to_integer<unsigned>(bytes_[1]);
  if (row_bits > 32 || count_bits > 32) return DataLossError("a block of postings is damaged", kRemedy);
  const size_t rows_size = PackedSize(size, row_bits);
  const size_t block_size = 2 + rows_size + PackedSize(size, count_bits);
  if (bytes_.size() < block_size + kPostingsPadding) return DataLossError("the postings of a term end early", kRemedy);
  Unpack(bytes_.data() + 2, row_bits, size, rows_);
  Unpack(bytes_.data() + 2 + rows_size, count_bits, size, counts_);
  uint64_t row = next_row_;
  for (size_t i = 0; i < size; ++i) {
    row += rows_[i];
    rows_[i] = static_cast<uint32_t>(row);
    ++row;
    ++counts_[i];
  }
  // The rows ascend, so that the last one speaks for all.
  if (row > row_limit_) return DataLossError("postings name a row that does not exist", kRemedy);
  next_row_ = row;
  left_ -= size;
  bytes_ = bytes_.subspan(block_size);
  size_ = size;
  return Status();
}

}  // namespace ragtime
