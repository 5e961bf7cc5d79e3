// SPDX-License-Identifier: Apache-2.0
#include "model/scripted/scripted_words.h"

#include "text/utf8.h"

namespace ragtime {
namespace {

bool IsAsciiPunctuation(char32_t c) {
  return c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z');
}

// General punctuation, CJK punctuation and full-width forms of ASCII punctuation.
bool IsWidePunctuation(char32_t c) {
  return (c >= 0x2010 && c <= 0x206F) || (c >= 0x3001 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020) ||
         (c >= 0xFF01 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) || (c >= 0xFF3B && c <= 0xFF40) ||
         (c >= 0xFF5B && c <= 0xFF65);
}

}  // namespace

std::vector<ScriptedWord> ScriptedWords(std::string_view text) {
  std::vector<ScriptedWord> words;
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    const std::string_view bytes = text.substr(i, character.size_bytes);
    i += character.size_bytes;
    const char32_t c = character.code_point;
    if (IsSpace(c)) {
      in_word = false;
    } else if (IsAsciiPunctuation(c) || IsWidePunctuation(c)) {
      words.push_back({.text = bytes, .is_punctuation = true});
      in_word = false;
    } else if (IsCjk(c)) {
      words.push_back({.text = bytes, .is_cjk = true});
      in_word = false;
    } else if (in_word) {
      std::string_view& word = words.back().text;
      word = std::string_view(word.data(), word.size() + bytes.size());
    } else {
      words.push_back({.text = bytes});
      in_word = true;
    }
  }
  return words;
}

}  // namespace ragtime
