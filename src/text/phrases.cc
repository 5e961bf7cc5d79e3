// SPDX-License-Identifier: Apache-2.0
#include "text/phrases.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <utility>

namespace ragtime {
namespace {

struct QuotePair {
  std::string_view open;
  std::string_view close;
};
constexpr QuotePair kQuotePairs[] = {{"\"", "\""}, {"\uFF02", "\uFF02"}, {"“", "”"}, {"「", "」"}};

bool HasWord(std::string_view text) {
  bool found = false;
  SplitWords(text, [&found](std::string_view) { found = true; });
  return found;
}

}  // namespace

QuotedText SplitQuotes(std::string_view question) {
  QuotedText parts;
  size_t loose = 0;  // Where the part outside of quotes starts.
  for (size_t i = 0; i < question.size();) {
    const std::string_view rest = question.substr(i);
    const auto* pair = std::find_if(std::begin(kQuotePairs), std::end(kQuotePairs),
                                    [rest](const QuotePair& quotes) { return rest.starts_with(quotes.open); });
    const bool inch = i > 0 && std::isalnum(static_cast<unsigned char>(question[i - 1])) != 0 && rest[0] == '"';
    size_t close = std::string_view::npos;
    if (pair != std::end(kQuotePairs) && !inch) close = question.find(pair->close, i + pair->open.size());
    if (close == std::string_view::npos) {
      ++i;
      continue;
    }
    const size_t start = i + pair->open.size();
    const std::string_view quoted = question.substr(start, close - start);
    if (HasWord(quoted)) {
      if (i > loose) parts.loose.push_back(question.substr(loose, i - loose));
      parts.quoted.push_back(quoted);
      loose = close + pair->close.size();
    }
    i = close + pair->close.size();
  }
  if (loose < question.size()) parts.loose.push_back(question.substr(loose));
  return parts;
}

Phrase::Phrase(std::string_view quoted) : words_(PlaceWords(quoted)) {
  std::stable_sort(words_.begin(), words_.end(), [](const PlacedWord& a, const PlacedWord& b) {
    if (a.from != b.from) return a.from < b.from;
    return a.to != b.to ? a.to < b.to : a.word.size() > b.word.size();
  });
  // Of two forms of one word the longer is left.
  const auto last = std::unique(words_.begin(), words_.end(), [](const PlacedWord& a, const PlacedWord& b) {
    return a.from == b.from && a.to == b.to;
  });
  words_.erase(last, words_.end());
  uint32_t places = 0;
  for (const PlacedWord& word : words_) places = std::max(places, word.to);
  alternatives_.resize(places);
  first_.assign(places + 1, 0);
  for (const PlacedWord& word : words_) {
    ++first_[word.from + 1];
    for (uint32_t place = word.from; place < word.to; ++place) alternatives_[place].push_back(word.word);
  }
  for (uint32_t place = 0; place < places; ++place) first_[place + 1] += first_[place];
}

bool Phrase::IsIn(std::span<const PlacedWord> text) const {
  const auto end = static_cast<uint32_t>(alternatives_.size());
  // How much of the phrase ends at a place of the text. Words come by the place where they start, so that all of it is
  // known when it is asked for.
  std::vector<std::pair<uint32_t, uint32_t>> reached;  // Place of the text, place of the phrase.
  const auto step = [&](const PlacedWord& word, uint32_t at) {
    for (size_t i = first_[at]; i < first_[at + 1]; ++i) {
      if (words_[i].word == word.word) reached.emplace_back(word.to, words_[i].to);
    }
  };
  for (const PlacedWord& word : text) {
    std::erase_if(reached, [&word](const auto& state) { return state.first < word.from; });
    const size_t known = reached.size();
    step(word, 0);
    for (size_t i = 0; i < known; ++i) {
      if (reached[i].first == word.from && reached[i].second < end) step(word, reached[i].second);
    }
    for (size_t i = known; i < reached.size(); ++i) {
      if (reached[i].second == end) return true;
    }
  }
  return false;
}

bool HoldsPhrases(std::string_view text, std::span<const Phrase> phrases) {
  if (phrases.empty()) return true;
  const std::vector<PlacedWord> words = PlaceWords(text);
  return std::all_of(phrases.begin(), phrases.end(), [&words](const Phrase& phrase) { return phrase.IsIn(words); });
}

}  // namespace ragtime
