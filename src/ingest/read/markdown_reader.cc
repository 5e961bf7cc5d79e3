// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/markdown_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "ingest/read/encoding.h"
#include "ingest/read/heading_title.h"
#include "ingest/read/run_builder.h"

namespace ragtime {
namespace {

struct Line {
  size_t start = 0;
  size_t end = 0;   // Without the newline.
  size_t next = 0;  // Where the next line starts.
};

Line LineAt(std::string_view text, size_t start) {
  const size_t newline = text.find('\n', start);
  if (newline == std::string_view::npos) return {start, text.size(), text.size()};
  return {start, newline, newline + 1};
}

std::string_view Trim(std::string_view s) {
  const size_t first = s.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

struct FrontMatter {
  size_t yaml_bytes = 0;  // With the line --- above it.
  size_t size_bytes = 0;  // With the line below it, too. 0: there is none.
};

// From a line --- at the top to the next line --- or ... .
FrontMatter FindFrontMatter(std::string_view text) {
  Line line = LineAt(text, 0);
  if (text.substr(0, 3) != "---" || Trim(text.substr(0, line.end)) != "---") return {};
  while (line.next < text.size()) {
    line = LineAt(text, line.next);
    const std::string_view content = text.substr(line.start, line.end - line.start);
    if (Trim(content) == "---" || Trim(content) == "...") return {line.start, line.next};
    // A horizontal rule at the top of a text is no front matter: that has keys, and its blank lines are rare.
    if (line.start == LineAt(text, 0).next && content.find(':') == std::string_view::npos &&
        !content.starts_with('#')) {
      return {};
    }
  }
  return {};
}

// Takes the first `size` bytes out of the text.
void RemoveFront(size_t size, Document& document) {
  if (size == 0) return;
  std::vector<TextRun> runs;
  for (size_t i = 0; i < document.runs.size(); ++i) {
    TextRun run = document.runs[i];
    const uint64_t end = i + 1 < document.runs.size() ? document.runs[i + 1].text_start : document.text.size();
    if (end <= size) continue;
    if (run.text_start < size) {
      if (run.verbatim) run.source_start += size - run.text_start;
      run.text_start = size;
    }
    run.text_start -= size;
    runs.push_back(run);
  }
  document.runs = std::move(runs);
  document.text.erase(0, size);
}

struct Fence {
  char mark = '`';
  size_t size = 0;
};

// The run of three or more ` or ~ that opens or closes fenced code on this line.
std::optional<Fence> FenceOf(std::string_view content) {
  if (content.empty() || (content[0] != '`' && content[0] != '~')) return std::nullopt;
  const size_t size = std::min(content.find_first_not_of(content[0]), content.size());
  if (size < 3) return std::nullopt;
  return Fence{content[0], size};
}

// Number of # of an ATX heading; 0: none.
int AtxLevel(std::string_view content) {
  const size_t size = std::min(content.find_first_not_of('#'), content.size());
  if (size == 0 || size > 6) return 0;
  if (size < content.size() && content[size] != ' ' && content[size] != '\t') return 0;
  return static_cast<int>(size);
}

bool IsSetextUnderline(std::string_view content) {
  return !content.empty() && (content[0] == '=' || (content[0] == '-' && content.size() > 1)) &&
         content.find_first_not_of(content[0]) == std::string_view::npos;
}

// Lines that cannot be the text of a setext heading.
bool OpensBlock(std::string_view content) {
  const char c = content[0];
  if (c == '>' || c == '|') return true;
  if ((c == '-' || c == '*' || c == '+') && (content.size() == 1 || content[1] == ' ' || content[1] == '\t'))
    return true;
  const size_t digits = std::min(content.find_first_not_of("0123456789"), content.size());
  return digits > 0 && digits + 1 < content.size() && (content[digits] == '.' || content[digits] == ')') &&
         content[digits + 1] == ' ' && digits < 10;
}

void AddHeading(uint64_t start, int level, std::string_view words, std::vector<Heading>& headings) {
  std::string title = MarkdownTitle(words);
  if (!title.empty()) headings.push_back({start, level, std::move(title)});
}

std::vector<Heading> FindHeadings(std::string_view text) {
  constexpr size_t kNone = std::string_view::npos;
  std::vector<Heading> headings;
  std::optional<Fence> fence;
  size_t paragraph = kNone;  // Where the paragraph that this line goes on with started.
  for (size_t start = 0; start < text.size();) {
    const Line line = LineAt(text, start);
    start = line.next;
    const std::string_view raw = text.substr(line.start, line.end - line.start);
    const std::string_view content = Trim(raw);
    const std::optional<Fence> mark = FenceOf(content);
    if (fence) {
      if (mark && mark->mark == fence->mark && mark->size >= fence->size && mark->size == content.size()) fence.reset();
      continue;
    }
    // The info string of a ``` fence has no backtick; else the line is inline code.
    if (mark && (mark->mark == '~' || content.find('`', mark->size) == std::string_view::npos)) {
      fence = mark;
      paragraph = kNone;
      continue;
    }
    const size_t indent = std::min(raw.find_first_not_of(' '), raw.size());
    if (content.empty()) {
      paragraph = kNone;
      continue;
    }
    const bool indented_code = indent > 3 || raw[0] == '\t';
    if (const int level = indented_code ? 0 : AtxLevel(content); level > 0) {
      std::string_view title = Trim(content.substr(static_cast<size_t>(level)));
      const size_t closing = title.find_last_not_of('#');
      if (closing == std::string_view::npos) {
        title = {};
      } else if (closing + 1 < title.size() && (title[closing] == ' ' || title[closing] == '\t')) {
        title = Trim(title.substr(0, closing));
      }
      AddHeading(line.start + indent, level, title, headings);
      paragraph = kNone;
    } else if (paragraph != kNone && !indented_code && IsSetextUnderline(content)) {
      const std::string_view title = Trim(text.substr(paragraph, line.start - 1 - paragraph));
      AddHeading(paragraph, content[0] == '=' ? 1 : 2, title, headings);
      paragraph = kNone;
    } else if (paragraph == kNone && !indented_code && !OpensBlock(content) && !IsSetextUnderline(content)) {
      paragraph = line.start + indent;
    } else if (OpensBlock(content)) {
      paragraph = kNone;
    }
  }
  return headings;
}

}  // namespace

Result<Document> MarkdownReader::Read(std::string_view bytes) const {
  RAGTIME_ASSIGN_OR_RETURN(DecodedText decoded, DecodeText(bytes));
  Document document = PlainDocument(std::move(decoded));
  RAGTIME_RETURN_IF_ERROR(CheckRuns(document));
  const FrontMatter front = FindFrontMatter(document.text);
  document.front_matter = document.text.substr(0, front.yaml_bytes);
  RemoveFront(front.size_bytes, document);
  document.headings = FindHeadings(document.text);
  return document;
}

}  // namespace ragtime
