// SPDX-License-Identifier: Apache-2.0
//
// TokenizerFile is a mapped tokenizer.bin (docs/formats/tokenizer.md): its header, checked, and its sections as arrays;
// TrieView and CharacterMapView are the two structures that lie in sections of every kind of tokenizer.
//
// Threads: immutable. The views point into the file and must not outlive it.
// Errors: kDataLoss where the header or a section's place and size are wrong. The bodies are not read when a file is
// opened, so the views check each index against its array before they follow it.
#ifndef RAGTIME_TEXT_TOKENIZER_FILE_H_
#define RAGTIME_TEXT_TOKENIZER_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/files.h"
#include "ragtime/status.h"
#include "text/tokenizer.h"

namespace ragtime {

enum class TokenizerKind : uint32_t { kUnigram = 1, kWordPiece = 2 };

enum class TokenizerSection : uint32_t {
  kTrie = 1,
  kScores = 2,
  kCharacterPages = 3,
  kCharacterEntries = 4,
  kReplacements = 5,
  kContinuationTrie = 6,
};

// A double array over bytes. Slot 0 is the root.
class TrieView {
 public:
  struct Slot {
    uint32_t link = 0;   // First slot of the children << 9 | used << 8 | byte that leads here.
    uint32_t piece = 0;  // Id + 1 of the piece that ends here, or 0.
  };

  TrieView() = default;
  explicit TrieView(std::span<const Slot> slots) : slots_(slots) {}

  // The slot that `byte` leads to from `slot`, or 0 (no slot leads to the root).
  uint32_t Child(uint32_t slot, uint8_t byte) const {
    const uint32_t child = (slots_[slot].link >> 9) + byte;
    if (child >= slots_.size() || (slots_[child].link & 0x1FF) != (0x100u | byte)) return 0;
    return child;
  }
  // Id + 1 of the piece that ends at `slot`, or 0. The id is not checked.
  uint32_t Piece(uint32_t slot) const { return slots_[slot].piece; }

 private:
  std::span<const Slot> slots_;
};

// Which characters are replaced by what before pieces are looked up.
class CharacterMapView {
 public:
  CharacterMapView() = default;
  CharacterMapView(std::span<const uint16_t> pages, std::span<const uint32_t> entries, std::string_view replacements)
      : pages_(pages), entries_(entries), replacements_(replacements) {}

  // True and the replacement (perhaps empty) where the character does not stand for itself.
  bool Find(char32_t code_point, std::string_view& replacement) const {
    const size_t page = code_point >> 8;
    if (page >= pages_.size()) return false;
    const size_t index = size_t{pages_[page]} << 8 | (code_point & 0xFF);
    if (index >= entries_.size() || entries_[index] == 0) return false;
    const size_t offset = entries_[index] >> 8;
    const size_t size = (entries_[index] & 0xFF) - 1;
    if (offset > replacements_.size() || size > replacements_.size() - offset) return false;
    replacement = replacements_.substr(offset, size);
    return true;
  }

 private:
  std::span<const uint16_t> pages_;
  std::span<const uint32_t> entries_;
  std::string_view replacements_;
};

class TokenizerFile {
 public:
  static Result<TokenizerFile> Open(const std::filesystem::path& path);

  TokenizerKind kind() const { return kind_; }
  const SpecialTokens& special() const { return special_; }
  uint32_t vocabulary_size() const { return vocabulary_size_; }
  uint32_t piece_bytes_max() const { return piece_bytes_max_; }
  float unknown_score() const { return unknown_score_; }
  const std::string& name() const { return name_; }

  // kDataLoss where the section is missing, empty, or not whole elements.
  Result<TrieView> Trie(TokenizerSection section) const;
  Result<CharacterMapView> CharacterMap() const;
  Result<std::span<const float>> Scores() const;

 private:
  struct Section {
    uint32_t number = 0;
    uint64_t offset = 0;
    uint64_t size_bytes = 0;
  };
  static constexpr size_t kSectionsMax = 6;

  Status ReadHeader();
  Status ReadSections(uint32_t count);
  template <typename T>
  Result<std::span<const T>> Array(TokenizerSection section) const;
  Status Damaged(std::string_view what) const;

  MappedFile file_;
  std::string name_;  // Path, for messages.
  TokenizerKind kind_ = TokenizerKind::kUnigram;
  SpecialTokens special_;
  uint32_t vocabulary_size_ = 0;
  uint32_t piece_bytes_max_ = 0;
  float unknown_score_ = 0;
  std::array<Section, kSectionsMax> sections_{};
};

}  // namespace ragtime

#endif  // RAGTIME_TEXT_TOKENIZER_FILE_H_
