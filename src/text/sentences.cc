// SPDX-License-Identifier: Apache-2.0
#include "text/sentences.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "text/utf8.h"

namespace ragtime {
namespace {

// The longest word before a period that is looked at, so that a text without spaces stays linear.
constexpr size_t kWordBytesMax = 24;

// Never end a sentence.
constexpr std::array<std::string_view, 24> kTitles = {"mr",  "mrs", "ms",  "dr",  "prof", "st",   "mt",   "gen",
                                                      "col", "sgt", "rev", "hon", "vs",   "cf",   "viz",  "resp",
                                                      "ca",  "esp", "gov", "sen", "rep",  "dipl", "incl", "excl"};
// Do not end a sentence before a number.
constexpr std::array<std::string_view, 34> kNumbered = {
    "no",  "nos", "fig", "figs", "vol", "vols", "p",   "pp",  "ch",   "chap", "sec", "sect",
    "eq",  "eqs", "art", "ver",  "v",   "tab",  "ed",  "jan", "feb",  "mar",  "apr", "jun",
    "jul", "aug", "sep", "sept", "oct", "nov",  "dec", "ref", "refs", "par"};
// End a sentence only if a capital letter, a digit or a CJK character follows.
constexpr std::array<std::string_view, 15> kTrailing = {"etc",  "inc",    "ltd", "co",  "corp", "al",   "jr",  "sr",
                                                        "dept", "approx", "est", "max", "min",  "misc", "bros"};
// "Table 9.1. Functions": a number behind one of these at the start of a line is the label of a title.
constexpr std::array<std::string_view, 9> kLabels = {"chapter", "section", "part", "appendix", "figure",
                                                     "table",   "example", "step", "article"};

template <size_t n>
bool Contains(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAsciiLower(char32_t c) { return c >= 'a' && c <= 'z'; }
bool IsAsciiUpper(char32_t c) { return c >= 'A' && c <= 'Z'; }

std::string ToLower(std::string_view word) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// End a sentence wherever they stand.
bool IsWideTerminator(char32_t c) {
  return c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0xFF1B || c == 0xFF61 || c == 0x2026;
}

bool IsNarrowTerminator(char32_t c) { return c == '.' || c == '!' || c == '?'; }

// Closing quotes and brackets that cannot open anything.
bool IsCloser(char32_t c) {
  switch (c) {
    case ')':
    case ']':
    case '}':
    case 0xBB:
    case 0x2019:
    case 0x201D:
    case 0x203A:
    case 0x3009:
    case 0x300B:
    case 0x300D:
    case 0x300F:
    case 0x3011:
    case 0x3015:
    case 0x3017:
    case 0x301F:
    case 0xFF09:
    case 0xFF3D:
    case 0xFF5D:
      return true;
    default:
      return false;
  }
}

// Straight quotes and Markdown's marks open as well as close.
bool IsAmbiguousCloser(char32_t c) { return c == '"' || c == '\'' || c == '*' || c == '_' || c == '`'; }

bool IsChineseNumeral(char32_t c) {
  constexpr std::u32string_view kNumerals = U"一二三四五六七八九十";
  return kNumerals.find(c) != std::u32string_view::npos;
}

size_t SkipBlanks(std::string_view text, size_t i) {
  while (i < text.size() && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r')) ++i;
  return i;
}

bool IsBlankOrEnd(std::string_view text, size_t i) {
  return i >= text.size() || text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r';
}

// Whether the line at `i` (after its indentation) opens a list item, a table row or a Markdown heading.
bool StartsListItem(std::string_view text, size_t i) {
  if (i >= text.size()) return false;
  const char c = text[i];
  if (c == '|') return true;
  if (c == '-' || c == '*' || c == '+') return i + 1 < text.size() && IsBlankOrEnd(text, i + 1);
  if (c == '#') {
    size_t end = i;
    while (end < text.size() && text[end] == '#' && end - i < 7) ++end;
    return end - i <= 6 && IsBlankOrEnd(text, end);
  }
  size_t end = i;
  while (end < text.size() && end - i < 6 && IsAsciiDigit(text[end])) ++end;
  if (end > i && end < text.size()) {
    if ((text[end] == '.' || text[end] == ')') && IsBlankOrEnd(text, end + 1)) return true;
    return DecodeUtf8(text, end).code_point == 0x3001;  // 1、
  }
  const DecodedCharacter first = DecodeUtf8(text, i);
  if (first.code_point == 0x2022 || first.code_point == 0x25E6 || first.code_point == 0x25AA) return true;  // • ◦ ▪
  // 一、 to 十九、
  for (int count = 0; end < text.size() && count < 3; ++count) {
    const DecodedCharacter character = DecodeUtf8(text, end);
    if (count > 0 && character.code_point == 0x3001) return true;
    if (!IsChineseNumeral(character.code_point)) return false;
    end += character.size_bytes;
  }
  return false;
}

class SentenceSplitter {
 public:
  explicit SentenceSplitter(std::string_view text) : text_(text) {}

  std::vector<Span> Split() {
    StartLine(0);
    while (position_ < text_.size()) Step();
    if (start_ < text_.size()) {
      if (has_ink_ || sentences_.empty()) {
        sentences_.push_back({start_, text_.size()});
      } else {
        sentences_.back().end = text_.size();
      }
    }
    return std::move(sentences_);
  }

 private:
  void Step() {
    const size_t at = position_;
    const DecodedCharacter character = DecodeUtf8(text_, at);
    position_ += character.size_bytes;
    const char32_t c = character.code_point;
    if (c == '\n') {
      EndLine();
      return;
    }
    has_ink_ = has_ink_ || !IsSpace(c);
    if (c == '"') ++straight_quotes_;
    if (c == '|' && at > 0 && text_[at - 1] == ' ') line_is_item_ = true;
    if (line_is_rule_ && c != '-' && c != '=' && c != '+' && c != ' ' && c != '\r') line_is_rule_ = false;
    if (IsWideTerminator(c)) {
      EndWide(c);
    } else if (IsNarrowTerminator(c)) {
      EndNarrow(at);
    }
  }

  // `position_` is behind a newline.
  void EndLine() {
    const bool was_rule = line_is_rule_ && position_ - line_start_ > 3;
    const bool was_item = line_is_item_;
    size_t next = SkipBlanks(text_, position_);
    if (next < text_.size() && text_[next] == '\n') {
      while (next < text_.size() && (IsBlankOrEnd(text_, next))) ++next;
      // What indents the next line belongs to that line.
      while (next > position_ && text_[next - 1] != '\n') --next;
      position_ = next;
      EndSentence();
      StartLine(next);
      return;
    }
    const bool next_is_item = StartsListItem(text_, next);
    const bool continues = next > position_ && !next_is_item;  // An indented line goes on with the item above.
    if (next_is_item || was_rule || (was_item && !continues)) {
      EndSentence();
      StartLine(position_);
    } else {
      const bool in_item = was_item && continues;
      StartLine(position_);
      line_is_item_ = line_is_item_ || in_item;
    }
  }

  void StartLine(size_t position) {
    line_start_ = position;
    line_text_start_ = SkipBlanks(text_, position);
    line_is_item_ = StartsListItem(text_, line_text_start_);
    line_is_rule_ = true;
  }

  // 。！？； …: the sentence ends here, unless a comma follows, or an ellipsis goes on in lower case.
  void EndWide(char32_t terminator) {
    bool ellipsis = terminator == 0x2026;
    size_t before;
    do {  // "（真的！）。" is one end.
      before = position_;
      while (position_ < text_.size()) {
        const DecodedCharacter next = DecodeUtf8(text_, position_);
        if (!IsWideTerminator(next.code_point) && next.code_point != '!' && next.code_point != '?') break;
        ellipsis = ellipsis && next.code_point == 0x2026;
        position_ += next.size_bytes;
      }
      SkipClosers(/*spaced=*/false);
    } while (position_ > before);
    const size_t next = SkipBlanks(text_, position_);
    if (next < text_.size()) {
      const char32_t c = DecodeUtf8(text_, next).code_point;
      if (c == 0xFF0C || c == 0x3001 || c == ',' || (ellipsis && IsAsciiLower(c))) return;
    }
    EndSentenceBehindSpace();
  }

  // . ! ? at `at`: a sentence ends only before white space or CJK, and a period only behind what is no abbreviation.
  void EndNarrow(size_t at) {
    bool only_periods = text_[at] == '.';
    while (position_ < text_.size() && (IsNarrowTerminator(static_cast<unsigned char>(text_[position_])))) {
      only_periods = only_periods && text_[position_] == '.';
      ++position_;
    }
    const bool single = only_periods && position_ == at + 1;
    const size_t closers = SkipClosers(/*spaced=*/true);
    if (position_ >= text_.size()) return;
    const DecodedCharacter following = DecodeUtf8(text_, position_);
    if (!IsSpace(following.code_point)) {
      // "fast.下一句" ends a sentence, "1.安装" does not.
      const bool cjk = IsCjk(following.code_point) && !(single && at > 0 && IsAsciiDigit(text_[at - 1]));
      if (cjk && !(single && closers == 0 && IsAbbreviation(at, following.code_point))) EndSentenceBehindSpace();
      return;
    }
    size_t next = position_;
    while (next < text_.size()) {
      const DecodedCharacter space = DecodeUtf8(text_, next);
      if (!IsSpace(space.code_point)) break;
      next += space.size_bytes;
    }
    const char32_t next_character = next < text_.size() ? DecodeUtf8(text_, next).code_point : 0;
    // "..." in the middle, and ("What?" he asked).
    if (IsAsciiLower(next_character) && ((only_periods && !single) || (!only_periods && closers > 0))) return;
    if (single && closers == 0 && IsAbbreviation(at, next_character)) return;
    EndSentenceBehindSpace();
  }

  // Moves behind closing quotes and brackets and returns how many there were.
  size_t SkipClosers(bool spaced) {
    size_t count = 0;
    while (position_ < text_.size()) {
      const DecodedCharacter next = DecodeUtf8(text_, position_);
      const bool ambiguous = IsAmbiguousCloser(next.code_point);
      if (!IsCloser(next.code_point) && !ambiguous) break;
      // Without a space behind it, a mark may open the next sentence: only the second quote of a pair closes one.
      if (ambiguous && !spaced && !(next.code_point == '"' && straight_quotes_ % 2 == 1)) break;
      if (next.code_point == '"') ++straight_quotes_;
      position_ += next.size_bytes;
      ++count;
    }
    return count;
  }

  // Whether the period at `period` belongs to the word before it. `next` is the first character behind the white space.
  bool IsAbbreviation(size_t period, char32_t next) const {
    const size_t lowest = std::max(line_start_, period > kWordBytesMax ? period - kWordBytesMax : 0);
    size_t begin = period;
    while (begin > lowest &&
           (IsAsciiLetter(text_[begin - 1]) || IsAsciiDigit(text_[begin - 1]) || text_[begin - 1] == '.'))
      --begin;
    const std::string_view word = text_.substr(begin, period - begin);
    if (word.empty()) return false;
    const bool numeric = std::all_of(word.begin(), word.end(), [](char c) { return IsAsciiDigit(c) || c == '.'; });
    if (numeric || word.size() == 1) {
      // The number of a list item or of a section opens a line; a lone capital letter is an initial.
      if (begin == line_text_start_) return true;
      if (numeric) return IsLabelled(begin);
      return IsAsciiLetter(word[0]) &&
             (IsAsciiUpper(static_cast<unsigned char>(word[0])) || Contains(kNumbered, word)) &&
             (IsAsciiUpper(next) || (next >= '0' && next <= '9') || IsAsciiLower(next));
    }
    if (word.find('.') != std::string_view::npos) return IsDotted(word);
    const std::string lower = ToLower(word);
    if (Contains(kTitles, lower)) return true;
    if (Contains(kNumbered, lower)) return next >= '0' && next <= '9';
    if (Contains(kTrailing, lower))
      return !(IsAsciiUpper(next) || IsCjk(next) || next == 0 || (next >= '0' && next <= '9'));
    return false;
  }

  // "e.g", "U.S", "Ph.D": letters in ones and twos between periods.
  static bool IsDotted(std::string_view word) {
    size_t part = 0;
    for (const char c : word) {
      if (c == '.') {
        part = 0;
      } else if (IsAsciiDigit(c) || ++part > 2) {
        return false;
      }
    }
    return true;
  }

  // "Table 9.1" at the start of a line, where the number starts at `number`.
  bool IsLabelled(size_t number) const {
    size_t end = number;
    while (end > line_text_start_ && (text_[end - 1] == ' ' || text_[end - 1] == '\xA0' || text_[end - 1] == '\xC2'))
      --end;
    if (end - line_text_start_ > kWordBytesMax || end == number) return false;
    return Contains(kLabels, ToLower(text_.substr(line_text_start_, end - line_text_start_)));
  }

  // The sentence keeps the white space behind it, but not the indentation of the next line.
  void EndSentenceBehindSpace() {
    size_t next_line = 0;
    while (position_ < text_.size()) {
      const DecodedCharacter space = DecodeUtf8(text_, position_);
      if (!IsSpace(space.code_point)) break;
      position_ += space.size_bytes;
      if (space.code_point == '\n') next_line = position_;
    }
    if (next_line > 0) position_ = next_line;
    EndSentence();
    if (next_line > 0) StartLine(position_);
  }

  void EndSentence() {
    straight_quotes_ = 0;
    if (!has_ink_) return;  // White space alone goes with what follows.
    sentences_.push_back({start_, position_});
    start_ = position_;
    has_ink_ = false;
  }

  const std::string_view text_;
  std::vector<Span> sentences_;
  size_t start_ = 0;     // Of the current sentence.
  size_t position_ = 0;  // Everything before it is decided.
  size_t line_start_ = 0;
  size_t line_text_start_ = 0;  // Behind the indentation.
  bool line_is_item_ = false;   // A list item, table row or heading, or the rest of one.
  bool line_is_rule_ = true;    // Nothing but - and = so far.
  bool has_ink_ = false;        // The current sentence holds more than white space.
  size_t straight_quotes_ = 0;  // In the current sentence.
};

}  // namespace

std::vector<Span> SplitSentences(std::string_view text) { return SentenceSplitter(text).Split(); }

}  // namespace ragtime
