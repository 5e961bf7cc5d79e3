// SPDX-License-Identifier: Apache-2.0
#include "query/answer/extract.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "base/str_cat.h"
#include "query/relevance.h"
#include "text/utf8.h"
#include "text/words.h"

namespace ragtime {
namespace {

// Shares of a sentence's score; they add up to 1. Words first: the cosines of single sentences lie close together.
constexpr double kCoverageShare = 0.5;
constexpr double kCosineShare = 0.35;
constexpr double kRankShare = 0.15;
// Of the words that only the headings above a sentence hold, so much counts.
constexpr double kHeadingShare = 0.4;
// Cosines are stretched over their range among the candidates, but over no less than this: noise is not evidence.
constexpr double kCosineRangeMin = 0.08;
// Further sentences must reach this share of the best one's score.
constexpr double kFurtherShare = 0.8;
// Two sentences sharing this share of their words say the same.
constexpr double kSameShare = 0.75;
// "The following options are known:" promises what does not follow.
constexpr double kColonPenalty = 0.2;
constexpr size_t kSentenceBytesMax = 1200;

struct Candidate {
  const Passage* passage = nullptr;
  size_t rank = 0;  // Of the passage, from 0.
  Span span;        // In the node's text.
  std::string_view text;
  std::string_view table_head;  // Of a table's row: the row that names its columns.
  double coverage = 0;
  double cosine = 0;  // Stretched to 0 ... 1.
  double score = 0;
};

bool EndsWithAny(std::string_view text, std::span<const std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return text.ends_with(ending); });
}

std::string_view WithoutClosers(std::string_view text) {
  constexpr std::array<std::string_view, 8> kClosers = {"\"", "'", ")", "”", "’", "」", "）", "*"};
  for (bool again = true; again && !text.empty();) {
    again = false;
    for (const std::string_view closer : kClosers) {
      if (text.ends_with(closer)) {
        text.remove_suffix(closer.size());
        again = true;
      }
    }
  }
  return text;
}

struct CharacterCounts {
  size_t visible = 0, letters = 0, cjk = 0, symbols = 0, words = 0;
};

CharacterCounts CountCharacters(std::string_view text) {
  constexpr std::string_view kCodeSymbols = "{}[]<>=;$|\\/_#&@^~`%+*";
  CharacterCounts counts;
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    const char32_t c = character.code_point;
    i += character.size_bytes;
    const bool space = IsSpace(c);
    if (!space && !in_word) ++counts.words;
    in_word = !space;
    if (space) continue;
    ++counts.visible;
    if (IsCjk(c)) ++counts.cjk;
    if ((c < 0x80 && std::isalpha(static_cast<int>(c))) || (c >= 0xC0 && !(c >= 0x2000 && c <= 0x303F)))
      ++counts.letters;
    if (c < 0x80 && kCodeSymbols.find(static_cast<char>(c)) != std::string_view::npos) ++counts.symbols;
  }
  return counts;
}

// One space for each run of white space, none between CJK characters that a line break parted.
std::string OneLine(std::string_view text) {
  std::string out;
  char32_t previous = 0;
  bool space = false;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    if (IsSpace(character.code_point)) {
      space = true;
    } else {
      const bool joined = (IsCjk(previous) || (previous >= 0x3000 && previous <= 0x303F) || previous >= 0xFF00) &&
                          (IsCjk(character.code_point) || character.code_point >= 0xFF00);
      if (space && !out.empty() && !joined) out += ' ';
      space = false;
      previous = character.code_point;
      out.append(text, i, character.size_bytes);
    }
    i += character.size_bytes;
  }
  return out;
}

enum class TableLine { kNone, kRule, kRow };

// "| Books | 20 |" and "Books | 20" are rows, "|---|---|" is a rule.
TableLine TableLineOf(std::string_view text) {
  size_t cells = 0;
  bool only_rule = true;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find('|', start), text.size());
    const std::string_view cell = text.substr(start, end - start);
    if (cell.find_first_not_of(" \t") != std::string_view::npos) ++cells;
    if (cell.find_first_not_of(" \t-:=") != std::string_view::npos) only_rule = false;
    start = end + 1;
  }
  if (cells == 0 || (!text.starts_with('|') && text.find(" | ") == std::string_view::npos)) return TableLine::kNone;
  if (only_rule) return TableLine::kRule;
  return cells >= 2 ? TableLine::kRow : TableLine::kNone;
}

bool IsShortEnough(std::string_view text) { return text.size() <= kSentenceBytesMax; }

std::vector<Candidate> CollectCandidates(std::span<const Passage> passages) {
  std::vector<Candidate> prose;
  std::vector<Candidate> others;
  for (size_t rank = 0; rank < passages.size(); ++rank) {
    const Passage& passage = passages[rank];
    std::string_view table_head;
    for (const Span& sentence : SentencesOf(passage.text())) {
      Candidate candidate{.passage = &passage, .rank = rank};
      candidate.span = {passage.text_start + sentence.start, passage.text_start + sentence.end};
      candidate.text = Slice(passage.text(), sentence);
      const TableLine table_line = TableLineOf(candidate.text);
      if (table_line == TableLine::kRule) continue;
      if (table_line == TableLine::kRow && IsShortEnough(candidate.text)) {
        // The first row of a table names the columns and says nothing by itself.
        if (table_head.empty()) {
          table_head = candidate.text;
          others.push_back(candidate);
        } else {
          candidate.table_head = table_head;
          prose.push_back(candidate);
        }
        continue;
      }
      table_head = {};
      (IsProse(candidate.text, passage.hit->node.heading) ? prose : others).push_back(candidate);
    }
  }
  return prose.empty() ? others : prose;
}

void ScoreCoverage(const std::string& question, std::vector<Candidate>& candidates) {
  std::vector<std::string_view> texts;
  for (const Candidate& candidate : candidates) texts.push_back(candidate.text);
  const std::vector<std::string> words = InformativeWords(question);
  const WordWeights weights(words, texts);
  for (Candidate& candidate : candidates) {
    const double alone = weights.Coverage(candidate.text);
    std::string with_heading(candidate.text);
    for (const std::string& heading : candidate.passage->hit->node.heading) with_heading += "\n" + heading;
    with_heading += StrCat("\n", candidate.table_head);
    candidate.coverage = alone + kHeadingShare * (weights.Coverage(with_heading) - alone);
  }
}

double WordsAndRank(const Candidate& candidate) {
  const double penalty = candidate.text.ends_with(':') || candidate.text.ends_with("：") ? kColonPenalty : 0;
  return kCoverageShare * candidate.coverage + kRankShare / static_cast<double>(1 + candidate.rank) - penalty;
}

// Best first; of equal ones the better passage, then the earlier sentence.
void SortByScore(std::vector<Candidate>& candidates) {
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.rank != b.rank ? a.rank < b.rank : a.span.start < b.span.start;
  });
}

// Gives the candidates their cosines to the question, stretched; leaves them at 0 on failure.
Status ScoreCosine(const ExtractRequest& request, std::vector<Candidate>& candidates) {
  std::vector<std::string> texts;
  for (const Candidate& candidate : candidates) texts.push_back(OneLine(candidate.text));
  Result<std::vector<float>> vectors = request.embedder->Embed(request.context, texts, TextKind::kPassage);
  if (!vectors.ok()) return vectors.status();
  const size_t dimension = request.query_vector.size();
  if (vectors->size() != texts.size() * dimension)
    return InternalError("the embedding model gave vectors of another size");
  double low = 1, high = -1;
  for (size_t i = 0; i < candidates.size(); ++i) {
    double cosine = 0;
    for (size_t d = 0; d < dimension; ++d) cosine += double{request.query_vector[d]} * (*vectors)[i * dimension + d];
    candidates[i].cosine = std::isfinite(cosine) ? cosine : -1;
    low = std::min(low, candidates[i].cosine);
    high = std::max(high, candidates[i].cosine);
  }
  low = std::min(low, high - kCosineRangeMin);
  for (Candidate& candidate : candidates) candidate.cosine = (candidate.cosine - low) / (high - low);
  return Status();
}

bool SaysTheSame(const Candidate& a, const Candidate& b) {
  const std::vector<std::string> words_a = SplitWords(a.text);
  const std::vector<std::string> words_b = SplitWords(b.text);
  const std::unordered_set<std::string_view> set_a(words_a.begin(), words_a.end());
  const std::unordered_set<std::string_view> set_b(words_b.begin(), words_b.end());
  const auto shared =
      std::count_if(set_a.begin(), set_a.end(), [&](std::string_view word) { return set_b.contains(word); });
  return static_cast<double>(shared) >= kSameShare * static_cast<double>(std::min(set_a.size(), set_b.size()));
}

// The best sentence and what comes near it, in the order of their passages and there of the text.
std::vector<Candidate> Choose(const std::vector<Candidate>& sorted) {
  std::vector<Candidate> chosen;
  for (const Candidate& candidate : sorted) {
    if (chosen.size() == kExtractSentencesMax) break;
    if (!chosen.empty() && candidate.score < kFurtherShare * chosen.front().score) break;
    const bool repeats =
        std::any_of(chosen.begin(), chosen.end(), [&](const Candidate& c) { return SaysTheSame(c, candidate); });
    if (!repeats) chosen.push_back(candidate);
  }
  std::vector<size_t> order;  // Ranks of passages, by their best sentence.
  for (const Candidate& candidate : chosen) {
    if (std::find(order.begin(), order.end(), candidate.rank) == order.end()) order.push_back(candidate.rank);
  }
  std::stable_sort(chosen.begin(), chosen.end(), [&](const Candidate& a, const Candidate& b) {
    if (a.rank == b.rank) return a.span.start < b.span.start;
    return std::find(order.begin(), order.end(), a.rank) < std::find(order.begin(), order.end(), b.rank);
  });
  return chosen;
}

}  // namespace

bool IsProse(std::string_view sentence, std::span<const std::string> heading) {
  constexpr std::array<std::string_view, 2> kQuestionMarks = {"?", "？"};
  constexpr std::array<std::string_view, 9> kEnds = {".", "!", "…", "。", "！", "；", ";", ":", "："};
  const CharacterCounts counts = CountCharacters(sentence);
  if (!IsShortEnough(sentence)) return false;
  // Too short to say anything: "Next.", "See below.", "见下文。"
  if (counts.cjk > 0 ? counts.visible < 8 : counts.words < 4) return false;
  const std::string_view core = WithoutClosers(sentence);
  if (EndsWithAny(core, kQuestionMarks)) return false;
  if (sentence.starts_with('#')) return false;
  if (std::any_of(heading.begin(), heading.end(), [&](const std::string& title) { return title == sentence; }))
    return false;
  // Code and navigation: many symbols, few letters.
  if (counts.symbols * 8 > counts.visible || counts.letters * 10 < counts.visible * 6) return false;
  // Without an end it is a heading, a menu or a table cell, unless it is long enough for a sentence of a list.
  if (EndsWithAny(core, kEnds)) return true;
  return counts.cjk > 0 ? counts.visible >= 16 : counts.words >= 9;
}

Extract ExtractAnswer(const ExtractRequest& request) {
  Extract extract;
  std::vector<Candidate> candidates = CollectCandidates(request.passages);
  if (candidates.empty()) return extract;
  ScoreCoverage(request.question, candidates);
  for (Candidate& candidate : candidates) candidate.score = WordsAndRank(candidate);
  SortByScore(candidates);
  if (!request.query_vector.empty() && request.embedder != nullptr) {
    if (candidates.size() > kExtractEmbeddedMax) candidates.resize(kExtractEmbeddedMax);
    extract.embedding = ScoreCosine(request, candidates);
    for (Candidate& candidate : candidates) candidate.score = WordsAndRank(candidate) + kCosineShare * candidate.cosine;
    SortByScore(candidates);
  }
  std::vector<size_t> numbering;  // Ranks of the passages used; the index is the marker less one.
  for (const Candidate& candidate : Choose(candidates)) {
    auto known = std::find(numbering.begin(), numbering.end(), candidate.rank);
    if (known == numbering.end()) known = numbering.insert(known, candidate.rank);
    const int marker = static_cast<int>(known - numbering.begin()) + 1;
    extract.citations.push_back(MakeCitation(marker, *candidate.passage->hit, candidate.span, request.source_span_of));
    extract.pieces.push_back(
        StrCat(extract.pieces.empty() ? "" : " ", OneLine(NeutraliseMarkers(candidate.text)), " [", marker, "]"));
    extract.text += extract.pieces.back();
  }
  return extract;
}

}  // namespace ragtime
