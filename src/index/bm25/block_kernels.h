// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of a block of postings, in the widest instructions that this CPU has, chosen when the program runs.
//
// Every implementation gives the same bits: integers are exact, and each floating point operation stands alone.
//
// Threads: may be called concurrently. Pointers need no alignment; `values` and `parts` have room for kBlockRows, and
// what lies from `count` on is left undefined. kRecordsPadding bytes can be read behind the packed numbers.
#ifndef RAGTIME_INDEX_BM25_BLOCK_KERNELS_H_
#define RAGTIME_INDEX_BM25_BLOCK_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace ragtime {

struct BlockKernels {
  const char* name;  // "scalar", "avx2", "avx512"
  // Packed numbers follow each other from the lowest bit of the first byte on, `bits` (0 to 32) each.
  // Gaps become rows: values[i] = first + gap 0 + ... + gap i + i, modulo 2^32.
  void (*unpack_rows)(const std::byte* packed, unsigned bits, size_t count, uint32_t first, uint32_t* values);
  // values[i] = number i + 1, modulo 2^32.
  void (*unpack_counts)(const std::byte* packed, unsigned bits, size_t count, uint32_t* values);
  // parts[i] = gain * counts[i] / (counts[i] + length_free + length_factor * lengths[i]); numbers below 2^31.
  void (*score)(const uint32_t* counts, const uint32_t* lengths, size_t count, double gain, double length_free,
                double length_factor, double* parts);
  // How many of the kBlockRows ascending `rows` are below `row`.
  size_t (*count_below)(const uint32_t* rows, uint32_t row);
  // Bit i says whether sums[i] > least, for 64 sums.
  uint64_t (*above)(const double* sums, double least);
  // Moves those of 64 sums that are > least to `taken`, with `first_row` + i to `rows`, and sets all 64 to 0. Returns
  // how many. 8 more elements may be written behind them.
  size_t (*take_above)(double* sums, double least, uint32_t first_row, uint32_t* rows, double* taken);
};

// Those that this CPU can run, the plain one first and the fastest last.
std::span<const BlockKernels> SupportedBlockKernels();
// The last of SupportedBlockKernels().
const BlockKernels& BestBlockKernels();

}  // namespace ragtime

#endif  // RAGTIME_INDEX_BM25_BLOCK_KERNELS_H_
