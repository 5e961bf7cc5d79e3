// SPDX-License-Identifier: Apache-2.0
//
// Snowball's English stemmer with a memory of recent words: text repeats its words, and a look-up costs a tenth of
// stemming.
#ifndef RAGTIME_TEXT_ENGLISH_STEMMER_H_
#define RAGTIME_TEXT_ENGLISH_STEMMER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

struct sb_stemmer;

namespace ragtime {

class EnglishStemmer {
 public:
  // The one of this thread.
  static EnglishStemmer& OfThread();

  EnglishStemmer(const EnglishStemmer&) = delete;
  EnglishStemmer& operator=(const EnglishStemmer&) = delete;

  // `word` is lower-case ASCII letters, at most kWordSizeMax. The result is valid until the next call.
  std::string_view Stem(std::string_view word);

 private:
  static constexpr size_t kSlots = 4096;
  struct Slot {
    char word[23];
    uint8_t word_size;  // 0 if the slot is free.
    char stem[23];
    uint8_t stem_size;
  };
  struct Free {
    void operator()(Slot* slots) const { std::free(slots); }
  };

  EnglishStemmer();
  ~EnglishStemmer();
  std::string_view Compute(std::string_view word);

  sb_stemmer* const stemmer_;  // Null where memory is short: words stay as they are.
  // From calloc, which leaves it to the system to clear the pages that are touched: a question touches few.
  const std::unique_ptr<Slot[], Free> slots_;
};

}  // namespace ragtime

#endif  // RAGTIME_TEXT_ENGLISH_STEMMER_H_
