// SPDX-License-Identifier: Apache-2.0
#include "store/text_blocks.h"

#define ZDICT_STATIC_LINKING_ONLY  // For a dictionary with given parameters, not the best of many.
#include <zdict.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "base/str_cat.h"
#include "store/batch_check.h"

namespace ragtime {
namespace {

// Nodes of about 1 KB of English manuals and of generated words, zstd 1.5.4 at level 3, one core of Zen 5: with a block
// for each text and a dictionary 0.42 and 0.52 of the size remain and reading one takes 1.4 and 1.7 us; with blocks of
// 4 KiB and no dictionary, as it was before, 0.41 and 0.60, 6.8 and 7.8 us; with 1 KiB and none 0.55 and 0.72, 3 us.
constexpr size_t kBlockSizeBytes = size_t{1} << 10;
constexpr size_t kBlockSizeMax = (size_t{16} << 10) + kNodeTextBytesMax + kNodeHeadingBytesMax + 1024;
constexpr int kCompressionLevel = 3;      // zstd's default.
constexpr size_t kSectionHeaderSize = 8;  // Count of blocks, size of the dictionary.

// 32 KiB learned from 1 MiB take 12 ms; the four tries of zstd's own choice take 250 and save nothing more.
constexpr size_t kDictionarySizeMax = size_t{32} << 10;
constexpr size_t kDictionarySizeMin = size_t{4} << 10;
constexpr size_t kSampledForEachByte = 32;
// A dictionary is learned from samples of the first so many bytes, which wait in memory for it.
constexpr size_t kWaitingSizeMax = size_t{16} << 20;
constexpr ZDICT_fastCover_params_t kLearning = {
    .k = 200,
    .d = 8,
    .f = 18,
    .steps = 1,
    .nbThreads = 1,
    .splitPoint = 1,
    .accel = 1,
    .shrinkDict = 0,
    .shrinkDictMaxRegression = 0,
    .zParams = {.compressionLevel = kCompressionLevel, .notificationLevel = 0, .dictID = 0}};

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
  const TextPlace place{blocks_, static_cast<uint32_t>(block_.size())};
  AppendSized(text, block_);
  const auto count = static_cast<uint32_t>(heading.size());
  block_.append(reinterpret_cast<const char*>(&count), sizeof(count));
  for (const std::string& title : heading) AppendSized(title, block_);
  if (block_.size() >= kBlockSizeBytes) RAGTIME_RETURN_IF_ERROR(Flush());
  return place;
}

void TextBlocksBuilder::FreeDictionary::operator()(ZSTD_CDict* dictionary) const { ZSTD_freeCDict(dictionary); }

Status TextBlocksBuilder::Flush() {
  if (block_.empty()) return Status();
  ++blocks_;
  if (learned_) {
    RAGTIME_RETURN_IF_ERROR(Compress(block_));
    block_.clear();
    return Status();
  }
  waiting_size_bytes_ += block_.size();
  waiting_.push_back(std::exchange(block_, {}));
  return waiting_size_bytes_ < kWaitingSizeMax ? Status() : Learn();
}

Status TextBlocksBuilder::Learn() {
  learned_ = true;
  const size_t size_bytes = std::min(kDictionarySizeMax, waiting_size_bytes_ / kSampledForEachByte);
  if (size_bytes >= kDictionarySizeMin) {
    // Samples at equal steps: a segment often begins with one long document.
    const size_t sampled = size_bytes * kSampledForEachByte;
    std::string samples;
    std::vector<size_t> sizes;
    size_t passed = 0;
    for (const std::string& block : waiting_) {
      if (samples.size() * waiting_size_bytes_ <= passed * sampled) {
        samples += block;
        sizes.push_back(block.size());
      }
      passed += block.size();
    }
    dictionary_.resize(size_bytes);
    const size_t learned =
        ZDICT_trainFromBuffer_fastCover(dictionary_.data(), dictionary_.size(), samples.data(), sizes.data(),
                                        static_cast<unsigned>(sizes.size()), kLearning);
    // A few long texts, or one many times over, give none; then there is none.
    dictionary_.resize(ZDICT_isError(learned) ? 0 : learned);
  }
  if (!dictionary_.empty()) {
    prepared_.reset(ZSTD_createCDict(dictionary_.data(), dictionary_.size(), kCompressionLevel));
    if (prepared_ == nullptr) return ResourceExhaustedError("no memory to compress texts", "free some memory");
  }
  for (const std::string& block : waiting_) RAGTIME_RETURN_IF_ERROR(Compress(block));
  waiting_ = {};
  return Status();
}

Status TextBlocksBuilder::Compress(std::string_view block) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (context == nullptr) return ResourceExhaustedError("no memory to compress texts", "free some memory");
  ZSTD_CCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kCompressionLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  if (prepared_ != nullptr) ZSTD_CCtx_refCDict(context.get(), prepared_.get());
  const size_t start = compressed_.size();
  compressed_.resize(start + ZSTD_compressBound(block.size()));
  const size_t size =
      ZSTD_compress2(context.get(), compressed_.data() + start, compressed_.size() - start, block.data(), block.size());
  if (ZSTD_isError(size)) return InternalError(StrCat("compressing texts failed: ", ZSTD_getErrorName(size)));
  compressed_.resize(start + size);
  entries_.push_back(
      {.offset = start, .compressed_size = static_cast<uint32_t>(size), .size = static_cast<uint32_t>(block.size())});
  return Status();
}

Result<std::vector<std::byte>> TextBlocksBuilder::Finish() {
  RAGTIME_RETURN_IF_ERROR(Flush());
  if (!learned_) RAGTIME_RETURN_IF_ERROR(Learn());
  const size_t start = kSectionHeaderSize + entries_.size() * sizeof(TextBlockEntry) + dictionary_.size();
  for (TextBlockEntry& entry : entries_) entry.offset += start;
  const std::array<uint32_t, 2> header = {static_cast<uint32_t>(entries_.size()),
                                          static_cast<uint32_t>(dictionary_.size())};
  std::vector<std::byte> section;
  section.reserve(start + compressed_.size());
  const auto append = [&section](std::span<const std::byte> bytes) {
    section.insert(section.end(), bytes.begin(), bytes.end());
  };
  append(std::as_bytes(std::span(header)));
  append(std::as_bytes(std::span(entries_)));
  append(std::as_bytes(std::span(dictionary_)));
  append(compressed_);
  return section;
}

TextBlocks::TextBlocks(std::span<const std::byte> section) : section_(section) {}
TextBlocks::~TextBlocks() = default;

void TextBlocks::FreeDictionary::operator()(ZSTD_DDict* dictionary) const { ZSTD_freeDDict(dictionary); }

const ZSTD_DDict* TextBlocks::Dictionary(uint32_t block_count, uint32_t size_bytes) const {
  std::call_once(prepared_once_, [&] {
    const size_t start = kSectionHeaderSize + size_t{block_count} * sizeof(TextBlockEntry);
    if (size_bytes == 0 || size_bytes > kDictionarySizeMax || size_bytes > section_.size() - start) return;
    prepared_.reset(ZSTD_createDDict(section_.data() + start, size_bytes));
  });
  return prepared_.get();
}

Status TextBlocks::Decompress(uint32_t block, std::string& bytes) const {
  if (section_.size() < kSectionHeaderSize) return Damaged("no header");
  const auto count = LoadAt<uint32_t>(section_, 0);
  if (count > (section_.size() - kSectionHeaderSize) / sizeof(TextBlockEntry)) return Damaged("table too long");
  if (block >= count) return Damaged("no such block");
  const ZSTD_DDict* const dictionary = Dictionary(count, LoadAt<uint32_t>(section_, 1));
  const auto entry = LoadAt<TextBlockEntry>(section_.subspan(kSectionHeaderSize), block);
  if (entry.offset > section_.size() || entry.compressed_size > section_.size() - entry.offset) {
    return Damaged("outside of its section");
  }
  if (entry.size > kBlockSizeMax) return Damaged("too large");
  // One context a thread: making one costs more than decompressing a block.
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (context == nullptr) return ResourceExhaustedError("no memory to decompress texts", "free some memory");
  bytes.resize(entry.size);
  const size_t size = ZSTD_decompress_usingDDict(context.get(), bytes.data(), bytes.size(),
                                                 section_.data() + entry.offset, entry.compressed_size, dictionary);
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
