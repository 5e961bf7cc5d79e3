// SPDX-License-Identifier: Apache-2.0
#include "text/words.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "text/chinese_dictionary.h"
#include "text/english_stemmer.h"
#include "text/fold_case.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

using OnWord = std::function<void(std::string_view)>;

enum class CjkWords { kCharactersAndPairs, kPairs, kCharacters };

enum AsciiClass : uint8_t { kOther = 0, kLower = 1, kUpper = 2, kDigit = 4, kUnderscore = 8, kJoiner = 16 };

constexpr std::array<uint8_t, 128> MakeAsciiClasses() {
  std::array<uint8_t, 128> classes{};
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = kLower;
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] = kUpper;
  for (int c = '0'; c <= '9'; ++c) classes[c] = kDigit;
  classes['_'] = kUnderscore;
  for (const char c : {'.', '-', '/', '\\', ':', '\'', '@'}) classes[static_cast<unsigned char>(c)] = kJoiner;
  return classes;
}
constexpr std::array<uint8_t, 128> kAsciiClasses = MakeAsciiClasses();

uint8_t ClassOf(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x80 ? kAsciiClasses[byte] : static_cast<uint8_t>(kOther);
}
bool IsAsciiAlnum(char c) { return (ClassOf(c) & (kLower | kUpper | kDigit)) != 0; }

// Scripts that put no spaces between words.
bool IsSpaceless(char32_t c) {
  return IsCjk(c) || (c >= 0x0E01 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17DD);
}

bool IsWordCharacter(char32_t c) {
  if (c < 0x80) return IsAsciiAlnum(static_cast<char>(c));
  const uint32_t mask = U_GET_GC_MASK(static_cast<UChar32>(c));
  return (mask & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)) != 0;
}

// Characters that show nothing, such as a soft hyphen or a variation selector, do not end a word; case folding drops
// them. The zero width space is the exception: it is there to separate words.
bool IsInvisible(char32_t c) {
  return c >= 0x80 && c != 0x200B && u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

// Splits one text. Not more than one call at a time.
class Splitter {
 public:
  // With `placed`, words go there with their places, and not to `on_word`.
  Splitter(CjkWords cjk_words, const OnWord& on_word, const ChineseDictionary* dictionary = nullptr,
           std::vector<PlacedWord>* placed = nullptr)
      : cjk_words_(cjk_words),
        on_word_(on_word),
        dictionary_(dictionary),
        placed_(placed),
        stemmer_(EnglishStemmer::OfThread()) {}

  void Split(std::string_view text) {
    while (!text.empty()) {
      const size_t size = PieceSize(text);
      const std::string_view piece = text.substr(0, size);
      text.remove_prefix(size);
      if (IsAscii(piece)) {
        SplitPiece(piece);
      } else {
        std::string normalized = ComposeCompatible(piece);
        ReplacePunctuation(normalized);
        SplitPiece(normalized);
      }
    }
  }

 private:
  // ICU counts in 32 bits, and a huge text needs no huge copy: pieces of at most 1 MiB, cut at a space where one is
  // near.
  static size_t PieceSize(std::string_view text) {
    constexpr size_t kPieceSizeMax = size_t{1} << 20;
    if (text.size() <= kPieceSizeMax) return text.size();
    const size_t space = text.find_last_of(" \n\t", kPieceSizeMax - 1);
    if (space != std::string_view::npos && space > kPieceSizeMax / 2) return space + 1;
    size_t cut = kPieceSizeMax;
    for (int i = 0; i < 3 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80; ++i) --cut;
    return cut;
  }

  // The typographic apostrophe and hyphen mean what the ASCII ones mean.
  static void ReplacePunctuation(std::string& text) {
    size_t out = 0;
    for (size_t i = 0; i < text.size();) {
      const std::string_view next = std::string_view(text).substr(i, 3);
      if (next == "\u2019" || next == "\u2010") {
        text[out++] = next == "\u2019" ? '\'' : '-';
        i += 3;
      } else {
        text[out++] = text[i++];
      }
    }
    text.resize(out);
  }

  void SplitPiece(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      if (static_cast<unsigned char>(text[i]) < 0x80) {
        i = IsAsciiAlnum(text[i]) ? TakeAsciiWord(text, i) : i + 1;
        continue;
      }
      const DecodedCharacter character = DecodeUtf8(text, i);
      if (!character.valid) {
        i += character.size_bytes;
      } else if (IsSpaceless(character.code_point)) {
        i = TakeSpaceless(text, i);
      } else if (IsWordCharacter(character.code_point)) {
        i = TakeCompound(text, i, i);
      } else {
        i += character.size_bytes;
      }
    }
  }

  // The common case, letters only and no change from lower to upper case, ends here. Returns where to go on.
  size_t TakeAsciiWord(std::string_view text, size_t start) {
    uint8_t seen = 0;
    bool humps = false;
    size_t i = start;
    for (; i < text.size(); ++i) {
      const uint8_t kind = ClassOf(text[i]);
      if ((kind & (kLower | kUpper)) == 0) break;
      humps |= kind == kUpper && (seen & kLower) != 0;
      // An upper-case run before a lower-case letter, as in HTTPServer; one capital, as in Server, is not a hump.
      humps |= kind == kLower && i >= start + 2 && ClassOf(text[i - 1]) == kUpper;
      seen |= kind;
    }
    const char next = i < text.size() ? text[i] : ' ';
    const bool ends =
        static_cast<unsigned char>(next) < 0x80 && (ClassOf(next) == kOther && next != '+' && next != '#');
    const bool sentence_ends =
        ClassOf(next) == kJoiner &&
        (i + 1 >= text.size() || (static_cast<unsigned char>(text[i + 1]) < 0x80 && ClassOf(text[i + 1]) == kOther));
    if (humps || !(ends || sentence_ends)) return TakeCompound(text, start, i);
    EmitLetters(text.substr(start, i - start));
    return i;
  }

  // A compound: words joined by underscores or by single joiners. `known` bytes from `start` are known to belong to it.
  size_t TakeCompound(std::string_view text, size_t start, size_t known) {
    size_t i = known;
    size_t end = known;  // Behind the last word character: trailing joiners and underscores do not belong to it.
    while (i < text.size()) {
      const uint8_t kind = ClassOf(text[i]);
      if ((kind & (kLower | kUpper | kDigit)) != 0) {
        end = ++i;
      } else if (kind == kUnderscore) {
        ++i;
      } else if (kind == kJoiner) {
        if (end != i || !ContinuesAfterJoiner(text, i)) break;
        if (IsPossessive(text, i)) {
          i += 2;
          break;
        }
        ++i;
      } else if (static_cast<unsigned char>(text[i]) < 0x80) {
        break;
      } else {
        const DecodedCharacter character = DecodeUtf8(text, i);
        if (!character.valid || IsSpaceless(character.code_point)) break;
        const bool word = IsWordCharacter(character.code_point);
        if (!word && !IsInvisible(character.code_point)) break;
        i += character.size_bytes;
        if (word) end = i;
      }
    }
    const std::string_view compound = text.substr(start, end - start);
    const uint32_t from = place_;
    EmitLevel(compound, 0);
    const size_t suffix = NameSuffixSize(text, end, compound);
    if (suffix > 0) {
      const size_t whole = placed_count();
      Emit(FoldCase(text.substr(start, end + suffix - start)));
      PlaceOver(whole, placed_count(), from);
    }
    return std::max(i, end + suffix);
  }

  // A joiner joins only if a word character follows.
  static bool ContinuesAfterJoiner(std::string_view text, size_t joiner) {
    if (joiner + 1 >= text.size()) return false;
    if (static_cast<unsigned char>(text[joiner + 1]) >= 0x80) {
      const DecodedCharacter next = DecodeUtf8(text, joiner + 1);
      return next.valid && !IsSpaceless(next.code_point) && IsWordCharacter(next.code_point);
    }
    return IsAsciiAlnum(text[joiner + 1]);
  }

  // The 's of a possessive is not a word.
  static bool IsPossessive(std::string_view text, size_t joiner) {
    return text[joiner] == '\'' && LowerAscii(text[joiner + 1]) == 's' &&
           (joiner + 2 >= text.size() || !IsAsciiAlnum(text[joiner + 2]));
  }

  // C++, C#, F#, g++: the signs are a part of the name.
  static size_t NameSuffixSize(std::string_view text, size_t end, std::string_view name) {
    if (name.size() > 2 || !IsAscii(name)) return 0;
    size_t size = 0;
    if (text.substr(end, 2) == "++") size = 2;
    if (text.substr(end, 1) == "#") size = 1;
    return size > 0 && end + size < text.size() && IsAsciiAlnum(text[end + size]) ? 0 : size;
  }

  // Level by level: paths into names, names at joiners, at underscores, at humps and digits. What splits is also a word
  // itself.
  void EmitLevel(std::string_view compound, int level) {
    static constexpr std::string_view kSeparators[] = {"/\\", ".:-'@", "_"};
    if (level == 3) {
      EmitName(compound);
      return;
    }
    const std::string_view separators = kSeparators[level];
    if (compound.find_first_of(separators) == std::string_view::npos) {
      EmitLevel(compound, level + 1);
      return;
    }
    const uint32_t from = place_;
    const size_t whole = placed_count();
    Emit(FoldCase(compound));
    const size_t parts = placed_count();
    while (!compound.empty()) {
      const size_t cut = std::min(compound.find_first_of(separators), compound.size());
      if (cut > 0) EmitLevel(compound.substr(0, cut), level + 1);
      compound.remove_prefix(std::min(cut + 1, compound.size()));
    }
    PlaceOver(whole, parts, from);
  }

  // A name without separators: whole, and cut at humps and between letters and digits.
  void EmitName(std::string_view name) {
    // More parts are a hash or an encoded blob, whose pieces nobody looks for.
    constexpr size_t kPartsMax = 8;
    size_t starts[kPartsMax + 1] = {0};
    size_t parts = 1;
    for (size_t i = 1; i < name.size() && parts <= kPartsMax; ++i) {
      if (StartsPart(name, i)) starts[parts++] = i;
    }
    const uint32_t from = place_;
    const size_t whole = placed_count();
    EmitLeaf(name);
    if (parts == 1 || parts > kPartsMax) {
      ++place_;
      return;
    }
    const size_t whole_end = placed_count();
    starts[parts] = name.size();
    for (size_t p = 0; p < parts; ++p) {
      EmitLeaf(name.substr(starts[p], starts[p + 1] - starts[p]));
      ++place_;
    }
    PlaceOver(whole, whole_end, from);
  }

  static bool StartsPart(std::string_view name, size_t i) {
    const uint8_t before = ClassOf(name[i - 1]);
    const uint8_t here = ClassOf(name[i]);
    const bool digit_edge = (before == kDigit) != (here == kDigit) && before != kOther && here != kOther;
    const bool hump = before == kLower && here == kUpper;
    const bool run_ends = before == kUpper && here == kUpper && i + 1 < name.size() && ClassOf(name[i + 1]) == kLower;
    return digit_edge || hump || run_ends;
  }

  void EmitLeaf(std::string_view leaf) {
    if (IsAscii(leaf)) {
      EmitFolded(FoldCase(leaf));
      return;
    }
    const std::string folded = FoldCase(leaf);
    EmitFolded(folded);
    if (IsAscii(folded)) return;
    const std::string plain = WithoutAccents(folded);
    if (!plain.empty()) EmitFolded(plain);
  }

  void EmitFolded(std::string_view folded) {
    const bool letters = std::all_of(folded.begin(), folded.end(), [](char c) { return ClassOf(c) == kLower; });
    Emit(letters && folded.size() <= kWordSizeMax ? stemmer_.Stem(folded) : folded);
  }

  void EmitLetters(std::string_view letters) {
    if (letters.size() > kWordSizeMax) {
      Emit(FoldCase(letters));
    } else {
      char lower[kWordSizeMax];
      std::transform(letters.begin(), letters.end(), lower, LowerAscii);
      Emit(stemmer_.Stem({lower, letters.size()}));
    }
    ++place_;
  }

  void Emit(std::string_view word) {
    if (word.empty()) return;
    if (word.size() <= kWordSizeMax) {
      Give(word);
      return;
    }
    static constexpr char kHexDigits[] = "0123456789abcdef";
    constexpr size_t kPrefixSize = kWordSizeMax - 17;
    std::string cut(word.substr(0, CharacterStart(word, kPrefixSize)));
    cut.push_back('~');
    const uint64_t hash = Hash64(word);
    for (int shift = 60; shift >= 0; shift -= 4) cut.push_back(kHexDigits[hash >> shift & 15]);
    Give(cut);
  }

  void Give(std::string_view word) {
    if (placed_ == nullptr) return on_word_(word);
    placed_->push_back({.word = std::string(word), .from = place_, .to = place_ + 1});
  }

  size_t placed_count() const { return placed_ == nullptr ? 0 : placed_->size(); }
  // Of what holds several words, emitted as number `first` up to `last`: it stands over them all.
  void PlaceOver(size_t first, size_t last, uint32_t from) {
    for (; first < last; ++first) {
      (*placed_)[first].from = from;
      (*placed_)[first].to = place_;
    }
  }

  size_t TakeSpaceless(std::string_view text, size_t start) {
    if (dictionary_ == nullptr) return TakeCharacters(text, start);
    size_t end = start;
    size_t characters = 0;
    while (end < text.size()) {
      const DecodedCharacter character = DecodeUtf8(text, end);
      if (!character.valid || !IsHan(character.code_point)) break;
      end += character.size_bytes;
      ++characters;
    }
    const bool all_han = end == text.size() || !IsSpaceless(DecodeUtf8(text, end).code_point);
    if (!all_han || characters < 2) return TakeCharacters(text, start);
    if (cjk_words_ == CjkWords::kPairs) {
      TakeWordsOfQuestion(text.substr(start, end - start), characters);
      return end;
    }
    const size_t next = TakeCharacters(text, start);
    dictionary_->FindWords(text.substr(start, end - start), [&](size_t first, size_t size_bytes, size_t count) {
      if (count > 2) Emit(text.substr(start + first, size_bytes));
    });
    return next;
  }

  // The words of a run of Han, and the pairs that lie within one.
  void TakeWordsOfQuestion(std::string_view run, size_t characters) {
    std::vector<size_t> starts;
    for (size_t i = 0; i < run.size(); i += DecodeUtf8(run, i).size_bytes) starts.push_back(i);
    starts.push_back(run.size());
    std::vector<bool> together(characters);  // Whether a word holds this character and the next one.
    dictionary_->FindWords(run, [&](size_t first, size_t size_bytes, size_t count) {
      if (count != 2) Emit(run.substr(first, size_bytes));
      const auto at = static_cast<size_t>(std::lower_bound(starts.begin(), starts.end(), first) - starts.begin());
      for (size_t i = at; i + 1 < at + count; ++i) together[i] = true;
    });
    for (size_t i = 0; i + 1 < characters; ++i) {
      if (together[i]) Emit(run.substr(starts[i], starts[i + 2] - starts[i]));
    }
  }

  size_t TakeCharacters(std::string_view text, size_t start) {
    size_t before = start;  // The character before the one at i; none if equal to `here`.
    size_t i = start;
    size_t characters = 0;
    while (i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80) {
      const DecodedCharacter character = DecodeUtf8(text, i);
      if (!character.valid) break;
      if (!IsSpaceless(character.code_point)) {
        if (!IsInvisible(character.code_point)) break;
        // It would stand inside the pair. Rare: what follows starts anew.
        if (characters == 1 && cjk_words_ == CjkWords::kPairs) Emit(text.substr(before, i - before));
        return i + character.size_bytes;
      }
      const bool pairs = cjk_words_ != CjkWords::kCharacters;
      if (characters > 0 && pairs) Emit(text.substr(before, i + character.size_bytes - before));
      if (cjk_words_ != CjkWords::kPairs) Emit(text.substr(i, character.size_bytes));
      ++place_;
      before = i;
      i += character.size_bytes;
      ++characters;
    }
    if (characters == 1 && cjk_words_ == CjkWords::kPairs) Emit(text.substr(before, i - before));
    return i;
  }

  const CjkWords cjk_words_;
  const OnWord& on_word_;
  const ChineseDictionary* const dictionary_;
  std::vector<PlacedWord>* const placed_;
  uint32_t place_ = 0;  // Where the next word starts.
  EnglishStemmer& stemmer_;
};

}  // namespace

void SplitWords(std::string_view text, const std::function<void(std::string_view word)>& on_word) {
  SplitWords(text, nullptr, on_word);
}

std::vector<std::string> SplitWords(std::string_view text) { return SplitWords(text, nullptr); }

void SplitWords(std::string_view text, const ChineseDictionary* dictionary, const OnWord& on_word) {
  Splitter(CjkWords::kCharactersAndPairs, on_word, dictionary).Split(text);
}

std::vector<std::string> SplitWords(std::string_view text, const ChineseDictionary* dictionary) {
  std::vector<std::string> words;
  words.reserve(text.size() / 5);
  SplitWords(text, dictionary, [&words](std::string_view word) { words.emplace_back(word); });
  return words;
}

std::vector<std::string> QueryWords(std::string_view question) { return QueryWords(question, nullptr); }

std::vector<std::string> QueryWords(std::string_view question, const ChineseDictionary* dictionary) {
  std::vector<std::string> words;
  const OnWord on_word = [&words](std::string_view word) { words.emplace_back(word); };
  Splitter(CjkWords::kPairs, on_word, dictionary).Split(question);
  return words;
}

uint32_t WordsVersion(const ChineseDictionary* dictionary) {
  return dictionary == nullptr ? kWordsVersion : dictionary->version();
}

std::vector<PlacedWord> PlaceWords(std::string_view text) {
  std::vector<PlacedWord> words;
  words.reserve(text.size() / 5);
  const OnWord unused;
  Splitter(CjkWords::kCharacters, unused, nullptr, &words).Split(text);
  const auto before = [](const PlacedWord& a, const PlacedWord& b) { return a.from < b.from; };
  // A name with signs (a1++) comes behind its parts.
  if (!std::is_sorted(words.begin(), words.end(), before)) std::stable_sort(words.begin(), words.end(), before);
  return words;
}

}  // namespace ragtime
