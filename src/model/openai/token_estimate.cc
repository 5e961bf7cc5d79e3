// SPDX-License-Identifier: Apache-2.0
#include "model/openai/token_estimate.h"

#include <algorithm>

#include "text/utf8.h"

namespace ragtime {
namespace {

bool IsLetter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Byte-pair tokenizers take 4 to 5 letters of an English word a token; 3 leaves room for names and code. Digits and
// marks are counted one by one, and a CJK character as one and a half: large vocabularies take less than one.
class Estimate {
 public:
  void Add(char32_t c) {
    if (IsLetter(c)) {
      ++letters_;
      return;
    }
    EndWord();
    if (c != ' ') halves_ += c < 0x800 ? 2 : c < 0x10000 ? 3 : 6;
  }
  size_t tokens() const { return (halves_ + HalvesOfWord() + 1) / 2; }

 private:
  size_t HalvesOfWord() const { return 2 * ((letters_ + 2) / 3); }
  void EndWord() {
    halves_ += HalvesOfWord();
    letters_ = 0;
  }

  size_t halves_ = 0;
  size_t letters_ = 0;  // Of the word under way.
};

// Whether a text may be cut behind this character.
bool IsBreak(char32_t c) { return c == ' ' || c == '\n' || c == '\t' || (c >= 0x2E80 && c < 0x10000); }

}  // namespace

size_t EstimateTokens(std::string_view text) {
  Estimate estimate;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    i += character.size_bytes;
    estimate.Add(character.code_point);
  }
  return estimate.tokens();
}

std::vector<std::string_view> CutByTokens(std::string_view text, size_t tokens_max) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    Estimate estimate;
    size_t end = 0;       // Of what fits.
    size_t break_at = 0;  // The last place within it where it may be cut.
    while (end < text.size()) {
      const DecodedCharacter character = DecodeUtf8(text, end);
      estimate.Add(character.code_point);
      if (estimate.tokens() > tokens_max && end > 0) break;
      end += character.size_bytes;
      if (IsBreak(character.code_point)) break_at = end;
    }
    // A break near the start would make many small parts of a text with few blanks.
    if (end < text.size() && break_at > end / 2) end = break_at;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  if (parts.empty()) parts.emplace_back();
  return parts;
}

}  // namespace ragtime
