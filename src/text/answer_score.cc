// SPDX-License-Identifier: Apache-2.0
#include "text/answer_score.h"

#include <algorithm>
#include <set>
#include <string>

#include "text/words.h"

namespace ragtime {
namespace {

// Words of questions and of all English that say nothing of what is asked.
constexpr std::string_view kSayNothing =
    "about and are but can does explain for from has have how into its may more need not one said such than that the "
    "then there these they this used was what when which will with work you your";

std::set<std::string> AllWords(std::string_view text) {
  const std::vector<std::string> words = QueryWords(text);
  return {words.begin(), words.end()};
}

std::set<std::string> WordsOf(std::string_view text) {
  static const std::set<std::string> kIgnored = AllWords(kSayNothing);
  constexpr size_t kLettersMin = 3;  // In UTF-8 also a character of Chinese.
  std::set<std::string> words = AllWords(text);
  std::erase_if(words, [](const std::string& word) {
    const bool is_number = std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    return is_number || word.size() < kLettersMin || kIgnored.contains(word);
  });
  return words;
}

// Of the words of `wanted`, the share that is in `found`.
std::optional<double> Share(const std::set<std::string>& wanted, const std::set<std::string>& found) {
  if (wanted.empty()) return std::nullopt;
  const auto count =
      std::count_if(wanted.begin(), wanted.end(), [&](const auto& word) { return found.contains(word); });
  return static_cast<double>(count) / static_cast<double>(wanted.size());
}

}  // namespace

AnswerScore ScoreAnswer(std::string_view answer, std::string_view question, std::string_view passages) {
  const std::set<std::string> answered = WordsOf(answer);
  return {.from_passages = Share(answered, WordsOf(passages)), .on_topic = Share(WordsOf(question), answered)};
}

}  // namespace ragtime
