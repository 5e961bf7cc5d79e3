// SPDX-License-Identifier: Apache-2.0
#include "text/english_stemmer.h"

#include <libstemmer.h>

#include <cstring>

#include "base/hash.h"

namespace ragtime {

EnglishStemmer& EnglishStemmer::OfThread() {
  thread_local EnglishStemmer stemmer;
  return stemmer;
}

EnglishStemmer::EnglishStemmer()
    : stemmer_(sb_stemmer_new("english", "UTF_8")), slots_(static_cast<Slot*>(std::calloc(kSlots, sizeof(Slot)))) {}

EnglishStemmer::~EnglishStemmer() { sb_stemmer_delete(stemmer_); }

std::string_view EnglishStemmer::Stem(std::string_view word) {
  if (word.size() < 3 || stemmer_ == nullptr) return word;
  if (word.size() > sizeof(Slot::word) || slots_ == nullptr) return Compute(word);
  Slot& slot = slots_[Hash64(word) % kSlots];
  if (slot.word_size != word.size() || std::memcmp(slot.word, word.data(), word.size()) != 0) {
    const std::string_view stem = Compute(word);
    if (stem.size() > sizeof(Slot::stem)) return stem;
    slot.word_size = static_cast<uint8_t>(word.size());
    slot.stem_size = static_cast<uint8_t>(stem.size());
    std::memcpy(slot.word, word.data(), word.size());
    std::memcpy(slot.stem, stem.data(), stem.size());
  }
  return {slot.stem, slot.stem_size};
}

std::string_view EnglishStemmer::Compute(std::string_view word) {
  const sb_symbol* stem =
      sb_stemmer_stem(stemmer_, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
  if (stem == nullptr) return word;
  return {reinterpret_cast<const char*>(stem), static_cast<size_t>(sb_stemmer_length(stemmer_))};
}

}  // namespace ragtime
