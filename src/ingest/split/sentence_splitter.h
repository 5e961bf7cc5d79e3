// SPDX-License-Identifier: Apache-2.0
//
// SentenceSplitter packs whole sentences into nodes of at most a number of tokens, with some sentences repeated from
// one node to the next. Takes linear time, and counts the tokens of each sentence once.
//
// Threads: Split may be called concurrently if the token counter may.
#ifndef RAGTIME_INGEST_SPLIT_SENTENCE_SPLITTER_H_
#define RAGTIME_INGEST_SPLIT_SENTENCE_SPLITTER_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/split/text_piece.h"
#include "ragtime/splitter.h"

namespace ragtime {

using TokenCounter = std::function<size_t(std::string_view)>;

class SentenceSplitter : public Splitter {
 public:
  // `size_tokens` is at least 1; an overlap that leaves no room for new text is cut down to half the size.
  SentenceSplitter(size_t size_tokens, size_t overlap_tokens, TokenCounter count_tokens);

  const std::string& group() const override { return group_; }
  std::string description() const override;
  // A node starts at each heading, unless only a heading or a few words above a deeper one precede it. A sentence
  // longer than a node is cut at line ends, then at commas, then at spaces, then between characters.
  Result<std::vector<Node>> Split(const Document& document) const override;
  // What the nodes are made of, in order.
  std::vector<TextPiece> Cut(const Document& document) const;

 private:
  size_t size_tokens_;
  size_t overlap_tokens_;
  TokenCounter count_tokens_;
  std::string group_;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_SPLIT_SENTENCE_SPLITTER_H_
