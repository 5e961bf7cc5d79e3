// SPDX-License-Identifier: Apache-2.0
//
// UTF-8, one code point at a time, and what kind of character a code point is.
#ifndef RAGTIME_TEXT_UTF8_H_
#define RAGTIME_TEXT_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ragtime {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct DecodedCharacter {
  char32_t code_point = 0;
  size_t size_bytes = 1;  // Consumed, at least 1.
  bool valid = true;      // False: code_point is kReplacementCharacter.
};

// Decodes the character at `position`, which must be inside `text`. Overlong forms, surrogates and code points past
// U+10FFFF are invalid; an invalid sequence consumes its longest prefix that could have started a character (Unicode
// 15, 3.9).
DecodedCharacter DecodeUtf8(std::string_view text, size_t position);
void AppendUtf8(char32_t code_point, std::string& out);
// The offset of the first invalid sequence, or npos.
size_t FindInvalidUtf8(std::string_view text);
// Each invalid sequence becomes U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);
// The largest offset <= `position` at which a character starts; `text` must be valid.
size_t CharacterStart(std::string_view text, size_t position);

// Han, Kana, Hangul, Bopomofo: scripts that put no spaces between words, and that are indexed by character.
bool IsCjk(char32_t code_point);
// White space in the sense of Unicode's White_Space property.
bool IsSpace(char32_t code_point);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_UTF8_H_
