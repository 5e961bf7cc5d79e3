// SPDX-License-Identifier: Apache-2.0
#include "query/similar_questions.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "text/utf8.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kRememberedMax = 1024;

using Tokens = std::vector<std::string>;
using WordMap = std::unordered_map<std::string_view, std::string_view>;
using WordSet = std::unordered_set<std::string_view>;

struct Replacement {
  std::string_view from;
  std::string_view to;
};

// Before a text is cut into words. Longer phrases first. "@..." is what is asked for, "" is a courtesy.
constexpr auto kPhrases = std::to_array<Replacement>({
    {"can't", " not "},
    {"cannot", " not "},
    {"n't ", " not "},
    {"'s ", " "},
    {"'re ", " "},
    {"'m ", " "},
    {"how many", " @many "},
    {"how much", " @many "},
    {"how long", " @long "},
    {"how often", " @often "},
    {"how far", " @far "},
    {"how big", " @big "},
    {"how large", " @big "},
    {"how old", " @old "},
    {"what time", " @when "},
    {"what is the way to", " @how "},
    {"what is the best way to", " @how "},
    {"what are the steps to", " @how "},
    {"what steps", " @how "},
    {"which steps", " @how "},
    {"what is the procedure for", " @how "},
    {"in what way", " @how "},
    {"what are the steps for", " @how "},
    {"could you tell me", " "},
    {"can you tell me", " "},
    {"would you tell me", " "},
    {"please tell me", " "},
    {"can you explain", " "},
    {"could you explain", " "},
    {"please explain", " "},
    {"i would like to know", " "},
    {"i want to know", " "},
    {"i need to know", " "},
    {"do you know", " "},
    {"is there a way to", " @how "},
    {"what do i have to do to", " @how "},
    {"what do i need to do to", " @how "},
    {"what must i do to", " @how "},
    {"what should i do to", " @how "},
    {"what can i do to", " @how "},
    {"tell me", " "},
    {"please", " "},
    {"the reason why", " @why "},
    {"what is the reason that", " @why "},
    {"for what reason", " @why "},
    {"how come", " @why "},
    {"at what time", " @when "},
    {"in which place", " @where "},
    {"请告诉我", ""},
    {"请问一下", ""},
    {"我想知道", ""},
    {"想请教一下", ""},
    {"你知道", ""},
    {"请问", ""},
    {"请教", ""},
    {"麻烦问下", ""},
    {"告诉我", ""},
    {"为什么", " @why "},
    {"为何", " @why "},
    {"为啥", " @why "},
    {"什么原因", " @why "},
    {"什么时候", " @when "},
    {"何时", " @when "},
    {"几点钟", " @when 点 "},
    {"几点", " @when 点 "},
    {"什么时间", " @when "},
    {"什么地方", " @where "},
    {"在哪里", " @where "},
    {"在哪儿", " @where "},
    {"哪里", " @where "},
    {"哪儿", " @where "},
    {"多长时间", " @long "},
    {"多久", " @long "},
    {"多少", " @many "},
    {"怎么办", " @how 办 "},
    {"用什么方法", " @how "},
    {"用什么办法", " @how "},
    {"有什么办法", " @how "},
    {"有什么方法", " @how "},
    {"应该怎么", " @how "},
    {"应该如何", " @how "},
    {"该怎么", " @how "},
    {"该如何", " @how "},
    {"要怎么", " @how "},
    {"要如何", " @how "},
    {"可以怎么", " @how "},
    {"可以如何", " @how "},
    {"怎么样才能", " @how "},
    {"怎样才能", " @how "},
    {"怎么才能", " @how "},
    {"如何才能", " @how "},
    {"怎么样", " @how "},
    {"怎么", " @how "},
    {"怎样", " @how "},
    {"如何", " @how "},
    {"的步骤是什么", " @how "},
    {"的方法是什么", " @how "},
    {"的步骤有哪些", " @how "},
    {"是什么意思", " @mean "},
    {"什么意思", " @mean "},
    {"是什么", " @what "},
    {"什么是", " @what "},
    {"有哪些", " @what "},
    {"哪些", " @what "},
    {"哪个", " @what "},
    {"什么", " @what "},
    {"谁", " @who "},
    {"能不能", " @can "},
    {"可不可以", " @can "},
    {"能否", " @can "},
    {"可否", " @can "},
    {"可以", " @can "},
    {"能够", " @can "},
    {"必须", " @must "},
    {"一定要", " @must "},
    {"应该", " @should "},
    {"应当", " @should "},
    {"是不是", ""},
    {"是否", ""},
    {"一下", ""},
    {"一个", ""},
    {"我们", ""},
    {"进行", ""},
    {"的", ""},
    {"吗", ""},
    {"呢", ""},
    {"呀", ""},
    {"啊", ""},
    {"了", ""},
    {"我", ""},
    {"您", ""},
    {"你", ""},
    {"把", ""},
    {"会", ""},
    {"是", ""},
    {"移除", "删除"},
    {"删掉", "删除"},
    {"去掉", "删除"},
    {"新建", "创建"},
    {"建立", "创建"},
    {"更改", "修改"},
    {"变更", "修改"},
    {"没有", " not "},
    {"不", " not "},
    {"没", " not "},
    {"未", " not "},
    {"无法", " not "},
    {"别", " not "},
    {"勿", " not "},
    {"非", " not "},
    {"零", "0"},
    {"两", "2"},
    {"一", "1"},
    {"二", "2"},
    {"三", "3"},
    {"四", "4"},
    {"五", "5"},
    {"六", "6"},
    {"七", "7"},
    {"八", "8"},
    {"九", "9"},
});

// What says nothing about what is asked for.
const WordSet& SilentWords() {
  static const auto* const words =
      new WordSet{"a",     "an",   "the", "do",  "does",    "did",    "i",     "you",  "we",    "me",    "my",
                  "your",  "our",  "us",  "is",  "are",     "was",    "were",  "be",   "been",  "am",    "it",
                  "there", "in",   "on",  "of",  "at",      "for",    "that",  "this", "these", "those", "will",
                  "would", "have", "has", "had", "someone", "people", "one's", "get",  "using", "with",  "to-be"};
  return *words;
}

const WordMap& Synonyms() {
  static const auto* const words = new WordMap{
      {"how", "@how"},       {"why", "@why"},        {"when", "@when"},     {"where", "@where"},   {"who", "@who"},
      {"what", "@what"},     {"which", "@what"},     {"can", "@can"},       {"could", "@can"},     {"may", "@can"},
      {"possible", "@can"},  {"able", "@can"},       {"allowed", "@can"},   {"permitted", "@can"}, {"must", "@must"},
      {"should", "@should"}, {"never", "not"},       {"no", "not"},         {"none", "not"},       {"one", "1"},
      {"two", "2"},          {"three", "3"},         {"four", "4"},         {"five", "5"},         {"six", "6"},
      {"seven", "7"},        {"eight", "8"},         {"nine", "9"},         {"ten", "10"},         {"eleven", "11"},
      {"twelve", "12"},      {"twenty", "20"},       {"hundred", "100"},    {"thousand", "1000"},  {"remove", "delete"},
      {"erase", "delete"},   {"removing", "delete"}, {"erasing", "delete"}, {"e-book", "ebook"},   {"e-books", "ebook"},
      {"ebooks", "ebook"},   {"repair", "fix"},      {"alter", "change"},   {"modify", "change"},  {"utilize", "use"},
      {"begin", "start"},    {"display", "show"},    {"picture", "image"},  {"pictures", "image"}, {"purchase", "buy"}};
  return *words;
}

// With "how", who may or should do it says nothing.
const WordSet& ModalTokens() {
  static const auto* const words = new WordSet{"@can", "@should", "@must", "能", "要"};
  return *words;
}

std::string Prepared(std::string_view question) {
  // A word in capitals is a name and no function word: "A" and "B", "IT", "US".
  std::string text(" ");
  for (size_t start = 0; start < question.size();) {
    size_t end = start;
    while (end < question.size() && std::isalpha(static_cast<unsigned char>(question[end])) != 0) ++end;
    const std::string_view word = question.substr(start, std::max<size_t>(1, end - start));
    for (const char c : word) text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool capitals = end > start && word != "I" && std::all_of(word.begin(), word.end(), [](char c) {
                            return std::isupper(static_cast<unsigned char>(c)) != 0;
                          });
    const bool whole = end >= question.size() || std::isdigit(static_cast<unsigned char>(question[end])) == 0;
    if (capitals && whole) text += '_';
    start += word.size();
  }
  text += ' ';
  const auto replace = [&text](std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  };
  replace("’", "'");
  replace("，", ", ");
  for (const Replacement& phrase : kPhrases) replace(phrase.from, phrase.to);
  return text;
}

bool IsWordByte(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '@'; }

// A run of letters and digits with what joins them inside ("pg_dump", "15.4", "read-only"), or one Han character.
// "," is a token of its own.
Tokens Cut(const std::string& text) {
  Tokens tokens;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (IsWordByte(c)) {
      size_t end = at + 1;
      while (end < text.size() &&
             (IsWordByte(text[end]) || (std::string_view(".-+#/:").find(text[end]) != std::string_view::npos &&
                                        end + 1 < text.size() && IsWordByte(text[end + 1])))) {
        ++end;
      }
      // "c++", "c#" and "-5" are other names and numbers than "c" and "5".
      while (end < text.size() && (text[end] == '+' || text[end] == '#' || text[end] == '%')) ++end;
      const bool negative = at > 0 && text[at - 1] == '-' && std::isdigit(static_cast<unsigned char>(c)) != 0;
      tokens.push_back((negative ? "-" : "") + text.substr(at, end - at));
      at = end;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      const size_t size = DecodeUtf8(text, at).size_bytes;
      const std::string character = text.substr(at, size);
      // A letter with an accent goes on with its word.
      if (!tokens.empty() && !IsCjk(DecodeUtf8(text, at).code_point) && at > 0 && IsWordByte(text[at - 1])) {
        tokens.back() += character;
      } else {
        tokens.push_back(character);
      }
      at += size;
    } else {
      if (c == ',') tokens.emplace_back(",");
      ++at;
    }
  }
  return tokens;
}

// The stem of an English word; names and numbers as they are.
std::string Stem(const std::string& word) {
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!plain) return word;
  const std::vector<std::string> words = SplitWords(word);
  return words.empty() ? word : words.front();
}

Tokens Canonical(std::string_view question) {
  Tokens tokens = Cut(Prepared(question));
  // "In PostgreSQL, how ..." -> "how ... PostgreSQL".
  static const WordSet leading{"in", "on", "for", "with", "using", "under", "at", "when", "if", "在"};
  const auto comma = std::find(tokens.begin(), tokens.end(), ",");
  if (comma != tokens.end() && leading.contains(tokens.front())) std::rotate(tokens.begin(), comma, tokens.end());
  const bool how = std::find(tokens.begin(), tokens.end(), "@how") != tokens.end() ||
                   std::find(tokens.begin(), tokens.end(), "how") != tokens.end();
  Tokens out;
  std::string asked;  // Where it stands in the sentence says nothing.
  for (const std::string& token : tokens) {
    if (token == "," || SilentWords().contains(token)) continue;
    const auto synonym = Synonyms().find(token);
    std::string word = synonym == Synonyms().end() ? token : std::string(synonym->second);
    if (how && (ModalTokens().contains(word) || word == "to")) continue;
    if (word[0] == '@') {
      asked += word;
    } else {
      out.push_back(Stem(word));
    }
  }
  out.insert(out.begin(), asked);
  return out;
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return -1;
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace

bool SayTheSame(std::string_view a, std::string_view b) {
  const Tokens first = Canonical(a);
  return first.size() > 1 && first == Canonical(b);
}

void SimilarQuestions::Remember(AnsweredQuestion question) {
  std::lock_guard lock(mutex_);
  questions_.push_back(std::move(question));
  if (questions_.size() > kRememberedMax) questions_.pop_front();
}

std::optional<AnsweredQuestion> SimilarQuestions::Find(const NewQuestion& question) const {
  if (question.nodes.empty() || question.vector.empty()) return std::nullopt;
  std::lock_guard lock(mutex_);
  const AnsweredQuestion* best = nullptr;
  double best_cosine = question.min_cosine;
  for (const AnsweredQuestion& answered : questions_) {
    if (answered.scope != question.scope || answered.best_node != question.nodes.front()) continue;
    const double cosine = Cosine(answered.vector, question.vector);
    const auto found = [&question](NodeId node) {
      return std::find(question.nodes.begin(), question.nodes.end(), node) != question.nodes.end();
    };
    if (cosine < best_cosine || !std::all_of(answered.quoted_nodes.begin(), answered.quoted_nodes.end(), found))
      continue;
    if (!SayTheSame(answered.question, question.question)) continue;
    best = &answered;
    best_cosine = cosine;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

}  // namespace ragtime
