// SPDX-License-Identifier: Apache-2.0
//
// The forms in which words are compared: Unicode's compatible one, without case, without accents.
//
// Threads: may be called concurrently. Errors: none; what ICU cannot normalize stays as it is.
#ifndef RAGTIME_TEXT_FOLD_CASE_H_
#define RAGTIME_TEXT_FOLD_CASE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ragtime {

inline char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline bool IsAscii(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t block;
    std::memcpy(&block, text.data() + i, 8);
    if ((block & 0x8080808080808080u) != 0) return false;
  }
  for (; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  }
  return true;
}

// NFKC: "ＰＧ" becomes "PG". Of UTF-8, at most 2 GiB.
std::string ComposeCompatible(std::string_view text);

// NFKC and case folding.
std::string FoldCase(std::string_view text);

// "café" -> "cafe". Empty if what is left is not ASCII: without its marks a word of another script is another word.
std::string WithoutAccents(std::string_view folded);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_FOLD_CASE_H_
