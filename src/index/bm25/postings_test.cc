// SPDX-License-Identifier: Apache-2.0
//
// Goal: what is packed comes back, bounds hold, and every implementation of the arithmetic gives the same bits.
#include "index/bm25/postings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "index/bm25/block_kernels.h"

namespace ragtime {
namespace {

TEST(Postings, AnyGapsAndCountsComeBack) {
  std::mt19937 random(3);
  for (int round = 0; round < 150; ++round) {
    std::vector<uint32_t> rows;
    std::vector<uint32_t> counts;
    const unsigned gap_bits = random() % 24;
    const unsigned count_bits = random() % 33;
    const uint32_t limit = uint32_t{1} << (10 + random() % 10);
    uint64_t row = random() % limit;
    for (size_t n = 1 + random() % 400; n > 0 && row < limit; --n) {
      rows.push_back(static_cast<uint32_t>(row));
      counts.push_back(
          std::max<uint32_t>(1, count_bits == 0 ? 1 : static_cast<uint32_t>(random()) >> (32 - count_bits)));
      row += 1 + (random() & ((1u << gap_bits) - 1));
    }
    std::vector<uint32_t> lengths(limit);
    for (uint32_t& length : lengths) length = static_cast<uint32_t>(random()) >> random() % 32;
    std::vector<std::byte> bytes;
    ASSERT_TRUE(AppendTerm("before", std::vector{1u}, std::vector{7u}, lengths, bytes).ok());
    const size_t offset = bytes.size();
    ASSERT_TRUE(AppendTerm("the term", rows, counts, lengths, bytes).ok());
    bytes.resize(bytes.size() + kRecordsPadding);
    const auto postings = TermPostings::Read(bytes, offset, limit);
    ASSERT_TRUE(postings.ok());
    EXPECT_EQ(postings->term(), "the term");
    ASSERT_EQ(postings->rows(), rows.size());
    size_t seen = 0;
    for (size_t b = 0; b < postings->blocks(); ++b) {
      DecodedBlock block;
      ASSERT_TRUE(postings->Decode(b, block).ok());
      const Bm25Block entry = postings->block(b);
      for (size_t i = 0; i < block.size; ++i, ++seen) {
        ASSERT_EQ(block.rows[i], rows[seen]);
        ASSERT_EQ(block.counts[i], counts[seen]);
        EXPECT_LE(LengthOfCode(entry.min_length), lengths[rows[seen]]);
        EXPECT_LE(LengthOfCode(postings->min_length()), LengthOfCode(entry.min_length));
        EXPECT_TRUE(entry.max_count == kAnyCount || entry.max_count >= counts[seen]);
        EXPECT_GE(postings->max_count(), entry.max_count);
        EXPECT_GE(block.rows[i], postings->first_row(b));
        EXPECT_LE(block.rows[i], postings->last_row(b));
      }
    }
    EXPECT_EQ(seen, rows.size());
    const auto narrow = TermPostings::Read(bytes, offset, std::max<uint64_t>(rows.back(), rows.size()));
    DecodedBlock block;
    if (narrow.ok() && rows.back() >= rows.size()) {
      EXPECT_EQ(narrow->Decode(narrow->blocks() - 1, block).code(), StatusCode::kDataLoss)
          << "the last row is not below the limit";
    }
  }
}

TEST(Postings, LengthsAreRoundedDownAndByLittle) {
  uint32_t before = 0;
  for (uint32_t length = 0; length < 500000; ++length) {
    const uint32_t rounded = LengthOfCode(LengthCode(length));
    ASSERT_LE(rounded, length);
    ASSERT_GE(rounded + rounded / 16, length < 32 ? length : length - length / 16);
    ASSERT_GE(rounded, before);
    before = rounded;
  }
  EXPECT_LE(LengthOfCode(LengthCode(UINT32_MAX)), UINT32_MAX);
}

// Every implementation that this CPU can run gives the numbers that were packed, and the same bits of a score.
TEST(BlockKernels, AgreeWithThePlainOne) {
  std::mt19937 random(7);
  ASSERT_STREQ(SupportedBlockKernels()[0].name, "scalar");
  for (unsigned bits = 0; bits <= 32; ++bits) {
    for (const size_t count : {1, 2, 7, 8, 9, 63, 127, 128}) {
      std::vector<std::byte> packed((count * bits + 7) / 8 + kRecordsPadding);
      for (std::byte& byte : packed) byte = static_cast<std::byte>(random());
      const auto first = static_cast<uint32_t>(random());
      uint32_t rows[kBlockRows];
      uint32_t counts[kBlockRows];
      SupportedBlockKernels()[0].unpack_rows(packed.data(), bits, count, first, rows);
      SupportedBlockKernels()[0].unpack_counts(packed.data(), bits, count, counts);
      uint32_t next = first;
      for (size_t i = 0; i < count; ++i) {
        uint32_t number = 0;
        for (unsigned j = 0; j < bits; ++j) {
          const size_t at = i * bits + j;
          number |= (std::to_integer<uint32_t>(packed[at / 8]) >> (at % 8) & 1) << j;
        }
        ASSERT_EQ(counts[i], number + 1);
        ASSERT_EQ(rows[i], next + number);
        next += number + 1;
      }
      uint32_t small[kBlockRows];
      uint32_t lengths[kBlockRows];
      for (size_t i = 0; i < kBlockRows; ++i) {
        small[i] = counts[i % count] >> 1 >> random() % 31;
        lengths[i] = static_cast<uint32_t>(random()) >> 1 >> random() % 31;
      }
      double parts[kBlockRows];
      SupportedBlockKernels()[0].score(small, lengths, count, 3.7, 0.3, 0.0123, parts);
      uint32_t sorted[kBlockRows];
      std::copy_n(lengths, kBlockRows, sorted);
      std::sort(sorted, sorted + kBlockRows);
      double sums[64];
      for (size_t i = 0; i < 64; ++i) sums[i] = random() % 3 == 0 ? 0 : parts[i % count];
      for (const BlockKernels& kernels : SupportedBlockKernels().subspan(1)) {
        SCOPED_TRACE(std::string(kernels.name) + ", bits " + std::to_string(bits));
        uint32_t values[kBlockRows];
        kernels.unpack_rows(packed.data(), bits, count, first, values);
        EXPECT_TRUE(std::equal(rows, rows + count, values));
        kernels.unpack_counts(packed.data(), bits, count, values);
        EXPECT_TRUE(std::equal(counts, counts + count, values));
        double scores[kBlockRows];
        kernels.score(small, lengths, count, 3.7, 0.3, 0.0123, scores);
        EXPECT_EQ(std::memcmp(parts, scores, count * sizeof(double)), 0);
        for (const uint32_t row : {0u, sorted[5], sorted[64] + 1, sorted[127], UINT32_MAX}) {
          EXPECT_EQ(kernels.count_below(sorted, row), SupportedBlockKernels()[0].count_below(sorted, row));
        }
        for (const double least : {0.0, parts[0], parts[count / 2], 1e9}) {
          EXPECT_EQ(kernels.above(sums, least), SupportedBlockKernels()[0].above(sums, least));
          double mine[64];
          double plain[64];
          std::copy_n(sums, 64, mine);
          std::copy_n(sums, 64, plain);
          uint32_t rows_taken[2][64 + 8];
          double taken[2][64 + 8];
          const size_t size = kernels.take_above(mine, least, 7, rows_taken[0], taken[0]);
          ASSERT_EQ(size, SupportedBlockKernels()[0].take_above(plain, least, 7, rows_taken[1], taken[1]));
          EXPECT_TRUE(std::equal(rows_taken[0], rows_taken[0] + size, rows_taken[1]));
          EXPECT_TRUE(std::equal(taken[0], taken[0] + size, taken[1]));
          EXPECT_EQ(std::count(mine, mine + 64, 0.0), 64);
          EXPECT_EQ(std::count(plain, plain + 64, 0.0), 64);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ragtime
