// SPDX-License-Identifier: Apache-2.0
//
// The TEXT section of a segment: texts and headings of rows, compressed in blocks of about 1 KiB with a dictionary of
// what they have in common.
//
// Threads: TextBlocks may be shared. Ownership: it borrows the section's bytes. Errors: kDataLoss on bytes that
// TextBlocksBuilder cannot have written.
#ifndef RAGTIME_STORE_TEXT_BLOCKS_H_
#define RAGTIME_STORE_TEXT_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/segment_format.h"

struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

namespace ragtime {

// 0, as it was before: no dictionary. Both are read.
inline constexpr uint32_t kTextSectionVersion = 1;

struct TextPlace {
  uint32_t block = 0;
  uint32_t offset = 0;
};

class TextBlocksBuilder {
 public:
  Result<TextPlace> Add(std::string_view text, std::span<const std::string> heading);
  Result<std::vector<std::byte>> Finish();

 private:
  struct FreeDictionary {
    void operator()(ZSTD_CDict_s* dictionary) const;
  };
  Status Flush();
  // Makes the dictionary of the blocks so far, where they are enough to learn from, and compresses them.
  Status Learn();
  Status Compress(std::string_view block);

  std::vector<std::string> waiting_;  // Blocks until the dictionary is made.
  size_t waiting_size_bytes_ = 0;
  uint32_t blocks_ = 0;
  bool learned_ = false;
  std::string dictionary_;
  std::unique_ptr<ZSTD_CDict_s, FreeDictionary> prepared_;
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
  explicit TextBlocks(std::span<const std::byte> section);
  ~TextBlocks();
  TextBlocks(const TextBlocks&) = delete;
  TextBlocks& operator=(const TextBlocks&) = delete;

  // Fills text and heading of `node`.
  Status Read(TextPlace place, TextBlockCache& cache, Node& node) const;

 private:
  struct FreeDictionary {
    void operator()(ZSTD_DDict_s* dictionary) const;
  };
  Status Decompress(uint32_t block, std::string& bytes) const;
  // Null: there is none, or it is damaged, which the blocks then show. Made by the first read: a segment is opened
  // without looking at its texts.
  const ZSTD_DDict_s* Dictionary(uint32_t block_count, uint32_t size_bytes) const;

  const std::span<const std::byte> section_;
  mutable std::once_flag prepared_once_;
  mutable std::unique_ptr<ZSTD_DDict_s, FreeDictionary> prepared_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_TEXT_BLOCKS_H_
