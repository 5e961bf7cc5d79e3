// SPDX-License-Identifier: Apache-2.0
#include "ingest/split/extracts.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "text/language.h"
#include "text/sentences.h"
#include "text/utf8.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kPhraseWordsMax = 4;
constexpr size_t kGramMax = 6;  // Characters of a Chinese keyword.

// Characters that no Chinese keyword begins or ends with.
constexpr std::u32string_view kChineseFunction =
    U"的了是在和与或及也就都而但被把对从到为以于之其这那此该不有个等请可会能要将并时中上下我你他她它们吗呢吧么着过很更"
    U"最还只又再如若则因所些各每让使得地";

std::string_view Beginning(std::string_view text) {
  return text.size() <= kExtractBytesMax ? text : text.substr(0, CharacterStart(text, kExtractBytesMax));
}

// Words that say nothing about what a text is about, as SplitWords gives them.
std::unordered_set<std::string> IdleWords(std::string_view text) {
  std::unordered_set<std::string> idle;
  const std::string language =
      DetectLanguage(text.substr(0, CharacterStart(text, std::min<size_t>(text.size(), 4096))));
  for (const std::string_view list : {std::string_view("en"), std::string_view(language)}) {
    for (const std::string_view phrase : FunctionWords(list)) {
      SplitWords(phrase, [&idle](std::string_view word) { idle.emplace(word); });
    }
  }
  return idle;
}

bool IsHan(char32_t c) { return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF); }

// A sentence as SplitWords sees it. Single Chinese characters are left out: their pairs say more.
std::vector<std::string> TellingWords(std::string_view sentence, const std::unordered_set<std::string>& idle) {
  std::vector<std::string> words;
  for (std::string& word : SplitWords(sentence)) {
    const DecodedCharacter first = DecodeUtf8(word, 0);
    if (first.size_bytes == word.size() || idle.contains(word)) continue;
    words.push_back(std::move(word));
  }
  return words;
}

std::string OnOneLine(std::string_view text) {
  std::string line;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter c = DecodeUtf8(text, i);
    if (!IsSpace(c.code_point)) {
      line += text.substr(i, c.size_bytes);
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
    i += c.size_bytes;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

// A word of RAKE, and whether it may go on the phrase before it.
struct Token {
  std::string text;
  bool breaks_before = false;
};

// Lower-case words of spaced scripts; Chinese and punctuation break a phrase.
std::vector<Token> SpacedWords(std::string_view text) {
  std::vector<Token> tokens;
  std::string word;
  bool breaks = true;
  const auto flush = [&] {
    while (!word.empty() && (word.back() == '-' || word.back() == '_' || word.back() == '.')) word.pop_back();
    if (!word.empty()) tokens.push_back({std::move(word), std::exchange(breaks, false)});
    word.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter c = DecodeUtf8(text, i);
    const std::string_view bytes = text.substr(i, c.size_bytes);
    i += c.size_bytes;
    const bool is_ascii = c.code_point < 0x80;
    const bool in_word = is_ascii ? std::isalnum(static_cast<unsigned char>(c.code_point)) != 0
                                  : c.code_point >= 0xC0 && c.code_point < 0x2000;
    // pg_dump, read-only and 15.4 are words; a full stop is not.
    const bool joins = !word.empty() && (c.code_point == '_' || c.code_point == '-' || c.code_point == '.') &&
                       i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
    if (in_word || joins) {
      if (is_ascii) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(c.code_point)));
      } else {
        word += bytes;
      }
      continue;
    }
    flush();
    if (c.code_point != ' ') breaks = true;
  }
  flush();
  return tokens;
}

struct Keyword {
  std::string text;
  double score = 0;
};

void AddPhrases(std::string_view text, const std::unordered_set<std::string>& idle, std::vector<Keyword>& keywords) {
  const std::vector<Token> tokens = SpacedWords(text);
  std::map<std::vector<std::string>, size_t> phrases;
  std::vector<std::string> phrase;
  const auto flush = [&] {
    if (!phrase.empty() && phrase.size() <= kPhraseWordsMax) ++phrases[phrase];
    phrase.clear();
  };
  for (const Token& token : tokens) {
    if (token.breaks_before) flush();
    const std::vector<std::string> words = SplitWords(token.text);
    const bool is_number =
        std::all_of(token.text.begin(), token.text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
    if (token.text.size() < 2 || is_number || words.empty() || idle.contains(words.front()) ||
        idle.contains(token.text)) {
      flush();
    } else {
      phrase.push_back(token.text);
    }
  }
  flush();
  std::unordered_map<std::string, std::pair<double, double>> words;  // Degree and frequency.
  for (const auto& [parts, times] : phrases) {
    for (const std::string& part : parts) {
      words[part].first += static_cast<double>(parts.size() * times);
      words[part].second += static_cast<double>(times);
    }
  }
  for (const auto& [parts, times] : phrases) {
    Keyword keyword;
    for (const std::string& part : parts) {
      keyword.text += (keyword.text.empty() ? "" : " ") + part;
      keyword.score += words[part].first / words[part].second;
    }
    // Long chains that stand once are rarely what a text is about.
    keyword.score *= std::log2(1 + static_cast<double>(times));
    keywords.push_back(std::move(keyword));
  }
}

void AddChinese(std::string_view text, std::vector<Keyword>& keywords) {
  std::map<std::u32string, size_t> grams;
  std::u32string run;
  const auto flush = [&] {
    for (size_t start = 0; start < run.size(); ++start) {
      if (kChineseFunction.find(run[start]) != std::u32string_view::npos) continue;
      for (size_t size = 2; size <= kGramMax && start + size <= run.size(); ++size) {
        if (kChineseFunction.find(run[start + size - 1]) != std::u32string_view::npos) continue;
        ++grams[run.substr(start, size)];
      }
    }
    run.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter c = DecodeUtf8(text, i);
    i += c.size_bytes;
    if (IsHan(c.code_point)) {
      run += c.code_point;
    } else {
      flush();
    }
  }
  flush();
  std::erase_if(grams, [](const auto& gram) { return gram.second < 2; });
  std::set<std::u32string> parts;
  for (const auto& [gram, times] : grams) {
    for (size_t start = 0; start < gram.size(); ++start) {
      for (size_t size = 2; size < gram.size() && start + size <= gram.size(); ++size) {
        const auto part = grams.find(gram.substr(start, size));
        if (part != grams.end() && part->second == times) parts.insert(part->first);
      }
    }
  }
  for (const auto& [gram, times] : grams) {
    if (parts.contains(gram)) continue;
    Keyword keyword;
    for (const char32_t c : gram) AppendUtf8(c, keyword.text);
    keyword.score = static_cast<double>(gram.size()) * std::log2(static_cast<double>(times));
    keywords.push_back(std::move(keyword));
  }
}

}  // namespace

std::string ExtractSummary(std::string_view text, size_t sentences) {
  text = Beginning(text);
  const std::unordered_set<std::string> idle = IdleWords(text);
  struct Sentence {
    std::string_view text;
    std::vector<std::string> words;
    bool taken = false;
  };
  std::vector<Sentence> all;
  std::unordered_map<std::string, double> weights;
  double total = 0;
  for (const Span& span : SplitSentences(text)) {
    Sentence sentence{text.substr(span.start, span.end - span.start), {}, false};
    sentence.words = TellingWords(sentence.text, idle);
    for (const std::string& word : sentence.words) weights[word] += 1;
    total += static_cast<double>(sentence.words.size());
    if (!sentence.words.empty()) all.push_back(std::move(sentence));
  }
  for (auto& [word, weight] : weights) weight /= total;
  for (size_t n = 0; n < std::min(sentences, all.size()); ++n) {
    Sentence* best = nullptr;
    double best_score = 0;
    for (Sentence& sentence : all) {
      if (sentence.taken) continue;
      double score = 0;
      for (const std::string& word : sentence.words) score += weights[word];
      // The mean alone would choose headings and one-word lines.
      score /= static_cast<double>(std::max<size_t>(sentence.words.size(), 6));
      if (best == nullptr || score > best_score) {
        best = &sentence;
        best_score = score;
      }
    }
    best->taken = true;
    for (const std::string& word : best->words) weights[word] *= weights[word];
  }
  std::string summary;
  for (const Sentence& sentence : all) {
    if (sentence.taken) summary += (summary.empty() ? "" : "\n") + OnOneLine(sentence.text);
  }
  return summary.empty() ? OnOneLine(text.substr(0, CharacterStart(text, std::min<size_t>(text.size(), 300))))
                         : summary;
}

std::vector<std::string> ExtractKeywords(std::string_view text, size_t count) {
  text = Beginning(text);
  std::vector<Keyword> keywords;
  AddPhrases(text, IdleWords(text), keywords);
  AddChinese(text, keywords);
  std::sort(keywords.begin(), keywords.end(), [](const Keyword& a, const Keyword& b) {
    return a.score != b.score ? a.score > b.score : a.text < b.text;
  });
  std::vector<std::string> result;
  for (Keyword& keyword : keywords) {
    if (result.size() == count) break;
    result.push_back(std::move(keyword.text));
  }
  return result;
}

}  // namespace ragtime
