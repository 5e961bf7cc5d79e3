// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_file.h"

#include <cmath>
#include <cstring>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr char kMagic[] = "RAGTOKEN";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 256;
constexpr size_t kChecksumOffset = 24;
constexpr size_t kSectionTableOffset = 96;
constexpr size_t kSectionEntryBytes = 24;
constexpr size_t kSectionAlignment = 64;
constexpr size_t kCharacterPageCount = 0x110000 / 256;
constexpr uint32_t kPieceBytesLimit = 255;  // Keeps the look-ahead of an encoder small.

static_assert(sizeof(TrieView::Slot) == 8);

template <typename T>
T Read(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// FNV-1a, 64 bits, with the checksum's own bytes taken as zero.
uint64_t HeaderChecksum(std::span<const std::byte> header) {
  uint64_t hash = 0xCBF29CE484222325;
  for (size_t i = 0; i < header.size(); ++i) {
    const bool own = i >= kChecksumOffset && i < kChecksumOffset + sizeof(uint64_t);
    hash = (hash ^ (own ? 0 : std::to_integer<uint64_t>(header[i]))) * 0x100000001B3;
  }
  return hash;
}

}  // namespace

Status TokenizerFile::Damaged(std::string_view what) const {
  return DataLossError(StrCat("the tokenizer ", name_, " is damaged: ", what), "Build or fetch the model again.");
}

Result<TokenizerFile> TokenizerFile::Open(const std::filesystem::path& path) {
  TokenizerFile file;
  file.name_ = path.string();
  RAGTIME_ASSIGN_OR_RETURN(file.file_, MappedFile::Open(path));
  RAGTIME_RETURN_IF_ERROR(file.ReadHeader());
  return file;
}

Status TokenizerFile::ReadHeader() {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, 8) != 0) {
    return DataLossError(StrCat(name_, " is not a tokenizer file"), "Give the tokenizer.bin of a model folder.");
  }
  const auto version = Read<uint32_t>(bytes, 8);
  if (version > kVersion) {
    return FailedPreconditionError(
        StrCat("the tokenizer ", name_, " has format ", version, ", and this program knows formats up to ", kVersion),
        "Update Ragtime, or build the model with this version's tools/models.");
  }
  if (Read<uint64_t>(bytes, kChecksumOffset) != HeaderChecksum(bytes.first(kHeaderBytes))) {
    return Damaged("its header's checksum is wrong");
  }
  if (version != kVersion) return Damaged("it has a version that never was");
  if (Read<uint64_t>(bytes, 16) != bytes.size()) {
    return Damaged(StrCat("it should have ", Read<uint64_t>(bytes, 16), " bytes and has ", bytes.size()));
  }
  kind_ = static_cast<TokenizerKind>(Read<uint32_t>(bytes, 12));
  special_ = {Read<int32_t>(bytes, 32), Read<int32_t>(bytes, 36), Read<int32_t>(bytes, 40), Read<int32_t>(bytes, 44)};
  vocabulary_size_ = Read<uint32_t>(bytes, 48);
  piece_bytes_max_ = Read<uint32_t>(bytes, 52);
  unknown_score_ = Read<float>(bytes, 56);
  for (const int32_t id : {special_.begin, special_.end, special_.padding, special_.unknown}) {
    if (id < 0 || static_cast<uint32_t>(id) >= vocabulary_size_) return Damaged(StrCat("it has no token ", id));
  }
  if (piece_bytes_max_ == 0 || piece_bytes_max_ > kPieceBytesLimit) {
    return Damaged(StrCat("its longest piece has ", piece_bytes_max_, " bytes"));
  }
  if (!std::isfinite(unknown_score_)) return Damaged("its score of unknown characters is not a number");
  return ReadSections(Read<uint32_t>(bytes, 60));
}

Status TokenizerFile::ReadSections(uint32_t count) {
  const std::span<const std::byte> bytes = file_.bytes();
  if (count > sections_.size()) return Damaged(StrCat("it names ", count, " sections"));
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = kSectionTableOffset + i * kSectionEntryBytes;
    const Section section{Read<uint32_t>(bytes, entry), Read<uint64_t>(bytes, entry + 8),
                          Read<uint64_t>(bytes, entry + 16)};
    if (section.offset % kSectionAlignment != 0 || section.offset > bytes.size() ||
        section.size_bytes > bytes.size() - section.offset) {
      return Damaged(StrCat("section ", section.number, " lies outside of the file"));
    }
    sections_[i] = section;
  }
  return {};
}

template <typename T>
Result<std::span<const T>> TokenizerFile::Array(TokenizerSection section) const {
  for (const Section& candidate : sections_) {
    if (candidate.number != static_cast<uint32_t>(section)) continue;
    if (candidate.size_bytes == 0 || candidate.size_bytes % sizeof(T) != 0) break;
    const std::byte* const data = file_.bytes().data() + candidate.offset;
    return std::span<const T>(reinterpret_cast<const T*>(data), candidate.size_bytes / sizeof(T));
  }
  return Damaged(StrCat("section ", static_cast<uint32_t>(section), " is missing or of a wrong size"));
}

Result<TrieView> TokenizerFile::Trie(TokenizerSection section) const {
  RAGTIME_ASSIGN_OR_RETURN(const auto slots, Array<TrieView::Slot>(section));
  return TrieView(slots);
}

Result<CharacterMapView> TokenizerFile::CharacterMap() const {
  RAGTIME_ASSIGN_OR_RETURN(const auto pages, Array<uint16_t>(TokenizerSection::kCharacterPages));
  RAGTIME_ASSIGN_OR_RETURN(const auto entries, Array<uint32_t>(TokenizerSection::kCharacterEntries));
  RAGTIME_ASSIGN_OR_RETURN(const auto replacements, Array<char>(TokenizerSection::kReplacements));
  if (pages.size() != kCharacterPageCount) return Damaged(StrCat("its character map has ", pages.size(), " pages"));
  return CharacterMapView(pages, entries, std::string_view(replacements.data(), replacements.size()));
}

Result<std::span<const float>> TokenizerFile::Scores() const {
  RAGTIME_ASSIGN_OR_RETURN(const auto scores, Array<float>(TokenizerSection::kScores));
  if (scores.size() != vocabulary_size_) return Damaged(StrCat("it has ", scores.size(), " scores"));
  return scores;
}

}  // namespace ragtime
