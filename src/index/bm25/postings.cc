// SPDX-License-Identifier: Apache-2.0
#include "index/bm25/postings.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/str_cat.h"
#include "index/bm25/block_kernels.h"

namespace ragtime {
namespace {

constexpr char kRemedy[] = "Build the index again from the texts.";

Status Damaged() { return DataLossError("the postings of the BM25 index are damaged", kRemedy); }

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

uint8_t BitsFor(std::span<const uint32_t> values) {
  uint32_t all = 0;
  for (const uint32_t value : values) all |= value;
  return static_cast<uint8_t>(std::bit_width(all));
}

void AppendNumber(uint32_t number, std::vector<std::byte>& out) {
  for (; number >= 128; number >>= 7) out.push_back(static_cast<std::byte>(number | 128));
  out.push_back(static_cast<std::byte>(number));
}

bool TakeNumber(std::span<const std::byte>& rest, uint32_t& number) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 35 && !rest.empty(); shift += 7) {
    const auto byte = std::to_integer<uint64_t>(rest.front());
    rest = rest.subspan(1);
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    number = static_cast<uint32_t>(value);
    return value <= std::numeric_limits<uint32_t>::max();
  }
  return false;
}

// Appends the rows [0, rows.size()) of one block and says what is in them; `end` is left 0.
Bm25Block AppendBlock(std::span<const uint32_t> rows, std::span<const uint32_t> counts,
                      std::span<const uint32_t> lengths, uint32_t next_row, std::vector<std::byte>& out) {
  uint32_t gaps[kBlockRows];
  uint32_t more[kBlockRows];
  uint32_t max_count = 0;
  uint32_t min_length = std::numeric_limits<uint32_t>::max();
  for (size_t i = 0; i < rows.size(); ++i) {
    gaps[i] = rows[i] - next_row;
    next_row = rows[i] + 1;
    more[i] = counts[i] - 1;
    max_count = std::max(max_count, counts[i]);
    min_length = std::min(min_length, lengths[rows[i]]);
  }
  const Bm25Block block = {.last_row = rows.back(),
                           .end = 0,
                           .row_bits = BitsFor({gaps, rows.size()}),
                           .count_bits = BitsFor({more, rows.size()}),
                           .max_count = CountCode(max_count),
                           .min_length = LengthCode(min_length)};
  AppendPacked({gaps, rows.size()}, block.row_bits, out);
  AppendPacked({more, rows.size()}, block.count_bits, out);
  return block;
}

}  // namespace

Status AppendTerm(std::string_view term, std::span<const uint32_t> rows, std::span<const uint32_t> counts,
                  std::span<const uint32_t> lengths, std::vector<std::byte>& records) {
  std::vector<std::byte> packed;
  std::vector<Bm25Block> blocks;
  Bm25Block all = {.max_count = 0, .min_length = std::numeric_limits<uint8_t>::max()};
  uint32_t next_row = 0;
  for (size_t start = 0; start < rows.size(); start += kBlockRows) {
    const size_t size = std::min(kBlockRows, rows.size() - start);
    blocks.push_back(AppendBlock(rows.subspan(start, size), counts.subspan(start, size), lengths, next_row, packed));
    next_row = rows[start + size - 1] + 1;
    if (packed.size() > std::numeric_limits<uint32_t>::max()) {
      return ResourceExhaustedError(StrCat("the rows of a word take more than 4 GiB in a BM25 index: ", rows.size()));
    }
    blocks.back().end = static_cast<uint32_t>(packed.size());
    all.max_count = std::max(all.max_count, blocks.back().max_count);
    all.min_length = std::min(all.min_length, blocks.back().min_length);
  }
  AppendNumber(static_cast<uint32_t>(term.size()), records);
  AppendNumber(static_cast<uint32_t>(rows.size()), records);
  records.push_back(std::byte{all.max_count});
  records.push_back(std::byte{all.min_length});
  const auto text = std::as_bytes(std::span(term));
  records.insert(records.end(), text.begin(), text.end());
  if (blocks.size() == 1) {
    records.push_back(std::byte{blocks[0].row_bits});
    records.push_back(std::byte{blocks[0].count_bits});
  } else {
    const auto bytes = std::as_bytes(std::span(blocks));
    records.insert(records.end(), bytes.begin(), bytes.end());
  }
  records.insert(records.end(), packed.begin(), packed.end());
  return Status();
}

Result<TermPostings> TermPostings::Read(std::span<const std::byte> records, uint64_t offset, uint64_t row_limit) {
  if (records.size() < kRecordsPadding || offset > records.size() - kRecordsPadding) return Damaged();
  std::span<const std::byte> rest = records.subspan(offset);
  TermPostings postings;
  uint32_t term_size = 0;
  if (!TakeNumber(rest, term_size) || !TakeNumber(rest, postings.rows_) || rest.size() < 2) return Damaged();
  if (postings.rows_ == 0 || postings.rows_ > row_limit) return Damaged();
  postings.max_count_ = std::to_integer<uint8_t>(rest[0]);
  postings.min_length_ = std::to_integer<uint8_t>(rest[1]);
  rest = rest.subspan(2);
  if (rest.size() < term_size) return Damaged();
  postings.term_ = {reinterpret_cast<const char*>(rest.data()), term_size};
  rest = rest.subspan(term_size);
  postings.row_limit_ = row_limit;
  if (postings.rows_ <= kBlockRows) {
    if (rest.size() < 2) return Damaged();
    postings.only_ = {.last_row = static_cast<uint32_t>(row_limit - 1),
                      .end = 0,
                      .row_bits = std::to_integer<uint8_t>(rest[0]),
                      .count_bits = std::to_integer<uint8_t>(rest[1]),
                      .max_count = postings.max_count_,
                      .min_length = postings.min_length_};
    rest = rest.subspan(2);
  } else {
    const size_t size = postings.blocks() * sizeof(Bm25Block);
    if (rest.size() < size) return Damaged();
    postings.blocks_ = rest.data();
    rest = rest.subspan(size);
  }
  postings.packed_ = rest;
  return postings;
}

Status TermPostings::Decode(size_t i, DecodedBlock& decoded) const {
  decoded.size = 0;
  const Bm25Block here = block(i);
  const size_t size = std::min<size_t>(kBlockRows, rows_ - i * kBlockRows);
  const size_t start = i == 0 ? 0 : block(i - 1).end;
  const uint64_t first = first_row(i);
  if (here.row_bits > 32 || here.count_bits > 32) return Damaged();
  const size_t rows_size = PackedSize(size, here.row_bits);
  const size_t block_size = rows_size + PackedSize(size, here.count_bits);
  // The end is redundant, and so a check.
  if (blocks_ != nullptr && here.end != start + block_size) return Damaged();
  if (start + block_size + kRecordsPadding > packed_.size()) return Damaged();
  const std::byte* packed = packed_.data() + start;
  const BlockKernels& kernels = BestBlockKernels();
  kernels.unpack_rows(packed, here.row_bits, size, static_cast<uint32_t>(first), decoded.rows);
  kernels.unpack_counts(packed + rows_size, here.count_bits, size, decoded.counts);
  // 128 gaps of up to 24 bits cannot wrap around, so that the last row speaks for all; wider ones are looked at.
  const uint64_t last = first + static_cast<uint32_t>(decoded.rows[size - 1] - static_cast<uint32_t>(first));
  if (last >= row_limit_ || (blocks_ != nullptr && last != here.last_row)) return Damaged();
  if (here.row_bits > 24 && (decoded.rows[0] < first || !std::is_sorted(decoded.rows, decoded.rows + size))) {
    return Damaged();
  }
  std::fill(decoded.rows + size, decoded.rows + kBlockRows, std::numeric_limits<uint32_t>::max());
  decoded.size = size;
  return Status();
}

}  // namespace ragtime
