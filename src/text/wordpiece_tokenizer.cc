// SPDX-License-Identifier: Apache-2.0
#include "text/wordpiece_tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "text/utf8.h"

namespace ragtime {
namespace {

// BERT's own limit: a longer word is unknown as a whole.
constexpr size_t kWordCharactersMax = 100;
// No word of that many characters is longer in bytes, so that more of a word need not be kept.
constexpr size_t kWordBytesKept = 4 * kWordCharactersMax + 1;

size_t CountCharacters(std::string_view word) {
  return static_cast<size_t>(
      std::count_if(word.begin(), word.end(), [](char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; }));
}

}  // namespace

Result<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::Open(TokenizerFile file) {
  auto tokenizer = std::unique_ptr<WordPieceTokenizer>(new WordPieceTokenizer(std::move(file)));
  RAGTIME_ASSIGN_OR_RETURN(tokenizer->starts_, tokenizer->file_.Trie(TokenizerSection::kTrie));
  RAGTIME_ASSIGN_OR_RETURN(tokenizer->continuations_, tokenizer->file_.Trie(TokenizerSection::kContinuationTrie));
  RAGTIME_ASSIGN_OR_RETURN(tokenizer->characters_, tokenizer->file_.CharacterMap());
  return tokenizer;
}

void WordPieceTokenizer::SplitWord(std::string_view word, std::vector<int32_t>& ids) const {
  ids.clear();
  const bool too_long = word.size() >= kWordBytesKept || CountCharacters(word) > kWordCharactersMax;
  for (size_t position = 0; !too_long && position < word.size();) {
    const TrieView& trie = position == 0 ? starts_ : continuations_;
    size_t matched = position;
    uint32_t piece = 0;
    uint32_t slot = 0;
    for (size_t end = position; end < word.size();) {
      slot = trie.Child(slot, static_cast<uint8_t>(word[end]));
      if (slot == 0) break;
      ++end;
      const uint32_t found = trie.Piece(slot) - 1;  // Of no piece: larger than any id.
      if (found >= file_.vocabulary_size()) continue;
      piece = found;
      matched = end;
    }
    if (matched == position) break;
    ids.push_back(static_cast<int32_t>(piece));
    position = matched;
    if (position == word.size()) return;
  }
  ids.assign(1, special().unknown);
}

template <typename Emit>
void WordPieceTokenizer::EncodeTo(std::string_view text, const Emit& emit) const {
  std::string word;
  std::vector<int32_t> ids;
  const auto end_word = [&] {
    if (word.empty()) return;
    SplitWord(word, ids);
    emit(ids);
    word.clear();
  };
  for (size_t position = 0; position < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, position);
    std::string_view bytes =
        character.valid ? text.substr(position, character.size_bytes) : std::string_view("\xEF\xBF\xBD");
    characters_.Find(character.code_point, bytes);
    for (const char byte : bytes) {
      if (byte == ' ') {
        end_word();
      } else if (word.size() < kWordBytesKept) {
        word += byte;
      }
    }
    position += character.size_bytes;
  }
  end_word();
}

void WordPieceTokenizer::Encode(std::string_view text, std::vector<int32_t>& ids) const {
  EncodeTo(text, [&ids](const std::vector<int32_t>& word) { ids.insert(ids.end(), word.begin(), word.end()); });
}

size_t WordPieceTokenizer::Count(std::string_view text) const {
  size_t count = 0;
  EncodeTo(text, [&count](const std::vector<int32_t>& word) { count += word.size(); });
  return count;
}

}  // namespace ragtime
