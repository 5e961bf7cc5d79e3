// SPDX-License-Identifier: Apache-2.0
//
// Phrases are what a question has in quotes: words that must follow one another, whatever stands between them that is
// no word.
//
// Words are those of src/text/words.h: stemmed, folded, Chinese by its characters. A name is one word and its parts:
// "pg dump" is in pg_dump, and "postgresql docs" in PostgreSQL docs. Where a word has two forms (c++ and c, café and
// cafe), a phrase means the longer one, and a text has both.
//
// Threads: may be called concurrently. Errors: none.
#ifndef RAGTIME_TEXT_PHRASES_H_
#define RAGTIME_TEXT_PHRASES_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/words.h"

namespace ragtime {

// A question taken apart at its quotes, of which each pair is "...", “...” or 「...」. A quote that is not closed, and
// a " behind a letter or digit of ASCII (3.5" disks), are no quotes.
struct QuotedText {
  std::vector<std::string_view> loose;
  std::vector<std::string_view> quoted;  // With at least one word.
};
QuotedText SplitQuotes(std::string_view question);

class Phrase {
 public:
  // `quoted` holds at least one word.
  explicit Phrase(std::string_view quoted);

  // For each place of the phrase the words that may stand there: a text that holds the phrase has one of each.
  const std::vector<std::vector<std::string>>& alternatives() const { return alternatives_; }
  // Whether the text with these words (of PlaceWords) holds the phrase.
  bool IsIn(std::span<const PlacedWord> text) const;

 private:
  std::vector<PlacedWord> words_;  // By the place where they start.
  std::vector<size_t> first_;      // Of the words that start at each place; one more for the end.
  std::vector<std::vector<std::string>> alternatives_;
};

// Whether the text holds them all.
bool HoldsPhrases(std::string_view text, std::span<const Phrase> phrases);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_PHRASES_H_
