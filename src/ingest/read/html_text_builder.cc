// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/html_text_builder.h"

#include <algorithm>
#include <utility>

#include "ingest/read/heading_title.h"
#include "ingest/read/html_entities.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

bool IsHtmlSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

// A no-break space is a space to who searches.
bool IsNoBreakSpace(std::string_view source, size_t i) {
  return source[i] == '\xC2' && i + 1 < source.size() && source[i + 1] == '\xA0';
}

// Characters between which a line break of the source means no space (Hangul, which has spaces, left out).
bool IsUnspaced(char32_t c) {
  return (IsCjk(c) && !(c >= 0x1100 && c <= 0x11FF) && !(c >= 0xAC00 && c <= 0xD7FF)) || (c >= 0x3000 && c <= 0x303F) ||
         (c >= 0xFF00 && c <= 0xFFEF);
}

char32_t LastCharacter(std::string_view text) {
  return text.empty() ? 0 : DecodeUtf8(text, CharacterStart(text, text.size() - 1)).code_point;
}

}  // namespace

void HtmlTextBuilder::Text(size_t start, size_t end, bool preformatted) {
  for (size_t i = start; i < end;) {
    if (IsHtmlSpace(source_[i]) || IsNoBreakSpace(source_, i)) {
      i = WriteSpace(i, end, preformatted);
      continue;
    }
    drop_newline_ = false;
    if (source_[i] == '&') {
      const Entity entity = DecodeEntity(source_.substr(0, end), i);
      if (entity.size_bytes > 0) {
        WriteReference(i, i + entity.size_bytes, entity.text, preformatted);
        i += entity.size_bytes;
        continue;
      }
    }
    size_t stop = i + 1;
    while (stop < end && source_[stop] != '&' && !IsHtmlSpace(source_[stop]) && !IsNoBreakSpace(source_, stop)) ++stop;
    WriteInk(i, stop);
    i = stop;
  }
}

// Passes over one white space character, or over all of them outside of <pre>, and returns where it stopped.
size_t HtmlTextBuilder::WriteSpace(size_t i, size_t end, bool preformatted) {
  if (preformatted) {
    const size_t size = IsNoBreakSpace(source_, i) ? 2 : 1;
    const char c = source_[i];
    if (c == '\r' || (c == '\n' && std::exchange(drop_newline_, false))) return i + size;
    drop_newline_ = false;
    StartInk(i, ' ');
    if (size == 1) {
      runs_.AddVerbatim(document_.text.size(), i);
      document_.text += c;
    } else {
      runs_.AddDecoded(document_.text.size(), i, i + size);
      document_.text += ' ';
    }
    source_end_ = i + size;
    return i + size;
  }
  if (!space_) {
    space_ = true;
    space_has_newline_ = false;
    space_start_ = i;
  }
  while (i < end) {
    if (IsHtmlSpace(source_[i])) {
      space_has_newline_ = space_has_newline_ || source_[i] == '\n';
      ++i;
    } else if (IsNoBreakSpace(source_, i)) {
      i += 2;
    } else {
      break;
    }
  }
  space_end_ = i;
  return i;
}

void HtmlTextBuilder::WriteInk(size_t start, size_t end) {
  StartInk(start, DecodeUtf8(source_, start).code_point);
  runs_.AddVerbatim(document_.text.size(), start);
  document_.text.append(source_.substr(start, end - start));
  source_end_ = end;
}

void HtmlTextBuilder::WriteReference(size_t start, size_t end, std::string_view decoded, bool preformatted) {
  const char32_t first = DecodeUtf8(decoded, 0).code_point;
  const bool is_space = IsSpace(first);
  if (is_space && !preformatted) {
    if (!space_) {
      space_ = true;
      space_has_newline_ = false;
      space_start_ = start;
    }
    space_end_ = end;
    return;
  }
  StartInk(start, first);
  runs_.AddDecoded(document_.text.size(), start, end);
  document_.text += is_space && first != '\n' ? std::string_view(" ") : decoded;
  source_end_ = end;
}

// Writes what was asked for between the text so far and the text that starts at `position`.
void HtmlTextBuilder::StartInk(size_t position, char32_t first) {
  std::string& text = document_.text;
  const size_t until = bullet_.empty() ? position : std::max(source_end_, std::min(bullet_position_, position));
  if (break_ != HtmlBreak::kNone) {
    const size_t wanted = break_ == HtmlBreak::kParagraph ? 2 : 1;
    size_t newlines = 0;
    while (newlines < wanted && newlines < text.size() && text[text.size() - 1 - newlines] == '\n') ++newlines;
    if (!text.empty()) Insert(std::string_view("\n\n").substr(0, wanted - newlines), source_end_, until);
  } else if (cells_ > 0) {
    std::string borders;
    for (size_t i = 0; i < cells_; ++i) borders += " |";
    Insert(borders + " ", source_end_, until);
  } else if (space_ && !text.empty() && !IsHtmlSpace(text.back())) {
    const bool joined = space_has_newline_ && IsUnspaced(LastCharacter(text)) && IsUnspaced(first);
    if (!joined && space_end_ == space_start_ + 1 && source_[space_start_] == ' ') {
      runs_.AddVerbatim(text.size(), space_start_);
      text += ' ';
    } else if (!joined) {
      Insert(" ", space_start_, space_end_);
    }
  }
  break_ = HtmlBreak::kNone;
  break_is_forced_ = false;
  cells_ = 0;
  row_has_text_ = true;
  in_definition_ = false;
  space_ = false;
  if (!bullet_.empty()) {
    Insert(bullet_, until, position);
    bullet_.clear();
  }
  if (heading_level_ > 0) {
    if (!heading_start_) heading_start_ = text.size();
  } else {
    has_body_ = true;
  }
}

void HtmlTextBuilder::Insert(std::string_view separator, size_t start, size_t end) {
  if (separator.empty()) return;
  runs_.AddDecoded(document_.text.size(), start, end);
  document_.text.append(separator);
}

void HtmlTextBuilder::Break(HtmlBreak kind) {
  if (kind == HtmlBreak::kNone) return;
  if (kind == HtmlBreak::kParagraph && heading_start_) EndHeading();
  space_ = false;
  if (!bullet_.empty() || (cells_ > 0 && kind == HtmlBreak::kLine))
    return;  // Nothing of the item or the cell was written yet.
  if (in_definition_ && break_ == HtmlBreak::kLine) return;
  cells_ = 0;
  break_ = std::max(break_, kind);
  break_is_forced_ = false;
}

void HtmlTextBuilder::ForcedLine() {
  const bool second = break_ == HtmlBreak::kLine && break_is_forced_;
  Break(second ? HtmlBreak::kParagraph : HtmlBreak::kLine);
  break_is_forced_ = true;
}

void HtmlTextBuilder::Row() {
  cells_ = 0;
  Break(HtmlBreak::kLine);
  row_has_text_ = false;
}

void HtmlTextBuilder::Cell() {
  space_ = false;
  if (!row_has_text_) return;
  ++cells_;
  // What ended the cell before is no line of its own.
  break_ = HtmlBreak::kNone;
}

void HtmlTextBuilder::Item(std::string bullet, size_t position) {
  bullet_.clear();
  Break(HtmlBreak::kLine);
  bullet_ = std::move(bullet);
  bullet_position_ = position;
}

void HtmlTextBuilder::Definition() {
  Break(HtmlBreak::kLine);
  in_definition_ = true;
}

void HtmlTextBuilder::StartHeading(int level) {
  EndHeading();
  Break(HtmlBreak::kParagraph);
  heading_level_ = level;
}

void HtmlTextBuilder::EndHeading() {
  if (heading_start_) {
    std::string title = HeadingTitle(std::string_view(document_.text).substr(*heading_start_));
    if (!title.empty()) document_.headings.push_back({*heading_start_, heading_level_, std::move(title)});
  }
  heading_start_.reset();
  heading_level_ = 0;
}

Document HtmlTextBuilder::Finish() {
  EndHeading();
  document_.runs = runs_.Finish(document_.text.size());
  return std::move(document_);
}

}  // namespace ragtime
