// SPDX-License-Identifier: Apache-2.0
#include "text/language.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "text/utf8.h"

namespace ragtime {
namespace {

using std::string_view;

constexpr std::array kEnglish = std::to_array<string_view>(
    {"a",      "about",   "after",   "all",  "also",  "am",      "an",   "and",   "any",    "are",    "as",    "at",
     "be",     "been",    "but",     "by",   "can",   "could",   "did",  "do",    "does",   "doing",  "for",   "from",
     "get",    "give",    "had",     "has",  "have",  "he",      "her",  "his",   "how",    "i",      "if",    "in",
     "into",   "is",      "it",      "its",  "just",  "let",     "may",  "me",    "might",  "much",   "many",  "must",
     "my",     "no",      "not",     "of",   "on",    "one",     "or",   "our",   "out",    "please", "shall", "she",
     "should", "so",      "some",    "tell", "than",  "that",    "the",  "their", "them",   "then",   "there", "these",
     "they",   "this",    "those",   "to",   "up",    "us",      "was",  "way",   "we",     "were",   "what",  "when",
     "where",  "which",   "while",   "who",  "whose", "why",     "will", "with",  "would",  "you",    "your",  "mean",
     "means",  "happens", "explain", "need", "want",  "between", "long", "often", "without"});
constexpr std::array kGerman = std::to_array<string_view>(
    {"aber", "als",   "auf",   "aus",   "bei",   "das",  "dass",   "dem",     "den",     "der",  "des",  "die",
     "ein",  "eine",  "einem", "einen", "einer", "für",  "gibt",   "hat",     "ich",     "im",   "ist",  "kann",
     "man",  "mein",  "meine", "mit",   "muss",  "nach", "nicht",  "oder",    "sich",    "sind", "soll", "um",
     "und",  "unter", "von",   "wann",  "warum", "was",  "welche", "welcher", "welches", "wenn", "wer",  "werden",
     "wie",  "wir",   "wird",  "wo",    "zu",    "zum",  "zur",    "über"});
constexpr std::array kFrench = std::to_array<string_view>(
    {"au",   "aux",  "avec",     "ce",    "ces",  "cette", "comment", "combien", "dans",  "de",  "des",
     "du",   "elle", "est",      "et",    "faut", "il",    "je",      "la",      "le",    "les", "leur",
     "ma",   "mais", "mes",      "mon",   "ne",   "nous",  "on",      "ou",      "où",    "par", "pas",
     "peut", "pour", "pourquoi", "quand", "que",  "quel",  "quelle",  "quelles", "quels", "qui", "quoi",
     "sans", "se",   "ses",      "son",   "sont", "sur",   "un",      "une",     "vous"});
constexpr std::array kSpanish = std::to_array<string_view>(
    {"al",   "como", "con",   "cual",  "cuál",  "cuando", "cuándo", "cuánto", "cuántos", "cómo",
     "de",   "del",  "desde", "donde", "dónde", "el",     "en",     "entre",  "es",      "esta",
     "este", "está", "hay",   "la",    "las",   "lo",     "los",    "mi",     "más",     "no",
     "o",    "para", "pero",  "por",   "puedo", "que",    "quién",  "qué",    "se",      "ser",
     "si",   "sin",  "sobre", "son",   "su",    "sus",    "un",     "una",    "y"});
// Known only so that they are not taken for their neighbours above.
constexpr std::array kItalian = std::to_array<string_view>(
    {"che",    "chi",   "come",  "con",   "cosa",   "dei", "del",  "della", "delle", "di",  "dove",
     "gli",    "i",     "il",    "in",    "la",     "le",  "lo",   "nel",   "nella", "non", "per",
     "perché", "posso", "quale", "quali", "quando", "si",  "sono", "un",    "una",   "uno", "è"});
constexpr std::array kPortuguese = std::to_array<string_view>(
    {"a",     "ao",   "as",    "com",    "como", "da",   "de",  "do", "dos",  "e",   "em",
     "eu",    "não",  "na",    "no",     "o",    "onde", "os",  "ou", "para", "por", "porque",
     "posso", "qual", "quais", "quando", "que",  "se",   "são", "um", "uma",  "é"});
constexpr std::array kDutch = std::to_array<string_view>(
    {"aan", "als",  "de",   "dit",    "dat",     "een",  "en",    "er",   "het",   "hoe", "hoeveel", "ik",
     "in",  "is",   "kan",  "maar",   "met",     "mijn", "naar",  "niet", "of",    "om",  "op",      "te",
     "van", "voor", "waar", "waarom", "wanneer", "wat",  "welke", "wie",  "wordt", "zijn"});
// The longer phrases first, so that "为什么" is not left as "为".
constexpr std::array kChinese = std::to_array<string_view>(
    {"是什么意思", "有什么用", "请告诉我", "为什么",   "是什么", "怎么样", "怎么办", "有哪些", "是多少", "多长时间",
     "能不能",     "可不可以", "是不是",   "什么时候", "什么",   "怎么",   "怎样",   "如何",   "为何",   "是否",
     "哪些",       "哪个",     "哪里",     "哪儿",     "多少",   "多久",   "请问",   "可以",   "应该",   "需要",
     "我们",       "你们",     "他们",     "我",       "你",     "吗",     "呢",     "吧",     "的",     "了",
     "这个",       "那个",     "一个",     "之间",     "以及",   "并且"});
constexpr std::array kJapanese = std::to_array<string_view>(
    {"どのように", "どうやって", "どうすれば", "教えてください", "何ですか", "でしょうか", "ですか", "ますか", "なぜ",
     "どこ", "いつ", "とは", "する", "した", "して", "ください"});

constexpr bool IsLatinLetter(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) ||
         (c >= 0x1E00 && c <= 0x1EFF);
}

constexpr char32_t Lower(char32_t c) {
  const bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7);
  return upper ? c + 0x20 : c;
}

// What a text is made of, counted in one pass.
struct Profile {
  size_t han = 0, kana = 0, hangul = 0, cyrillic = 0, arabic = 0, other = 0;
  bool foreign_cyrillic = false;  // A letter that Russian has not: Ukrainian, Serbian, Kazakh ...
  bool foreign_arabic = false;    // A letter that Arabic has not: Persian, Urdu ...
  bool ascii = true;
  std::vector<std::string> latin_words;  // Lower case.
};

void CountLetter(char32_t c, Profile& profile) {
  if ((c >= 0x3041 && c <= 0x30FF && c != 0x30FB) || (c >= 0x31F0 && c <= 0x31FF) || (c >= 0xFF66 && c <= 0xFF9F)) {
    ++profile.kana;
  } else if ((c >= 0xAC00 && c <= 0xD7FF) || (c >= 0x1100 && c <= 0x11FF) || (c >= 0x3131 && c <= 0x318E)) {
    ++profile.hangul;
  } else if (IsCjk(c)) {
    ++profile.han;
  } else if (c >= 0x400 && c <= 0x52F) {
    ++profile.cyrillic;
    profile.foreign_cyrillic |= !((c >= 0x410 && c <= 0x44F) || c == 0x401 || c == 0x451);
  } else if (c >= 0x621 && c <= 0x6D3) {
    ++profile.arabic;
    profile.foreign_arabic |= c >= 0x671;
  } else if ((c >= 0x370 && c <= 0x3FF) || (c >= 0x530 && c <= 0x5FF) || (c >= 0x900 && c <= 0x10FF)) {
    ++profile.other;
  }
}

Profile MeasureText(string_view text) {
  Profile profile;
  std::string word;
  for (size_t i = 0; i <= text.size();) {
    const DecodedCharacter character = i < text.size() ? DecodeUtf8(text, i) : DecodedCharacter{0, 1, true};
    i += character.size_bytes;
    if (character.valid && IsLatinLetter(character.code_point)) {
      profile.ascii &= character.code_point < 0x80;
      AppendUtf8(Lower(character.code_point), word);
      continue;
    }
    if (!word.empty()) profile.latin_words.push_back(std::move(word));
    word.clear();
    if (character.valid) CountLetter(character.code_point, profile);
  }
  return profile;
}

size_t CountKnown(const std::vector<std::string>& words, std::span<const string_view> list) {
  return static_cast<size_t>(std::count_if(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  }));
}

struct LatinGuess {
  string_view language;
  size_t function_words = 0;
};

LatinGuess GuessLatin(const std::vector<std::string>& words) {
  struct Candidate {
    string_view language;
    std::span<const string_view> list;
  };
  // An equal count goes to the one named first.
  const Candidate candidates[] = {{"en", kEnglish}, {"de", kGerman},   {"fr", kFrench}, {"es", kSpanish},
                                  {"", kItalian},   {"", kPortuguese}, {"", kDutch}};
  LatinGuess best;
  for (const Candidate& candidate : candidates) {
    const size_t count = CountKnown(words, candidate.list);
    if (count > best.function_words) best = {candidate.language, count};
  }
  return best;
}

}  // namespace

std::string DetectLanguage(string_view text) {
  const Profile profile = MeasureText(text);
  const LatinGuess latin = GuessLatin(profile.latin_words);
  const size_t cjk = profile.han + profile.kana + profile.hangul;
  const size_t letters = cjk + profile.cyrillic + profile.arabic + profile.other;
  // Two function words make a sentence; a name such as "The Art of SQL" inside a longer Chinese question does not.
  if (letters > 0 && !(latin.function_words >= 2 && profile.latin_words.size() > letters)) {
    const size_t most = std::max({cjk, profile.cyrillic, profile.arabic, profile.other});
    if (most == cjk) return profile.hangul > profile.han + profile.kana ? "ko" : profile.kana > 0 ? "ja" : "zh";
    if (most == profile.cyrillic) return profile.foreign_cyrillic ? "" : "ru";
    if (most == profile.arabic) return profile.foreign_arabic ? "" : "ar";
    return "";
  }
  if (latin.function_words > 0) return std::string(latin.language);
  constexpr size_t kKeywordsMax = 3;
  const bool keywords = !profile.latin_words.empty() && profile.latin_words.size() <= kKeywordsMax && profile.ascii;
  return keywords ? "en" : "";
}

std::span<const string_view> FunctionWords(string_view language) {
  if (language == "en") return kEnglish;
  if (language == "de") return kGerman;
  if (language == "fr") return kFrench;
  if (language == "es") return kSpanish;
  if (language == "zh") return kChinese;
  if (language == "ja") return kJapanese;
  return {};
}

}  // namespace ragtime
