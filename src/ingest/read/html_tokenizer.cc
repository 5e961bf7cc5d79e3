// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/html_tokenizer.h"

#include <algorithm>
#include <optional>

namespace ragtime {
namespace {

constexpr size_t kNameBytesMax = 32;

// Elements whose content is not markup. That of the first two is text; the rest is dropped with it.
constexpr std::array<std::string_view, 8> kRawElements = {"title", "textarea", "script",  "style",
                                                          "xmp",   "iframe",   "noembed", "noframes"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsHtmlSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Where the tag whose name ends at `i` ends (behind the >); nullopt if it never does. A > inside of a quoted value is
// none.
std::optional<size_t> TagEnd(std::string_view source, size_t i) {
  bool value_may_start = false;  // Behind a =, where alone a quote opens a value.
  for (; i < source.size(); ++i) {
    const char c = source[i];
    if (c == '>') return i + 1;
    if (c == '=') {
      value_may_start = true;
    } else if (value_may_start && (c == '"' || c == '\'')) {
      i = source.find(c, i + 1);
      if (i == std::string_view::npos) return std::nullopt;
      value_may_start = false;
    } else if (!IsHtmlSpace(c)) {
      value_may_start = false;
    }
  }
  return std::nullopt;
}

}  // namespace

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) { return ToLower(a) == b; });
}

std::string_view FindAttribute(std::string_view attributes, std::string_view name) {
  std::string_view found;
  ForEachAttribute(attributes, [&](std::string_view key, std::string_view value) {
    if (found.empty() && EqualsIgnoringCase(key, name)) found = value;
  });
  return found;
}

bool HasAttribute(std::string_view attributes, std::string_view name) {
  bool found = false;
  ForEachAttribute(attributes,
                   [&](std::string_view key, std::string_view) { found = found || EqualsIgnoringCase(key, name); });
  return found;
}

bool HtmlTokenizer::OpensMarkup(size_t position) const {
  if (position + 1 >= source_.size()) return false;
  const char next = source_[position + 1];
  return IsLetter(next) || next == '!' || next == '?' || (next == '/' && position + 2 < source_.size());
}

HtmlToken HtmlTokenizer::Next() {
  HtmlToken token;
  while (position_ < source_.size()) {
    token.start = position_;
    if (only_text_ || source_[position_] != '<' || !OpensMarkup(position_)) {
      size_t end = only_text_ ? std::string_view::npos : source_.find('<', position_ + 1);
      while (end != std::string_view::npos && !OpensMarkup(end)) end = source_.find('<', end + 1);
      position_ = end == std::string_view::npos ? source_.size() : end;
      token.kind = HtmlToken::Kind::kText;
      token.end = position_;
      return token;
    }
    const char next = source_[position_ + 1];
    if (next == '!' || next == '?' || (next == '/' && !IsLetter(source_[position_ + 2]))) {
      SkipComment();
    } else if (ReadTag(token)) {
      return token;
    }
  }
  token.start = token.end = source_.size();
  return token;
}

bool HtmlTokenizer::ReadTag(HtmlToken& token) {
  const bool is_end = source_[position_ + 1] == '/';
  const size_t name_start = position_ + (is_end ? 2 : 1);
  size_t name_end = name_start;
  while (name_end < source_.size() && !IsHtmlSpace(source_[name_end]) && source_[name_end] != '/' &&
         source_[name_end] != '>') {
    ++name_end;
  }
  const std::optional<size_t> end = TagEnd(source_, name_end);
  if (!end) {
    // A browser drops the rest of the file here. A reader should not lose text because of one <, so it is all text.
    only_text_ = true;
    return false;
  }
  token.kind = is_end ? HtmlToken::Kind::kEndTag : HtmlToken::Kind::kStartTag;
  for (size_t i = name_start; i < name_end && i - name_start < kNameBytesMax; ++i) token.name += ToLower(source_[i]);
  token.attributes = source_.substr(name_end, *end - 1 - name_end);
  token.self_closing = !is_end && token.attributes.ends_with('/');
  position_ = *end;
  if (!is_end && !token.self_closing) SkipRawContent(token);
  token.end = position_;
  return true;
}

void HtmlTokenizer::SkipComment() {
  if (source_.substr(position_, 4) == "<!--") {
    // "<!-->" and "<!--->" are whole comments.
    const size_t close = source_.find("-->", position_ + 2);
    position_ = close == std::string_view::npos ? source_.size() : close + 3;
    return;
  }
  const size_t close = source_.find('>', position_);
  position_ = close == std::string_view::npos ? source_.size() : close + 1;
}

void HtmlTokenizer::SkipRawContent(HtmlToken& token) {
  const auto element = std::find(kRawElements.begin(), kRawElements.end(), token.name);
  if (element == kRawElements.end()) return;
  const auto index = static_cast<size_t>(element - kRawElements.begin());
  size_t close = no_end_tag_[index] ? std::string_view::npos : source_.find("</", position_);
  while (close != std::string_view::npos) {
    const size_t name_end = close + 2 + element->size();
    if (EqualsIgnoringCase(source_.substr(close + 2, element->size()), *element) &&
        (name_end >= source_.size() || IsHtmlSpace(source_[name_end]) || source_[name_end] == '>' ||
         source_[name_end] == '/')) {
      break;
    }
    close = source_.find("</", close + 2);
  }
  if (close == std::string_view::npos) {
    no_end_tag_[index] = true;
    if (index >= 2)
      position_ = source_.size();  // A script without end is no text. A title without end must not hide the page.
    return;
  }
  token.content = source_.substr(position_, close - position_);
  const size_t tag_end = source_.find('>', close);
  position_ = tag_end == std::string_view::npos ? source_.size() : tag_end + 1;
}

}  // namespace ragtime
