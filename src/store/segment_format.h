// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a segment, sealed in a file or as an image in the catalog. docs/formats/segment.md describes each field.
// All numbers are little-endian.
#ifndef RAGTIME_STORE_SEGMENT_FORMAT_H_
#define RAGTIME_STORE_SEGMENT_FORMAT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace ragtime {

static_assert(std::endian::native == std::endian::little, "segments are mapped as they are");

inline constexpr std::array<char, 8> kSegmentMagic = {'R', 'A', 'G', 'T', 'S', 'E', 'G', '\n'};
inline constexpr uint32_t kSegmentFormatVersion = 0;
inline constexpr size_t kFileAlignment = 4096;  // Of sections in a file, so that each can be advised and mapped alone.
inline constexpr size_t kImageAlignment =
    64;  // Of sections in the catalog, where a page each would be most of the image.
inline constexpr uint32_t kSegmentSectionsMax = 256;

enum class SectionType : uint32_t {
  kNodeIds = 1,
  kRows = 2,
  kGroups = 3,
  kText = 4,
  kVectors = 5,
  kVectorIndex = 6,
  kKeywordIndex = 7,
  kDocuments = 8,
  kFields = 9,
  // Of the vectors of NewNode::named. The first names the keys; the n-th section of each other type is of the n-th key.
  kKeys = 10,
  kKeyRows = 11,
  kKeyVectors = 12,
  kKeyIndex = 13,
};

struct SegmentHeader {
  std::array<char, 8> magic = kSegmentMagic;
  uint32_t format_version = kSegmentFormatVersion;
  uint32_t header_size = 0;  // With the section table.
  uint64_t segment_id = 0;
  uint64_t size_bytes = 0;  // Of the whole segment.
  uint32_t rows = 0;
  uint32_t dimension = 0;  // 0: the nodes have no vectors.
  uint32_t section_count = 0;
  uint32_t words_version = 0;  // WordsVersion of what cut the texts into the words of the keyword index.
  uint64_t reserved = 0;
  uint64_t checksum = 0;  // Hash64 of header and section table with this field 0.
};
static_assert(sizeof(SegmentHeader) == 64 && std::is_trivially_copyable_v<SegmentHeader>);

struct SectionEntry {
  uint32_t type = 0;
  uint32_t version = 0;
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
  uint64_t checksum = 0;           // Hash64 of the section's bytes.
  std::array<char, 16> name = {};  // Of the index type, e.g. "FLAT"; empty for other sections.

  std::string_view index_name() const { return {name.data(), ::strnlen(name.data(), name.size())}; }
};
static_assert(sizeof(SectionEntry) == 48 && std::is_trivially_copyable_v<SectionEntry>);

struct RowRecord {
  static constexpr uint32_t kHasBytes = 1;
  static constexpr uint32_t kHasExtracted = 2;
  static constexpr uint32_t kHasPage = 4;
  int64_t document_id = 0;
  uint64_t bytes_start = 0;
  uint64_t bytes_end = 0;
  uint64_t extracted_start = 0;
  uint64_t extracted_end = 0;
  uint32_t position = 0;
  uint32_t page = 0;
  uint16_t group = 0;
  uint16_t flags = 0;
  uint32_t text_block = 0;
  uint32_t text_offset = 0;  // In the block's decompressed bytes.
  uint32_t reserved = 0;
};
static_assert(sizeof(RowRecord) == 64 && std::is_trivially_copyable_v<RowRecord>);

// Of the DOCUMENTS section, by ascending document_id.
struct DocumentRows {
  int64_t document_id = 0;
  uint32_t first_row = 0;
  uint32_t row_count = 0;
};
static_assert(sizeof(DocumentRows) == 16 && std::is_trivially_copyable_v<DocumentRows>);

struct TextBlockEntry {
  uint64_t offset = 0;  // In the TEXT section.
  uint32_t compressed_size = 0;
  uint32_t size = 0;
};
static_assert(sizeof(TextBlockEntry) == 16 && std::is_trivially_copyable_v<TextBlockEntry>);

// The element at `index` of an array that starts at bytes[0]; the caller has checked the bounds.
template <typename T>
T LoadAt(std::span<const std::byte> bytes, size_t index) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace ragtime

#endif  // RAGTIME_STORE_SEGMENT_FORMAT_H_
