// SPDX-License-Identifier: Apache-2.0
#include "query/conversation.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/str_cat.h"
#include "query/relevance.h"

namespace ragtime {
namespace {

// A question of before that is longer is taken as it was asked, without what it leant on itself.
constexpr size_t kStandaloneBytesMax = 400;
constexpr size_t kInformativeBesidePronoun = 3;

constexpr std::array<std::string_view, 14> kBeginnings = {"and ",       "but ",      "or ",       "so ", "then ",
                                                          "what about", "how about", "what else", "那",  "还有",
                                                          "另外",       "但",        "然后",      "再说"};
constexpr std::array<std::string_view, 15> kPronouns = {
    "it", "its", "they", "them", "their", "theirs", "this", "that", "these", "those", "he", "she", "him", "his", "her"};
constexpr std::array<std::string_view, 9> kChinesePronouns = {"它",   "他",   "她", "这个", "那个",
                                                              "这些", "那些", "其", "此"};

std::string LowerCase(std::string_view text) {
  std::string out(text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool HoldsPronoun(std::string_view lower) {
  for (const std::string_view pronoun : kChinesePronouns) {
    if (lower.find(pronoun) != std::string_view::npos) return true;
  }
  for (size_t start = 0; start < lower.size();) {
    size_t end = start;
    while (end < lower.size() && std::isalnum(static_cast<unsigned char>(lower[end])) != 0) ++end;
    const std::string_view word = lower.substr(start, end - start);
    if (std::find(kPronouns.begin(), kPronouns.end(), word) != kPronouns.end()) return true;
    start = end + 1;
  }
  return false;
}

// Words between blanks count one; a run of Chinese, which gives a pair for each two characters, counts half its pairs.
size_t InformativeCount(std::string_view question) {
  size_t words = 0;
  size_t pairs = 0;
  for (const std::string& word : InformativeWords(question))
    ++(static_cast<unsigned char>(word[0]) < 0x80 ? words : pairs);
  return words + (pairs + 1) / 2;
}

}  // namespace

bool LeansOnTheOneBefore(std::string_view question) {
  const std::string lower = LowerCase(question);
  for (const std::string_view beginning : kBeginnings) {
    if (lower.starts_with(beginning)) return true;
  }
  // "How long?": function words alone, which count as informative where there are no others.
  if (lower.starts_with("how ") && lower.find(' ', 4) == std::string::npos) return true;
  const size_t informative = InformativeCount(question);
  return informative <= 1 || (informative <= kInformativeBesidePronoun && HoldsPronoun(lower));
}

std::string StandaloneQuestion(std::string_view question, const Conversation& conversation) {
  if (conversation.turns.empty() || !LeansOnTheOneBefore(question)) return "";
  const Turn& before = conversation.turns.back();
  const std::string& words = before.standalone.size() <= kStandaloneBytesMax ? before.standalone : before.question;
  return StrCat(words, " ", question);
}

std::vector<ChatMessage> MessagesOf(const Conversation& conversation) {
  std::vector<ChatMessage> messages;
  for (const Turn& turn : conversation.turns) {
    messages.push_back({"user", turn.question});
    messages.push_back({"assistant", turn.answer});
  }
  return messages;
}

void CutConversation(size_t turns_max, size_t bytes_max, Conversation& conversation) {
  std::vector<Turn>& turns = conversation.turns;
  const auto size_of = [](const Turn& turn) {
    return turn.question.size() + turn.standalone.size() + turn.answer.size();
  };
  size_t bytes = 0;
  size_t kept = 0;
  for (; kept < std::min(turns.size(), turns_max); ++kept) {
    const size_t more = size_of(turns[turns.size() - 1 - kept]);
    if (bytes + more > bytes_max && kept > 0) break;
    bytes += more;
  }
  turns.erase(turns.begin(), turns.end() - static_cast<ptrdiff_t>(kept));
  if (turns.size() != 1 || bytes <= bytes_max) return;
  std::string& answer = turns[0].answer;
  const size_t excess = bytes - bytes_max;
  size_t end = answer.size() - std::min(answer.size(), excess);
  while (end > 0 && end < answer.size() && (static_cast<unsigned char>(answer[end]) & 0xC0) == 0x80) --end;
  answer.resize(end);
  if (size_of(turns[0]) > bytes_max) turns.clear();
}

}  // namespace ragtime
