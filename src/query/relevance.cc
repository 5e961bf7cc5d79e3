// SPDX-License-Identifier: Apache-2.0
#include "query/relevance.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "query/recall.h"
#include "text/language.h"
#include "text/words.h"

namespace ragtime {
namespace {

using WordSet = std::unordered_set<std::string>;

// The function words of a language with spaces, in the form in which the index knows words.
WordSet MakeStopWords(std::string_view language) {
  WordSet words;
  for (const std::string_view word : FunctionWords(language)) {
    SplitWords(word, [&words](std::string_view form) { words.emplace(form); });
  }
  return words;
}

const WordSet& StopWords(std::string_view language) {
  static const auto* const by_language = [] {
    auto* map = new std::unordered_map<std::string, WordSet>;
    for (const char* code : {"en", "de", "fr", "es"}) map->emplace(code, MakeStopWords(code));
    map->emplace("", WordSet());
    return map;
  }();
  const auto found = by_language->find(std::string(language));
  return found != by_language->end() ? found->second : by_language->at("");
}

// Chinese and Japanese put no spaces around "如何": phrases become spaces before the text is cut into words.
std::string BlankPhrases(std::string_view text, std::string_view language) {
  std::string out(text);
  if (language != "zh" && language != "ja") return out;
  for (const std::string_view phrase : FunctionWords(language)) {
    for (size_t at = out.find(phrase); at != std::string::npos; at = out.find(phrase, at + 1)) {
      out.replace(at, phrase.size(), 1, ' ');
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> InformativeWords(std::string_view text) {
  const std::string language = DetectLanguage(text);
  auto unique = [](std::vector<std::string> words, auto&& skip) {
    std::vector<std::string> kept;
    WordSet seen;
    for (std::string& word : words) {
      if (!skip(word) && seen.insert(word).second) kept.push_back(std::move(word));
    }
    return kept;
  };
  const WordSet& english = StopWords("en");
  const WordSet& own = StopWords(language);
  std::vector<std::string> words = unique(QueryWords(BlankPhrases(text, language)), [&](const std::string& word) {
    return english.contains(word) || own.contains(word);
  });
  if (words.empty()) words = unique(QueryWords(text), [](const std::string&) { return false; });
  return words;
}

WordWeights::WordWeights(std::span<const std::string> words, std::span<const std::string_view> texts) {
  for (const std::string& word : words) weights_.emplace(word, 0);
  for (const std::string_view text : texts) {
    std::unordered_set<const double*> counted;
    std::string key;
    SplitWords(text, [&](std::string_view word) {
      const auto found = weights_.find(key.assign(word));
      if (found != weights_.end() && counted.insert(&found->second).second) ++found->second;
    });
  }
  const auto count = static_cast<double>(texts.size());
  for (auto& [word, weight] : weights_) {
    weight = std::log(1 + (count + 1) / (weight + 1));
    total_ += weight;
  }
}

double WordWeights::Coverage(std::string_view text) const {
  if (weights_.empty()) return 0;
  double covered = 0;
  std::unordered_set<const double*> counted;
  std::string key;
  SplitWords(text, [&](std::string_view word) {
    const auto found = weights_.find(key.assign(word));
    if (found != weights_.end() && counted.insert(&found->second).second) covered += found->second;
  });
  return std::min(1.0, covered / total_);
}

Evidence MeasureEvidence(std::string_view question, std::span<const SearchHit> hits, Metric metric) {
  const RouteSpec vector{.name = kVectorRoute, .kind = RouteKind::kVector, .stored = metric, .shown = metric};
  return MeasureEvidence(question, hits, std::span(&vector, 1));
}

Evidence MeasureEvidence(std::string_view question, std::span<const SearchHit> hits, std::span<const RouteSpec> specs) {
  Evidence evidence;
  const std::vector<std::string> words = InformativeWords(question);
  evidence.words = words.size();
  // A heading says what the text below it is about, often in the question's own words.
  std::vector<std::string> texts;
  for (const SearchHit& hit : hits) {
    std::string text;
    for (const std::string& heading : hit.node.heading) text += heading + "\n";
    texts.push_back(text + hit.node.text);
    for (const RouteSpec& spec : specs) {
      const auto score = hit.scores.find(spec.name);
      if (spec.kind != RouteKind::kVector || score == hit.scores.end()) continue;
      const double cosine = ConvertScore(score->second, spec.shown, Metric::kCosine);
      evidence.best_cosine = std::max(evidence.best_cosine.value_or(-1), cosine);
    }
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const WordWeights weights(words, views);
  for (const std::string_view text : views) evidence.coverage = std::max(evidence.coverage, weights.Coverage(text));
  return evidence;
}

bool IsFound(const Evidence& evidence, double cosine_threshold) {
  if (!evidence.best_cosine) return evidence.coverage >= kCoverageFoundWithoutVectors;
  return *evidence.best_cosine + kCoverageWorth * evidence.coverage >= cosine_threshold;
}

}  // namespace ragtime
