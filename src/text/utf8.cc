// SPDX-License-Identifier: Apache-2.0
#include "text/utf8.h"

namespace ragtime {
namespace {

bool IsContinuation(std::string_view text, size_t position, unsigned low = 0x80, unsigned high = 0xBF) {
  if (position >= text.size()) return false;
  const unsigned byte = static_cast<unsigned char>(text[position]);
  return byte >= low && byte <= high;
}

char32_t Bits(std::string_view text, size_t position) { return static_cast<unsigned char>(text[position]) & 0x3F; }

DecodedCharacter Invalid(size_t size_bytes) { return {kReplacementCharacter, size_bytes, false}; }

}  // namespace

DecodedCharacter DecodeUtf8(std::string_view text, size_t position) {
  const unsigned lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) return {lead, 1, true};
  if (lead >= 0xC2 && lead <= 0xDF) {
    if (!IsContinuation(text, position + 1)) return Invalid(1);
    return {(lead & 0x1Fu) << 6 | Bits(text, position + 1), 2, true};
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    // The second byte's range excludes overlong forms and surrogates.
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    if (!IsContinuation(text, position + 1, low, high)) return Invalid(1);
    if (!IsContinuation(text, position + 2)) return Invalid(2);
    return {(lead & 0x0Fu) << 12 | Bits(text, position + 1) << 6 | Bits(text, position + 2), 3, true};
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    if (!IsContinuation(text, position + 1, low, high)) return Invalid(1);
    if (!IsContinuation(text, position + 2)) return Invalid(2);
    if (!IsContinuation(text, position + 3)) return Invalid(3);
    return {(lead & 0x07u) << 18 | Bits(text, position + 1) << 12 | Bits(text, position + 2) << 6 |
                Bits(text, position + 3),
            4, true};
  }
  return Invalid(1);
}

void AppendUtf8(char32_t code_point, std::string& out) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) code_point = kReplacementCharacter;
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | code_point >> 6);
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | code_point >> 12);
    out += static_cast<char>(0x80 | (code_point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code_point >> 18);
    out += static_cast<char>(0x80 | (code_point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code_point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

size_t FindInvalidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (!character.valid) return i;
    i += character.size_bytes;
  }
  return std::string_view::npos;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (character.valid) {
      out.append(text, i, character.size_bytes);
    } else {
      AppendUtf8(kReplacementCharacter, out);
    }
    i += character.size_bytes;
  }
  return out;
}

size_t CharacterStart(std::string_view text, size_t position) {
  if (position >= text.size()) return text.size();
  while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80) --position;
  return position;
}

bool IsCjk(char32_t c) {
  return (c >= 0x1100 && c <= 0x11FF) ||                 // Hangul Jamo
         (c >= 0x2E80 && c <= 0x2FDF) ||                 // CJK and Kangxi radicals
         (c >= 0x3005 && c <= 0x3007) ||                 // Iteration mark, closing mark, zero
         (c >= 0x3021 && c <= 0x3029) ||                 // Hangzhou numerals
         (c >= 0x3031 && c <= 0x3035) ||                 // Kana repeat marks
         (c >= 0x3041 && c <= 0x30FF && c != 0x30FB) ||  // Hiragana, Katakana without the middle dot
         (c >= 0x3105 && c <= 0x312F) ||                 // Bopomofo
         (c >= 0x3131 && c <= 0x318E) ||                 // Hangul compatibility Jamo
         (c >= 0x31A0 && c <= 0x31BF) || (c >= 0x31F0 && c <= 0x31FF) || (c >= 0x3400 && c <= 0x4DBF) ||  // Extension A
         (c >= 0x4E00 && c <= 0x9FFF) ||                                  // Unified ideographs
         (c >= 0xA960 && c <= 0xA97F) || (c >= 0xAC00 && c <= 0xD7FF) ||  // Hangul
         (c >= 0xF900 && c <= 0xFAFF) ||                                  // Compatibility ideographs
         (c >= 0xFF66 && c <= 0xFFDC) ||                                  // Half-width Kana and Hangul
         (c >= 0x1B000 && c <= 0x1B16F) ||                                // Kana supplements
         (c >= 0x20000 && c <= 0x323AF);                                  // Extensions B to H
}

bool IsSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace ragtime
