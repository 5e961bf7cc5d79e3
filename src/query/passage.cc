// SPDX-License-Identifier: Apache-2.0
#include "query/passage.h"

#include <algorithm>

#include "base/str_cat.h"
#include "text/sentences.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// A shorter agreement of two neighbours is chance, e.g. a full stop and a space.
constexpr size_t kOverlapBytesMin = 16;

Span Trim(std::string_view text, Span span) {
  size_t start = span.start;
  size_t end = start;  // Behind the last character that is not white space.
  bool inside = false;
  for (size_t i = start; i < span.end;) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (!IsSpace(character.code_point)) {
      if (!inside) start = i;
      inside = true;
      end = i + character.size_bytes;
    }
    i += character.size_bytes;
  }
  return inside ? Span{start, end} : Span{span.start, span.start};
}

// The length of the longest end of `before` with which `after` begins, by the prefix function (Knuth, Morris, Pratt).
size_t SharedBytes(std::string_view before, std::string_view after) {
  const size_t longest = std::min(before.size(), after.size());
  const std::string_view pattern = after.substr(0, longest);
  const std::string_view text = before.substr(before.size() - longest);
  std::vector<size_t> border(longest, 0);
  for (size_t i = 1, k = 0; i < longest; ++i) {
    while (k > 0 && pattern[i] != pattern[k]) k = border[k - 1];
    if (pattern[i] == pattern[k]) ++k;
    border[i] = k;
  }
  size_t matched = 0;
  for (const char c : text) {
    while (matched > 0 && (matched == longest || c != pattern[matched])) matched = border[matched - 1];
    if (c == pattern[matched]) ++matched;
  }
  return matched >= kOverlapBytesMin ? matched : 0;
}

// Takes from `passage` what it shares with a better one that stands right before or behind it in the document.
void CutOverlap(const Passage& better, Passage& passage) {
  const Node& a = better.hit->node;
  const Node& b = passage.hit->node;
  if (a.document_id != b.document_id || a.group != b.group) return;
  if (a.position + 1 == b.position) {
    passage.text_start = std::max(passage.text_start, SharedBytes(a.text, b.text));
  } else if (b.position + 1 == a.position) {
    passage.text_end = std::min(passage.text_end, b.text.size() - SharedBytes(b.text, a.text));
  }
}

}  // namespace

std::optional<Span> SourceSpanByLength(const Node& node, size_t text_start, size_t text_end) {
  if (!node.bytes || node.bytes->end - node.bytes->start != node.text.size()) return node.bytes;
  return Span{node.bytes->start + text_start, node.bytes->start + text_end};
}

std::vector<Span> SentencesOf(std::string_view text) {
  std::vector<Span> sentences = SplitSentences(text);
  for (Span& sentence : sentences) sentence = Trim(text, sentence);
  std::erase_if(sentences, [](const Span& sentence) { return sentence.start == sentence.end; });
  return sentences;
}

Citation MakeCitation(int marker, const SearchHit& hit, Span quote, const SourceSpanOf& source_span_of) {
  Citation citation;
  citation.marker = marker;
  citation.node_id = hit.node.id;
  citation.file = hit.file;
  citation.page = hit.node.page;
  citation.quote = Slice(hit.node.text, quote);
  const auto start = static_cast<size_t>(quote.start);
  const auto end = static_cast<size_t>(quote.end);
  if (source_span_of) citation.bytes = source_span_of(hit.node, start, end);
  if (!citation.bytes) citation.bytes = SourceSpanByLength(hit.node, start, end);
  return citation;
}

std::string NeutraliseMarkers(std::string_view text) {
  constexpr std::string_view kWideOpen = "【";
  constexpr std::string_view kWideClose = "】";
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const bool wide = rest.starts_with(kWideOpen);
    const size_t open = wide ? kWideOpen.size() : rest.front() == '[' ? 1 : 0;
    const size_t close = rest.find_first_not_of("0123456789, ", open);
    const std::string_view closing = wide ? kWideClose : "]";
    if (open == 0 || close == std::string_view::npos || !rest.substr(close).starts_with(closing) ||
        rest.substr(open, close - open).find_first_of("0123456789") == std::string_view::npos) {
      out += rest.front();
      ++i;
      continue;
    }
    out += StrCat("(", rest.substr(open, close - open), ")");
    i += close + closing.size();
  }
  return out;
}

std::vector<Passage> SelectPassages(std::span<const SearchHit> hits, size_t limit) {
  std::vector<Passage> passages;
  for (const SearchHit& hit : hits) {
    if (passages.size() == limit) break;
    Passage passage{static_cast<int>(passages.size()) + 1, &hit, 0, hit.node.text.size()};
    const bool known = std::any_of(passages.begin(), passages.end(),
                                   [&](const Passage& other) { return other.hit->node.text == hit.node.text; });
    if (known) continue;
    for (const Passage& better : passages) CutOverlap(better, passage);
    if (passage.text_start >= passage.text_end) continue;
    const Span rest = Trim(hit.node.text, {passage.text_start, passage.text_end});
    if (rest.start == rest.end) continue;
    passage.text_start = rest.start;
    passage.text_end = rest.end;
    passages.push_back(passage);
  }
  return passages;
}

}  // namespace ragtime
