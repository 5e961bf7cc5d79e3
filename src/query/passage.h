// SPDX-License-Identifier: Apache-2.0
//
// A Passage is the part of a hit's text that an answer is made of, and how a range of it leads back to the source file.
#ifndef RAGTIME_QUERY_PASSAGE_H_
#define RAGTIME_QUERY_PASSAGE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/knowledge_base.h"
#include "ragtime/node.h"

namespace ragtime {

struct Passage {
  int number = 0;                  // From 1: the n of [n].
  const SearchHit* hit = nullptr;  // Not owned.
  size_t text_start = 0;           // The part of hit->node.text that is used.
  size_t text_end = 0;

  std::string_view text() const { return std::string_view(hit->node.text).substr(text_start, text_end - text_start); }
};

// Where the source file holds the range [text_start, text_end) of a node's text.
using SourceSpanOf = std::function<std::optional<Span>(const Node& node, size_t text_start, size_t text_end)>;

// What is used where no SourceSpanOf is given. Where a node's text has as many bytes as its range of the source, both
// advance together; otherwise markup or another encoding lies between, and the whole node's range is the answer.
std::optional<Span> SourceSpanByLength(const Node& node, size_t text_start, size_t text_end);

// The sentences of a text without the white space around them, those that are not blank.
std::vector<Span> SentencesOf(std::string_view text);
inline std::string_view Slice(std::string_view text, Span span) {
  return text.substr(static_cast<size_t>(span.start), static_cast<size_t>(span.end - span.start));
}

// The citation of the range `quote` of hit.node.text.
Citation MakeCitation(int marker, const SearchHit& hit, Span quote, const SourceSpanOf& source_span_of);

// "[3]", "[1, 2]" and "【3】" become "(3)", "(1, 2)" and "(3)": in a document these are footnotes, not our markers.
std::string NeutraliseMarkers(std::string_view text);

// The hits as passages, best first, at most `limit`, numbered from 1. A text that was there before is left out, and
// what neighbours of one document share (the splitter's overlap) stays with the better hit. `hits` must outlive them.
std::vector<Passage> SelectPassages(std::span<const SearchHit> hits, size_t limit);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_PASSAGE_H_
