// SPDX-License-Identifier: Apache-2.0
//
// The TEXT section of a segment: texts and headings of rows, compressed together in blocks of about 4 KiB.
//
// Threads: TextBlocks is immutable and may be shared. Ownership: borrows the section's bytes. Errors: kDataLoss on
// bytes that TextBlocksBuilder cannot have written.
#ifndef RAGTIME_STORE_TEXT_BLOCKS_H_
#define RAGTIME_STORE_TEXT_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/segment_format.h"

namespace ragtime {

struct TextPlace {
  uint32_t block = 0;
  uint32_t offset = 0;
};

class TextBlocksBuilder {
 public:
  Result<TextPlace> Add(std::string_view text, std::span<const std::string> heading);
  Result<std::vector<std::byte>> Finish();

 private:
  Status Flush();

  std::vector<TextBlockEntry> entries_;
  std::vector<std::byte> compressed_;
  std::string block_;
};

// The block that was decompressed last: neighbours in a result often share it.
struct TextBlockCache {
  std::optional<uint32_t> block;
  std::string bytes;
};

class TextBlocks {
 public:
  explicit TextBlocks(std::span<const std::byte> section) : section_(section) {}
  // Fills text and heading of `node`.
  Status Read(TextPlace place, TextBlockCache& cache, Node& node) const;

 private:
  Status Decompress(uint32_t block, std::string& bytes) const;

  std::span<const std::byte> section_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_TEXT_BLOCKS_H_
