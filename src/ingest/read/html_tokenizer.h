// SPDX-License-Identifier: Apache-2.0
//
// HtmlTokenizer cuts HTML into texts and tags, each with its range in the source. It follows the tokens of the HTML
// standard (section 13.2.5) where pages depend on them and builds no tree: time is linear and memory constant on any
// bytes.
//
// The source must outlive the tokenizer and its tokens.
#ifndef RAGTIME_INGEST_READ_HTML_TOKENIZER_H_
#define RAGTIME_INGEST_READ_HTML_TOKENIZER_H_

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace ragtime {

struct HtmlToken {
  enum class Kind { kText, kStartTag, kEndTag, kEnd };
  Kind kind = Kind::kEnd;
  size_t start = 0;  // In the source.
  size_t end = 0;
  std::string name;             // Of a tag, lower case, at most 32 bytes of it.
  std::string_view attributes;  // Of a start tag: the source between the name and the >.
  std::string_view content;     // Of title and textarea: the source up to the end tag, which is part of the token.
  bool self_closing = false;    // <br/>
};

class HtmlTokenizer {
 public:
  explicit HtmlTokenizer(std::string_view source) : source_(source) {}

  // Comments, declarations and the content of scripts and styles are passed over.
  HtmlToken Next();

 private:
  bool ReadTag(HtmlToken& token);
  void SkipComment();
  void SkipRawContent(HtmlToken& token);
  bool OpensMarkup(size_t position) const;

  std::string_view source_;
  size_t position_ = 0;
  bool only_text_ = false;            // A tag that never ends was met: the rest is text.
  std::array<bool, 8> no_end_tag_{};  // By raw element: its end tag does not come any more.
};

// Calls visit(name, value) for each attribute; names keep their case, values their character references.
template <typename Visit>
void ForEachAttribute(std::string_view attributes, const Visit& visit);

// The value of the attribute `name` (lower case); "" if there is none.
std::string_view FindAttribute(std::string_view attributes, std::string_view name);
bool HasAttribute(std::string_view attributes, std::string_view name);
bool EqualsIgnoringCase(std::string_view text, std::string_view lower);

template <typename Visit>
void ForEachAttribute(std::string_view attributes, const Visit& visit) {
  constexpr std::string_view kSpace = " \t\r\n\f/";
  for (size_t i = 0; i < attributes.size();) {
    i = attributes.find_first_not_of(kSpace, i);
    if (i == std::string_view::npos) return;
    size_t end = attributes.find_first_of(" \t\r\n\f/=", i + 1);
    if (end == std::string_view::npos) end = attributes.size();
    const std::string_view name = attributes.substr(i, end - i);
    i = end;
    size_t equals = attributes.find_first_not_of(" \t\r\n\f", i);
    std::string_view value;
    if (equals != std::string_view::npos && attributes[equals] == '=') {
      i = attributes.find_first_not_of(" \t\r\n\f", equals + 1);
      if (i == std::string_view::npos) i = attributes.size();
      if (i < attributes.size() && (attributes[i] == '"' || attributes[i] == '\'')) {
        size_t close = attributes.find(attributes[i], i + 1);
        if (close == std::string_view::npos) close = attributes.size();
        value = attributes.substr(i + 1, close - i - 1);
        i = close + 1;
      } else {
        size_t close = attributes.find_first_of(" \t\r\n\f", i);
        if (close == std::string_view::npos) close = attributes.size();
        value = attributes.substr(i, close - i);
        i = close;
      }
    }
    visit(name, value);
  }
}

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_HTML_TOKENIZER_H_
