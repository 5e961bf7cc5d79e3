// SPDX-License-Identifier: Apache-2.0
//
// A ChineseDictionary knows which characters of Chinese make words. Without one, pairs of neighbours stand for words
// (src/text/words.h).
//
// Threads: every method may be called concurrently. Errors: none; whoever makes one has checked what it reads.
#ifndef RAGTIME_TEXT_CHINESE_DICTIONARY_H_
#define RAGTIME_TEXT_CHINESE_DICTIONARY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

// The words of an index that was made with a dictionary have its version in the place of kWordsVersion, with this bit.
inline constexpr uint32_t kDictionaryBit = 0x80000000;

class ChineseDictionary {
 public:
  virtual ~ChineseDictionary() = default;
  ChineseDictionary(const ChineseDictionary&) = delete;
  ChineseDictionary& operator=(const ChineseDictionary&) = delete;

  // Of kWordsVersion and all words of the dictionary, the user's included; with kDictionaryBit.
  virtual uint32_t version() const = 0;
  // Cuts `run`, characters of Chinese alone in UTF-8, into words; words inside of longer ones are words too. `on_word`
  // gets where in `run` each starts, and of how many bytes and characters it is.
  using OnWord = std::function<void(size_t start, size_t size_bytes, size_t characters)>;
  virtual void FindWords(std::string_view run, const OnWord& on_word) const = 0;

 protected:
  ChineseDictionary() = default;
};

// Whether it is a character that the dictionary is asked about: one of Chinese writing, Kana and Hangul aside.
inline constexpr bool IsHan(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x323AF);
}

// As SplitWords and QueryWords of src/text/words.h; with a dictionary (null: none) these words of Chinese come too:
// - of a text those of three characters and more, since pairs stand there anyway;
// - of a question every word, and of the pairs only those within one word: neighbours from two words say little, and a
//   word that was cut otherwise in the text is still found by its pairs.
// A run in which other characters than Han stand, such as Japanese, is as without a dictionary.
void SplitWords(std::string_view text, const ChineseDictionary* dictionary,
                const std::function<void(std::string_view word)>& on_word);
std::vector<std::string> SplitWords(std::string_view text, const ChineseDictionary* dictionary);
std::vector<std::string> QueryWords(std::string_view question, const ChineseDictionary* dictionary);
// What an index of such words has as the version of its words.
uint32_t WordsVersion(const ChineseDictionary* dictionary);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_CHINESE_DICTIONARY_H_
