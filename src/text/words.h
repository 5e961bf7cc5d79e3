// SPDX-License-Identifier: Apache-2.0
//
// The words of a text as the keyword index knows them: one function for the texts of nodes, one for questions.
//
// - Letters are compared by Unicode NFKC and case folding: "ＰＧ", "Pg" and "pg" are one word.
// - A run of letters and digits of any script is a word; one of ASCII letters is stemmed (Snowball, English).
// - What holds several words gives itself, unstemmed, and its parts: pg_dump, read-only, 15.4, src/a.cc,
// maxConnections, utf8.
// - A Latin word with accents is also found without them.
// - Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese give each character and each pair of neighbours.
// - A word of more than kWordSizeMax bytes becomes its beginning and a hash. No word is dropped for being frequent.
//
// Threads: may be called concurrently. Errors: none; bytes that are not UTF-8 separate words.
#ifndef RAGTIME_TEXT_WORDS_H_
#define RAGTIME_TEXT_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

// Changes whenever a text would get other words; an index made by another version must be built again.
inline constexpr uint32_t kWordsVersion = 1;

inline constexpr size_t kWordSizeMax = 64;  // Bytes.

// The words of a node's text, in order, repeats included. `on_word` must not keep its argument.
void SplitWords(std::string_view text, const std::function<void(std::string_view word)>& on_word);
std::vector<std::string> SplitWords(std::string_view text);

// The words to look up for a question, in order, repeats included: those of SplitWords, except that of a run of
// characters without spaces only the pairs are taken, which say more than their characters; a run of one character is
// that character.
std::vector<std::string> QueryWords(std::string_view question);

// A word and where it stands: the next word starts at the place where it ends. What holds several words stands over the
// places of them all, and forms of one word stand at the same place.
struct PlacedWord {
  std::string word;
  uint32_t from = 0;
  uint32_t to = 0;
  friend bool operator==(const PlacedWord&, const PlacedWord&) = default;
};

// The words of SplitWords but for the pairs of characters, by ascending `from`.
std::vector<PlacedWord> PlaceWords(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_WORDS_H_
