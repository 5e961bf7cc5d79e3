// SPDX-License-Identifier: Apache-2.0
#include "query/answer/citations.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

#include "query/answer/extract.h"
#include "query/relevance.h"

namespace ragtime {
namespace {

constexpr std::string_view kDigits = "0123456789";

struct AnswerSentence {
  std::string words;  // Without markers.
  std::vector<int> markers;
};

// The number of a marker "[n]" at the beginning of `text`, and its length; none if there is no marker.
struct MarkerAt {
  int number = 0;
  size_t size_bytes = 0;
};
std::optional<MarkerAt> ReadMarker(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  MarkerAt marker;
  size_t i = 1;
  for (; i < text.size() && i < 7 && text[i] >= '0' && text[i] <= '9'; ++i) {
    marker.number = marker.number * 10 + (text[i] - '0');
  }
  if (i == 1 || i >= text.size() || text[i] != ']') return std::nullopt;
  marker.size_bytes = i + 1;
  return marker;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

std::vector<AnswerSentence> ReadSentences(std::string_view answer) {
  std::vector<AnswerSentence> sentences;
  for (const Span& span : SentencesOf(answer)) {
    const std::string_view text = Slice(answer, span);
    AnswerSentence sentence;
    for (size_t i = 0; i < text.size();) {
      const std::optional<MarkerAt> marker = ReadMarker(text.substr(i));
      if (!marker) {
        sentence.words += text[i++];
        continue;
      }
      // "... in the file. [2] The next": the sentence has not begun yet, so the marker is about what was said before.
      const bool behind = IsBlank(sentence.words) && !sentences.empty();
      std::vector<int>& markers = behind ? sentences.back().markers : sentence.markers;
      if (std::find(markers.begin(), markers.end(), marker->number) == markers.end()) markers.push_back(marker->number);
      i += marker->size_bytes;
    }
    if (!IsBlank(sentence.words) || !sentence.markers.empty()) sentences.push_back(std::move(sentence));
  }
  return sentences;
}

// The range in the node's text of the passage's sentence that shares most with `words`; the first of equal ones.
Span BestQuote(const Passage& passage, std::span<const std::string> words) {
  const std::vector<Span> sentences = SentencesOf(passage.text());
  std::vector<std::string_view> views;
  for (const Span& sentence : sentences) views.push_back(Slice(passage.text(), sentence));
  const WordWeights weights(words, views);
  Span best{passage.text_start, passage.text_end};
  double best_coverage = -1;
  for (size_t i = 0; i < views.size(); ++i) {
    const double coverage = weights.Coverage(views[i]);
    if (coverage <= best_coverage) continue;
    best_coverage = coverage;
    best = {passage.text_start + sentences[i].start, passage.text_start + sentences[i].end};
  }
  return best;
}

// Runs of digits, in order.
std::vector<std::string_view> Numbers(std::string_view text) {
  std::vector<std::string_view> numbers;
  for (size_t start = text.find_first_of(kDigits); start != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_not_of(kDigits, start), text.size());
    numbers.push_back(text.substr(start, end - start));
    start = text.find_first_of(kDigits, end);
  }
  return numbers;
}

bool HoldsNumbers(std::string_view text, std::span<const std::string_view> numbers) {
  const std::vector<std::string_view> held = Numbers(text);
  return std::all_of(numbers.begin(), numbers.end(), [&](std::string_view number) {
    return std::find(held.begin(), held.end(), number) != held.end();
  });
}

// Whether a sentence denies something. Words overlap all the same in "is kept" and "is not kept".
bool Denies(std::string_view text) {
  constexpr std::string_view kParts[] = {"不", "没", "无", "未", "非", "勿", "n't", "n’t"};
  for (const std::string_view part : kParts) {
    if (text.find(part) != std::string_view::npos) return true;
  }
  constexpr std::string_view kWords[] = {"not",    "no",    "never", "cannot", "none",   "nothing", "neither",
                                         "nor",    "nicht", "kein",  "keine",  "keinen", "nie",     "pas",
                                         "jamais", "aucun", "nunca", "jamás",  "нет",    "не",      "никогда"};
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (static_cast<unsigned char>(c) >= 0x80 || std::isalpha(static_cast<unsigned char>(c))) {
      word += static_cast<char>(static_cast<unsigned char>(c) < 0x80 ? std::tolower(c) : c);
      continue;
    }
    if (std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords)) return true;
    word.clear();
  }
  return false;
}

struct Support {
  const Passage* passage = nullptr;
  Span quote;  // In the node's text.
};

// The sentence of a passage that a sentence of the answer, given without markers, can rest on.
std::optional<Support> InferSupport(std::span<const Passage> passages, std::string_view sentence) {
  const std::vector<std::string> words = InformativeWords(sentence);
  if (words.size() < kInferredWordsMin) return std::nullopt;
  std::vector<Support> supports;
  std::vector<std::string_view> texts;
  for (const Passage& passage : passages) {
    for (const Span& span : SentencesOf(passage.text())) {
      if (!IsProse(Slice(passage.text(), span), passage.hit->node.heading)) continue;
      supports.push_back({&passage, {passage.text_start + span.start, passage.text_start + span.end}});
      texts.push_back(Slice(passage.text(), span));
    }
  }
  const WordWeights weights(words, texts);
  const std::vector<std::string_view> numbers = Numbers(sentence);
  const bool denies = Denies(sentence);
  std::optional<Support> best;
  double best_coverage = 0;
  for (size_t i = 0; i < supports.size(); ++i) {
    const double coverage = weights.Coverage(texts[i]);
    if (coverage < kInferredCoverageMin || coverage <= best_coverage) continue;
    if (Denies(texts[i]) != denies || !HoldsNumbers(texts[i], numbers)) continue;
    best = supports[i];
    best_coverage = coverage;
  }
  return best;
}

}  // namespace

std::vector<Citation> CiteAnswer(std::string_view answer, std::span<const Passage> passages,
                                 const SourceSpanOf& source_span_of) {
  std::vector<Citation> citations;
  auto cite = [&](const Passage& passage, Span quote, bool inferred) {
    Citation citation = MakeCitation(passage.number, *passage.hit, quote, source_span_of);
    citation.inferred = inferred;
    for (Citation& known : citations) {
      if (known.marker != citation.marker || known.quote != citation.quote) continue;
      known.inferred = known.inferred && inferred;  // The model's own marker outweighs a guess.
      return;
    }
    citations.push_back(std::move(citation));
  };
  for (const AnswerSentence& sentence : ReadSentences(answer)) {
    const std::vector<std::string> words = InformativeWords(sentence.words);
    for (const int marker : sentence.markers) {
      if (marker < 1 || static_cast<size_t>(marker) > passages.size()) continue;
      const Passage& passage = passages[static_cast<size_t>(marker) - 1];
      cite(passage, BestQuote(passage, words), false);
    }
    if (!sentence.markers.empty()) continue;
    if (const auto support = InferSupport(passages, sentence.words)) cite(*support->passage, support->quote, true);
  }
  return citations;
}

namespace {

constexpr size_t kHeadBytes = 8;  // "[12] (" and a little more.

// A small model may recite the prompt: a passage's head "[1] (file)", or its quoted lines. That cites nothing.
bool RecitesPrompt(std::string_view answer) {
  for (size_t start = 0; start < answer.size();) {
    const size_t end = std::min(answer.find('\n', start), answer.size());
    const std::string_view line = answer.substr(start, end - start);
    if (line.starts_with("> ")) return true;
    const size_t digits = line.starts_with("[") ? line.find_first_not_of("0123456789", 1) : std::string_view::npos;
    if (digits != std::string_view::npos && line.substr(digits).starts_with("] (")) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace

Rests RestsOnPassages(std::string_view answer, bool whole) {
  if (RecitesPrompt(answer)) return Rests::kNo;
  // A line that begins with a marker may become such a head: what follows it decides.
  const std::string_view last_line = answer.substr(answer.rfind('\n') + 1);
  if (!whole && last_line.starts_with("[") && last_line.size() < kHeadBytes) return Rests::kOpen;
  const std::vector<AnswerSentence> sentences = ReadSentences(answer);
  for (size_t i = 0; i < std::min(sentences.size(), kCitedWithinSentences); ++i) {
    // A marker before any word stands for nothing yet.
    if (!sentences[i].markers.empty() && !sentences[i].words.empty()) return Rests::kYes;
  }
  return whole || sentences.size() > kCitedWithinSentences + 1 ? Rests::kNo : Rests::kOpen;
}

}  // namespace ragtime
