// SPDX-License-Identifier: Apache-2.0
#include "ingest/split/paragraphs.h"

#include <algorithm>
#include <utility>

namespace ragtime {
namespace {

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

Span TrimmedSpan(std::string_view text, Span span) {
  while (span.start < span.end && IsBlank(text.substr(span.start, 1))) ++span.start;
  while (span.end > span.start && IsBlank(text.substr(span.end - 1, 1))) --span.end;
  return span;
}

// The ranges between empty lines, without blank ones.
std::vector<Span> FindParagraphs(std::string_view text) {
  std::vector<Span> paragraphs;
  size_t start = 0;
  for (size_t line = 0; line <= text.size();) {
    const size_t end = std::min(text.find('\n', line), text.size());
    if (IsBlank(text.substr(line, end - line)) || end == text.size()) {
      const Span span = TrimmedSpan(text, {start, end});
      if (span.start < span.end) paragraphs.push_back(span);
      start = end;
    }
    line = end + 1;
  }
  return paragraphs;
}

}  // namespace

std::vector<TextPiece> CutParagraphs(const Document& document, size_t size_tokens, const TokenCounter& count_tokens) {
  const std::string_view text = document.text;
  std::vector<TextPiece> pieces;
  std::vector<std::string> titles;
  std::vector<int> levels;
  size_t heading = 0;
  bool open = false;  // The last piece is nothing but headings yet.
  for (const Span& paragraph : FindParagraphs(text)) {
    const size_t before = heading;
    for (; heading < document.headings.size() && document.headings[heading].text_start < paragraph.end; ++heading) {
      while (!levels.empty() && levels.back() >= document.headings[heading].level) {
        levels.pop_back();
        titles.pop_back();
      }
      levels.push_back(document.headings[heading].level);
      titles.push_back(document.headings[heading].title);
    }
    // A heading's line is its title and a few marks.
    const size_t title = heading > before ? document.headings[heading - 1].title.size() : 0;
    const bool starts_section = heading > before && document.headings[heading - 1].text_start >= paragraph.start;
    const bool is_heading =
        starts_section && paragraph.end - paragraph.start <= title + 16 &&
        text.substr(paragraph.start, paragraph.end - paragraph.start).find('\n') == std::string_view::npos;
    Span span = paragraph;
    if (open) {
      span.start = pieces.back().span.start;
      pieces.pop_back();
    }
    open = is_heading;
    Document part;
    part.text = text.substr(span.start, span.end - span.start);
    if (count_tokens(part.text) <= size_tokens) {
      pieces.push_back({span, titles});
      continue;
    }
    open = false;
    for (TextPiece& piece : SentenceSplitter(size_tokens, 0, count_tokens).Cut(part)) {
      pieces.push_back({{piece.span.start + span.start, piece.span.end + span.start}, titles});
    }
  }
  return pieces;
}

}  // namespace ragtime
