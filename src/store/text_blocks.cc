// SPDX-License-Identifier: Apache-2.0
#include "store/text_blocks.h"

#include <zstd.h>

#include <cstring>
#include <memory>

#include "base/str_cat.h"
#include "store/batch_check.h"

namespace ragtime {
namespace {

// Of English manuals 0.46 of the size remains, and reading one text takes 7 us; with 16 KiB, as it was before, it is
// 0.41 and 21 us, with 64 KiB 0.36 and 59 us (zstd 1.5.4 at level 3, one core of Zen 4, 2.7 MB of text).
constexpr size_t kBlockSizeBytes = size_t{4} << 10;
constexpr size_t kBlockSizeMax = (size_t{16} << 10) + kNodeTextBytesMax + kNodeHeadingBytesMax + 1024;
constexpr int kCompressionLevel = 3;      // zstd's default.
constexpr size_t kSectionHeaderSize = 8;  // Count of blocks, reserved.

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Status Damaged(std::string_view why) { return DataLossError(StrCat("a block of texts is damaged: ", why)); }

void AppendSized(std::string_view bytes, std::string& out) {
  const auto size = static_cast<uint32_t>(bytes.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof(size));
  out += bytes;
}

// Takes a number off the front; false past the end.
bool TakeNumber(std::string_view& rest, uint32_t& number) {
  if (rest.size() < sizeof(number)) return false;
  std::memcpy(&number, rest.data(), sizeof(number));
  rest.remove_prefix(sizeof(number));
  return true;
}

bool TakeSized(std::string_view& rest, std::string& out) {
  uint32_t size = 0;
  if (!TakeNumber(rest, size) || rest.size() < size) return false;
  out = rest.substr(0, size);
  rest.remove_prefix(size);
  return true;
}

}  // namespace

Result<TextPlace> TextBlocksBuilder::Add(std::string_view text, std::span<const std::string> heading) {
  const TextPlace place{static_cast<uint32_t>(entries_.size()), static_cast<uint32_t>(block_.size())};
  AppendSized(text, block_);
  const auto count = static_cast<uint32_t>(heading.size());
  block_.append(reinterpret_cast<const char*>(&count), sizeof(count));
  for (const std::string& title : heading) AppendSized(title, block_);
  if (block_.size() >= kBlockSizeBytes) RAGTIME_RETURN_IF_ERROR(Flush());
  return place;
}

Status TextBlocksBuilder::Flush() {
  if (block_.empty()) return Status();
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (context == nullptr) return ResourceExhaustedError("no memory to compress texts", "free some memory");
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kCompressionLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  const size_t start = compressed_.size();
  compressed_.resize(start + ZSTD_compressBound(block_.size()));
  const size_t size = ZSTD_compress2(context.get(), compressed_.data() + start, compressed_.size() - start,
                                     block_.data(), block_.size());
  if (ZSTD_isError(size)) return InternalError(StrCat("compressing texts failed: ", ZSTD_getErrorName(size)));
  compressed_.resize(start + size);
  entries_.push_back(
      {.offset = start, .compressed_size = static_cast<uint32_t>(size), .size = static_cast<uint32_t>(block_.size())});
  block_.clear();
  return Status();
}

Result<std::vector<std::byte>> TextBlocksBuilder::Finish() {
  RAGTIME_RETURN_IF_ERROR(Flush());
  const size_t start = kSectionHeaderSize + entries_.size() * sizeof(TextBlockEntry);
  for (TextBlockEntry& entry : entries_) entry.offset += start;
  std::vector<std::byte> section(start + compressed_.size());
  const auto count = static_cast<uint32_t>(entries_.size());
  std::memcpy(section.data(), &count, sizeof(count));
  std::memcpy(section.data() + kSectionHeaderSize, entries_.data(), entries_.size() * sizeof(TextBlockEntry));
  std::memcpy(section.data() + start, compressed_.data(), compressed_.size());
  return section;
}

Status TextBlocks::Decompress(uint32_t block, std::string& bytes) const {
  if (section_.size() < kSectionHeaderSize) return Damaged("no header");
  const auto count = LoadAt<uint32_t>(section_, 0);
  if (count > (section_.size() - kSectionHeaderSize) / sizeof(TextBlockEntry)) return Damaged("table too long");
  if (block >= count) return Damaged("no such block");
  const auto entry = LoadAt<TextBlockEntry>(section_.subspan(kSectionHeaderSize), block);
  if (entry.offset > section_.size() || entry.compressed_size > section_.size() - entry.offset) {
    return Damaged("outside of its section");
  }
  if (entry.size > kBlockSizeMax) return Damaged("too large");
  // One context a thread: making one costs more than decompressing a block.
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (context == nullptr) return ResourceExhaustedError("no memory to decompress texts", "free some memory");
  bytes.resize(entry.size);
  const size_t size = ZSTD_decompressDCtx(context.get(), bytes.data(), bytes.size(), section_.data() + entry.offset,
                                          entry.compressed_size);
  if (ZSTD_isError(size)) return Damaged(ZSTD_getErrorName(size));
  if (size != entry.size) return Damaged("another size than recorded");
  return Status();
}

Status TextBlocks::Read(TextPlace place, TextBlockCache& cache, Node& node) const {
  if (cache.block != place.block) {
    cache.block.reset();
    RAGTIME_RETURN_IF_ERROR(Decompress(place.block, cache.bytes));
    cache.block = place.block;
  }
  std::string_view rest = cache.bytes;
  if (place.offset > rest.size()) return Damaged("no such text");
  rest.remove_prefix(place.offset);
  uint32_t count = 0;
  if (!TakeSized(rest, node.text) || !TakeNumber(rest, count)) return Damaged("a text is cut off");
  if (count > rest.size() / sizeof(uint32_t)) return Damaged("headings are cut off");
  node.heading.resize(count);
  for (std::string& title : node.heading) {
    if (!TakeSized(rest, title)) return Damaged("a heading is cut off");
  }
  return Status();
}

}  // namespace ragtime
