// SPDX-License-Identifier: Apache-2.0
#include "filter/lexer.h"

#include <array>
#include <utility>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// Long enough for thousands of values in a list; parsing it takes a few milliseconds.
constexpr size_t kFilterSizeMax = 64 * 1024;

constexpr std::array<std::pair<std::string_view, TokenKind>, 11> kKeywords = {{{"and", TokenKind::kAnd},
                                                                               {"or", TokenKind::kOr},
                                                                               {"not", TokenKind::kNot},
                                                                               {"in", TokenKind::kIn},
                                                                               {"between", TokenKind::kBetween},
                                                                               {"like", TokenKind::kLike},
                                                                               {"is", TokenKind::kIs},
                                                                               {"null", TokenKind::kNull},
                                                                               {"contains", TokenKind::kContains},
                                                                               {"true", TokenKind::kTrue},
                                                                               {"false", TokenKind::kFalse}}};
// Longer signs first.
constexpr std::array<std::pair<std::string_view, TokenKind>, 17> kSigns = {{{"==", TokenKind::kEqual},
                                                                            {"!=", TokenKind::kNotEqual},
                                                                            {"<>", TokenKind::kNotEqual},
                                                                            {"<=", TokenKind::kLessEqual},
                                                                            {">=", TokenKind::kGreaterEqual},
                                                                            {"&&", TokenKind::kAnd},
                                                                            {"||", TokenKind::kOr},
                                                                            {"=", TokenKind::kEqual},
                                                                            {"<", TokenKind::kLess},
                                                                            {">", TokenKind::kGreater},
                                                                            {"(", TokenKind::kOpen},
                                                                            {")", TokenKind::kClose},
                                                                            {"[", TokenKind::kOpenSquare},
                                                                            {"]", TokenKind::kCloseSquare},
                                                                            {",", TokenKind::kComma},
                                                                            {"!", TokenKind::kExclaim},
                                                                            {"-", TokenKind::kMinus}}};

bool IsDigit(char character) { return character >= '0' && character <= '9'; }
bool IsLetter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_' ||
         static_cast<unsigned char>(character) >= 0x80;
}

TokenKind KindOfWord(std::string_view word) {
  for (const auto& [keyword, kind] : kKeywords) {
    if (keyword.size() != word.size()) continue;
    bool equal = true;
    for (size_t i = 0; i < word.size(); ++i) equal &= (word[i] | 0x20) == keyword[i];
    if (equal) return kind;
  }
  return TokenKind::kField;
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  for (const char character : text) count += (static_cast<unsigned char>(character) & 0xC0) != 0x80;
  return count;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> Run() {
    std::vector<Token> tokens;
    for (;;) {
      SkipSpaces();
      Token token;
      token.column = Column(position_);
      const size_t start = position_;
      if (start < text_.size()) RAGTIME_RETURN_IF_ERROR(Read(token));
      token.source = text_.substr(start, position_ - start);
      tokens.push_back(std::move(token));
      if (start == text_.size()) return tokens;
    }
  }

 private:
  // Called with ascending positions: the whole text is counted once.
  size_t Column(size_t position) {
    column_ += CountCharacters(text_.substr(counted_, position - counted_));
    counted_ = position;
    return column_;
  }

  void SkipSpaces() {
    while (position_ < text_.size()) {
      const DecodedCharacter character = DecodeUtf8(text_, position_);
      if (!IsSpace(character.code_point)) return;
      position_ += character.size_bytes;
    }
  }

  char Peek(size_t ahead = 0) const { return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0'; }

  Status Read(Token& token) {
    const char first = Peek();
    if (IsDigit(first) || (first == '-' && IsDigit(Peek(1)))) return ReadNumber(token);
    if (IsLetter(first)) {
      const size_t start = position_;
      while (position_ < text_.size() && (IsLetter(text_[position_]) || IsDigit(text_[position_])) && !AtSpace()) {
        ++position_;
      }
      token.text = text_.substr(start, position_ - start);
      token.kind = KindOfWord(token.text);
      return Status();
    }
    if (first == '"' || first == '\'') return ReadString(token);
    if (first == '`') return ReadQuotedField(token);
    for (const auto& [sign, kind] : kSigns) {
      if (!text_.substr(position_).starts_with(sign)) continue;
      position_ += sign.size();
      token.kind = kind;
      return Status();
    }
    const std::string_view character = text_.substr(position_, DecodeUtf8(text_, position_).size_bytes);
    return FilterError(token.column, StrCat("a filter has no ", Shown(character)),
                       first == '&' || first == '|' ? "Write && and ||, or: and, or."
                                                    : "Write texts in quotes, as in author = \"Li\".");
  }

  // An ideographic space is a space and not a letter.
  bool AtSpace() const {
    return static_cast<unsigned char>(text_[position_]) >= 0xC0 && IsSpace(DecodeUtf8(text_, position_).code_point);
  }

  void SkipDigits() {
    while (IsDigit(Peek())) ++position_;
  }

  Status ReadNumber(Token& token) {
    const size_t start = position_;
    token.kind = TokenKind::kInt;
    if (Peek() == '-') ++position_;
    SkipDigits();
    if (Peek() == '.' && IsDigit(Peek(1))) {
      token.kind = TokenKind::kFloat;
      ++position_;
      SkipDigits();
    }
    const bool signed_exponent = Peek(1) == '-' || Peek(1) == '+';
    if ((Peek() | 0x20) == 'e' && IsDigit(Peek(signed_exponent ? 2 : 1))) {
      token.kind = TokenKind::kFloat;
      position_ += signed_exponent ? 2 : 1;
      SkipDigits();
    }
    if (position_ < text_.size() && (IsLetter(Peek()) || Peek() == '.') && !AtSpace()) {
      while (position_ < text_.size() && (IsLetter(Peek()) || IsDigit(Peek()) || Peek() == '.') && !AtSpace()) {
        ++position_;
      }
      return FilterError(token.column, StrCat(Shown(text_.substr(start, position_ - start)), " is not a number"),
                         "Write dates and texts in quotes, as in date >= \"2024-01-02\".");
    }
    return Status();
  }

  Status ReadQuotedField(Token& token) {
    const size_t end = text_.find('`', position_ + 1);
    if (end == std::string_view::npos || end == position_ + 1) {
      return FilterError(token.column, "a field's name in backquotes has no end or is empty", "Write it as `name`.");
    }
    token.kind = TokenKind::kField;
    token.text = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return Status();
  }

  Status ReadString(Token& token) {
    token.kind = TokenKind::kString;
    const char quote = text_[position_++];
    for (;;) {
      const size_t stop = text_.find_first_of(quote == '"' ? "\"\\" : "'\\", position_);
      if (stop == std::string_view::npos) {
        return FilterError(token.column, "a text in quotes has no end", StrCat("Close it with ", quote, "."));
      }
      token.text += text_.substr(position_, stop - position_);
      position_ = stop + 1;
      if (text_[stop] == quote) return Status();
      RAGTIME_RETURN_IF_ERROR(ReadEscape(token.text));
    }
  }

  // Behind the backslash.
  Status ReadEscape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/'bfnrt";
    constexpr std::string_view kCharacters = "\"\\/'\b\f\n\r\t";
    const size_t start = position_ - 1;
    const char name = Peek();
    if (const size_t found = name == '\0' ? std::string_view::npos : kNames.find(name);
        found != std::string_view::npos) {
      out += kCharacters[found];
      ++position_;
      return Status();
    }
    char32_t code_point = 0;
    if (name == 'u' && ReadHex(position_ + 1, code_point)) {
      position_ += 5;
      char32_t low = 0;
      if (code_point >= 0xD800 && code_point < 0xDC00 && Peek() == '\\' && Peek(1) == 'u' &&
          ReadHex(position_ + 2, low) && low >= 0xDC00 && low < 0xE000) {
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
        position_ += 6;
      }
      if (code_point < 0xD800 || code_point >= 0xE000) {
        AppendUtf8(code_point, out);
        return Status();
      }
    }
    return FilterError(Column(start), "an escape is not one of JSON's",
                       "Write \\\\ for a backslash; \\\" \\n \\t and \\u4e2d are others.");
  }

  bool ReadHex(size_t position, char32_t& value) const {
    if (position + 4 > text_.size()) return false;
    value = 0;
    for (size_t i = position; i < position + 4; ++i) {
      const char lower = static_cast<char>(text_[i] | 0x20);
      if (IsDigit(text_[i])) {
        value = value * 16 + static_cast<char32_t>(text_[i] - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        value = value * 16 + static_cast<char32_t>(lower - 'a' + 10);
      } else {
        return false;
      }
    }
    return true;
  }

  const std::string_view text_;
  size_t position_ = 0;
  size_t counted_ = 0;
  size_t column_ = 1;
};

}  // namespace

Result<std::vector<Token>> SplitFilter(std::string_view text) {
  if (text.size() > kFilterSizeMax) {
    return InvalidArgumentError(StrCat("the filter is too long: ", text.size(), " bytes, at most ", kFilterSizeMax),
                                "Search several times with a part of the values each.");
  }
  if (const size_t invalid = FindInvalidUtf8(text); invalid != std::string_view::npos) {
    return FilterError(CountCharacters(text.substr(0, invalid)) + 1, "the text is not UTF-8",
                       "Convert the filter to UTF-8.");
  }
  return Lexer(text).Run();
}

bool IsFilterKeyword(std::string_view word) { return KindOfWord(word) != TokenKind::kField; }

Status FilterError(size_t column, std::string_view what, std::string remedy) {
  return InvalidArgumentError(StrCat("the filter is wrong at column ", column, ": ", what), std::move(remedy));
}

std::string Shown(std::string_view source) {
  constexpr size_t kShownMax = 40;
  if (source.empty()) return "the end";
  if (source.size() > kShownMax) return StrCat("\"", source.substr(0, CharacterStart(source, kShownMax)), "...\"");
  // What is written in quotes is shown in them.
  if (source.starts_with('"') || source.starts_with('\'')) return std::string(source);
  return StrCat("\"", source, "\"");
}

}  // namespace ragtime
