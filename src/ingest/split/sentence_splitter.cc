// SPDX-License-Identifier: Apache-2.0
#include "ingest/split/sentence_splitter.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/str_cat.h"
#include "text/sentences.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// A piece of text that is not cut any more: a sentence, fenced code, or a part of one that is too long.
struct Unit {
  Span span;  // Without white space around it.
  size_t tokens = 0;
};

Span Trim(std::string_view text, Span span) {
  while (span.start < span.end) {
    const DecodedCharacter first = DecodeUtf8(text, span.start);
    if (!IsSpace(first.code_point)) break;
    span.start += first.size_bytes;
  }
  while (span.end > span.start) {
    size_t last = span.end - 1;
    while (last > span.start && span.end - last < 4 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    const DecodedCharacter character = DecodeUtf8(text, last);
    if (last + character.size_bytes != span.end || !IsSpace(character.code_point)) break;
    span.end = last;
  }
  return span;
}

bool IsClauseMark(char32_t c) {
  return c == 0xFF0C || c == 0x3001 || c == 0xFF1B || c == 0xFF1A || c == 0x3002 || c == 0x2014;
}

// Where the text may be cut, best first.
enum class Cut { kLines, kClauses, kSpaces, kCharacters };

// Whether the text may be cut behind the character `c` that ends at `end`.
bool CutsBehind(Cut cut, char32_t c, std::string_view text, uint64_t end) {
  switch (cut) {
    case Cut::kLines:
      return c == '\n';
    case Cut::kClauses:
      return IsClauseMark(c) || ((c == ',' || c == ';' || c == ':' || c == '|') && end < text.size() &&
                                 IsSpace(DecodeUtf8(text, end).code_point));
    case Cut::kSpaces:
      return IsSpace(c);
    case Cut::kCharacters:
      return true;
  }
  return true;
}

class UnitCutter {
 public:
  UnitCutter(std::string_view text, size_t size_tokens, const TokenCounter& count_tokens, std::vector<Unit>& units)
      : text_(text), size_tokens_(size_tokens), count_tokens_(count_tokens), units_(units) {}

  // Appends `span`, in pieces if it is too long, which `cut` or the ones after it make.
  void Add(Span span, Cut cut = Cut::kLines) {
    span = Trim(text_, span);
    if (span.start == span.end) return;
    if (cut == Cut::kCharacters) {
      AddByCharacters(span);
      return;
    }
    const size_t tokens = count_tokens_(text_.substr(span.start, span.end - span.start));
    if (tokens <= size_tokens_) {
      units_.push_back({span, tokens});
      return;
    }
    while (cut != Cut::kCharacters && !Divides(cut, span)) cut = Next(cut);
    if (cut == Cut::kCharacters) {
      AddByCharacters(span);
    } else {
      Divide(span, cut);
    }
  }

 private:
  static Cut Next(Cut cut) { return static_cast<Cut>(static_cast<int>(cut) + 1); }

  bool Divides(Cut cut, Span span) const {
    for (uint64_t i = span.start; i < span.end;) {
      const DecodedCharacter character = DecodeUtf8(text_, i);
      i += character.size_bytes;
      if (i < span.end && CutsBehind(cut, character.code_point, text_, i)) return true;
    }
    return false;
  }

  void Divide(Span span, Cut cut) {
    uint64_t start = span.start;
    for (uint64_t i = span.start; i < span.end;) {
      const DecodedCharacter character = DecodeUtf8(text_, i);
      i += character.size_bytes;
      if (i < span.end && !CutsBehind(cut, character.code_point, text_, i)) continue;
      Add({start, std::min<uint64_t>(i, span.end)}, Next(cut));
      start = i;
    }
  }

  // Windows of characters, each as long as the last one that fitted: few are counted twice.
  void AddByCharacters(Span span) {
    uint64_t window = size_tokens_ * 3;
    while (span.start < span.end) {
      uint64_t end = CharacterEnd(span, window);
      size_t tokens = count_tokens_(text_.substr(span.start, end - span.start));
      while (tokens > size_tokens_) {
        const uint64_t half = CharacterEnd(span, (end - span.start) / 2);
        if (half >= end) break;  // One character alone; it is kept whatever it counts.
        end = half;
        tokens = count_tokens_(text_.substr(span.start, end - span.start));
      }
      const Span piece = Trim(text_, {span.start, end});
      if (piece.start < piece.end) units_.push_back({piece, tokens});
      window = std::max<uint64_t>(4, (end - span.start) * 5 / 4);
      span.start = end;
    }
  }

  // The end of the characters that start within `size` bytes, at least one.
  uint64_t CharacterEnd(Span span, uint64_t size) const {
    const uint64_t first = span.start + DecodeUtf8(text_, span.start).size_bytes;
    if (size >= span.end - span.start) return span.end;
    uint64_t end = span.start + size;
    for (int i = 0; i < 3 && end > span.start && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80; ++i) --end;
    return std::max(first, end);
  }

  const std::string_view text_;
  const size_t size_tokens_;
  const TokenCounter& count_tokens_;
  std::vector<Unit>& units_;
};

// Whether the line at `i` opens or closes fenced code: three or more ` or ~ after its indentation.
bool IsFence(std::string_view text, size_t i) {
  i = text.find_first_not_of(" \t", i);
  if (i == std::string_view::npos || (text[i] != '`' && text[i] != '~')) return false;
  return text.substr(i, 3) == "```" || text.substr(i, 3) == "~~~";
}

// The ranges of fenced code, fences included; fenced code that does not end is left to the sentences.
std::vector<Span> FindFencedCode(std::string_view text) {
  std::vector<Span> blocks;
  if (text.find("```") == std::string_view::npos && text.find("~~~") == std::string_view::npos) return blocks;
  constexpr size_t kClosed = std::string_view::npos;
  size_t open = kClosed;
  for (size_t line = 0; line < text.size();) {
    const size_t newline = text.find('\n', line);
    const size_t next = newline == std::string_view::npos ? text.size() : newline + 1;
    if (IsFence(text, line)) {
      if (open != kClosed) {
        blocks.push_back({open, next});
        open = kClosed;
      } else {
        open = line;
      }
    }
    line = next;
  }
  return blocks;
}

// Sentences, cut at the starts of headings and joined where they are one piece of fenced code.
std::vector<Span> FindPieces(const Document& document) {
  std::vector<uint64_t> borders;
  const std::vector<Span> blocks = FindFencedCode(document.text);
  for (const Heading& heading : document.headings) borders.push_back(heading.text_start);
  for (const Span& block : blocks) borders.insert(borders.end(), {block.start, block.end});
  std::sort(borders.begin(), borders.end());
  std::vector<Span> pieces;
  size_t border = 0;
  size_t block = 0;
  auto add = [&](Span piece) {
    while (block < blocks.size() && blocks[block].end <= piece.start) ++block;
    const bool in_block = block < blocks.size() && blocks[block].start <= piece.start;
    if (in_block && !pieces.empty() && blocks[block].start <= pieces.back().start) {
      pieces.back().end = piece.end;
    } else if (piece.start < piece.end) {
      pieces.push_back(piece);
    }
  };
  for (Span sentence : SplitSentences(document.text)) {
    for (; border < borders.size() && borders[border] < sentence.end; ++border) {
      if (borders[border] <= sentence.start) continue;
      add({sentence.start, borders[border]});
      sentence.start = borders[border];
    }
    add(sentence);
  }
  return pieces;
}

// Puts units into nodes.
class Packer {
 public:
  Packer(const Document& document, size_t size_tokens, size_t overlap_tokens, const std::vector<Unit>& units)
      : document_(document), size_tokens_(size_tokens), overlap_tokens_(overlap_tokens), units_(units) {}

  std::vector<TextPiece> Pack() {
    for (size_t i = 0; i < units_.size(); ++i) {
      const std::optional<int> level = HeadingAt(units_[i]);
      if (i == first_) {
        PassHeadings(units_[i]);
        path_ = titles_;
      } else if (level &&
                 !(tokens_ < size_tokens_ / 4 && *level > level_ && tokens_ + units_[i].tokens <= size_tokens_)) {
        Flush(i);
        StartNode(i, i);
      } else if (tokens_ + units_[i].tokens > size_tokens_) {
        Flush(i);
        StartNode(level ? i : OverlapStart(i), i);
      } else {
        PassHeadings(units_[i]);
      }
      if (level) {
        level_ = *level;
        section_ = i;
      }
      tokens_ += units_[i].tokens;
    }
    if (first_ < units_.size()) Flush(units_.size());
    return std::move(pieces_);
  }

 private:
  // The outermost level of the headings that start at or before this unit and were not passed yet.
  std::optional<int> HeadingAt(const Unit& unit) const {
    std::optional<int> level;
    for (size_t h = heading_; h < document_.headings.size() && document_.headings[h].text_start <= unit.span.start;
         ++h) {
      level = std::min(level.value_or(INT32_MAX), document_.headings[h].level);
    }
    return level;
  }

  void PassHeadings(const Unit& unit) {
    for (; heading_ < document_.headings.size() && document_.headings[heading_].text_start <= unit.span.start;
         ++heading_) {
      const Heading& heading = document_.headings[heading_];
      while (!levels_.empty() && levels_.back() >= heading.level) {
        levels_.pop_back();
        titles_.pop_back();
      }
      levels_.push_back(heading.level);
      titles_.push_back(heading.title);
    }
  }

  // The first of the units before `next` that the node with `next` repeats: not all of the last node, nothing of
  // another section, and no more than leaves room for `next`.
  size_t OverlapStart(size_t next) const {
    size_t start = next;
    size_t tokens = 0;
    while (start > std::max(first_ + 1, section_) && tokens + units_[start - 1].tokens <= overlap_tokens_ &&
           tokens + units_[start - 1].tokens + units_[next].tokens <= size_tokens_) {
      --start;
      tokens += units_[start].tokens;
    }
    return start;
  }

  // The current node ends before unit `end`.
  void Flush(size_t end) { pieces_.push_back({{units_[first_].span.start, units_[end - 1].span.end}, path_}); }

  // A new node repeats the units from `first` and goes on with `next`.
  void StartNode(size_t first, size_t next) {
    PassHeadings(units_[next]);
    first_ = first;
    path_ = titles_;
    tokens_ = 0;
    for (size_t i = first; i < next; ++i) tokens_ += units_[i].tokens;
  }

  const Document& document_;
  const size_t size_tokens_;
  const size_t overlap_tokens_;
  const std::vector<Unit>& units_;
  std::vector<TextPiece> pieces_;
  // The current node.
  size_t first_ = 0;
  size_t tokens_ = 0;
  std::vector<std::string> path_;
  // The current section.
  size_t heading_ = 0;  // The next heading that was not passed yet.
  size_t section_ = 0;  // Its first unit.
  int level_ = 0;
  std::vector<int> levels_;
  std::vector<std::string> titles_;
};

}  // namespace

SentenceSplitter::SentenceSplitter(size_t size_tokens, size_t overlap_tokens, TokenCounter count_tokens)
    : size_tokens_(std::max<size_t>(1, size_tokens)),
      overlap_tokens_(std::min(overlap_tokens, size_tokens_ / 2)),
      count_tokens_(std::move(count_tokens)),
      group_(StrCat("sentence-", size_tokens_)) {}

std::string SentenceSplitter::description() const {
  // The last number changes whenever the same text would be cut in another way.
  return StrCat("sentence size_tokens=", size_tokens_, " overlap_tokens=", overlap_tokens_, " rules=1");
}

std::vector<TextPiece> SentenceSplitter::Cut(const Document& document) const {
  std::vector<Unit> units;
  UnitCutter cutter(document.text, size_tokens_, count_tokens_, units);
  for (const Span& piece : FindPieces(document)) cutter.Add(piece);
  return Packer(document, size_tokens_, overlap_tokens_, units).Pack();
}

Result<std::vector<Node>> SentenceSplitter::Split(const Document& document) const {
  std::vector<Node> nodes;
  for (const TextPiece& piece : Cut(document)) nodes.push_back(NodeOfPiece(document, piece, group_, nodes.size()));
  return nodes;
}

}  // namespace ragtime
