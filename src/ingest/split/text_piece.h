// SPDX-License-Identifier: Apache-2.0
//
// A TextPiece is a range of a document's text on its way to becoming a node, with the headings that it stands under.
#ifndef RAGTIME_INGEST_SPLIT_TEXT_PIECE_H_
#define RAGTIME_INGEST_SPLIT_TEXT_PIECE_H_

#include <string>
#include <utility>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/node.h"

namespace ragtime {

struct TextPiece {
  Span span;                         // Of Document::text.
  std::vector<std::string> heading;  // Outermost first.
};

inline Node NodeOfPiece(const Document& document, const TextPiece& piece, const std::string& group, size_t position) {
  Node node;
  node.group = group;
  node.position = static_cast<uint32_t>(position);
  node.text = document.text.substr(piece.span.start, piece.span.end - piece.span.start);
  node.heading = piece.heading;
  node.bytes = document.SourceSpan(piece.span.start, piece.span.end);
  return node;
}

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SPLIT_TEXT_PIECE_H_
