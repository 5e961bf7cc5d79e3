// SPDX-License-Identifier: Apache-2.0
#include "text/jieba/jieba_dictionary.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

// It must never print: what it could say was checked before.
#define LOGGING_LEVEL limonp::LL_FATAL
#include <cppjieba/QuerySegment.hpp>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "text/utf8.h"
#include "text/words.h"

namespace ragtime {
namespace {

struct PinnedFile {
  const char* name;
  uint64_t hash;  // Hash64 of its bytes, as tools/deps.lock pins them.
};
constexpr PinnedFile kWords = {"jieba.dict.utf8", 0x66f5e5e0851e9344};
constexpr PinnedFile kModel = {"hmm_model.utf8", 0xbc24898ea8927fdc};

constexpr uint64_t kUserDictionaryMax = uint64_t{64} << 20;

// cppjieba ends the process over a file that it cannot read.
Status CheckFile(const std::filesystem::path& folder, const PinnedFile& file) {
  Result<MappedFile> mapped = MappedFile::Open(folder / file.name);
  if (!mapped.ok()) {
    return mapped.status().Annotate("the dictionary of Chinese words").WithRemedy("run tools/setup.sh");
  }
  if (Hash64(mapped->bytes()) == file.hash) return Status();
  return DataLossError(StrCat((folder / file.name).string(), " is not the dictionary that this Ragtime came with"),
                       "install Ragtime again, or run tools/setup.sh");
}

bool IsChinese(std::string_view word) {
  for (size_t i = 0; i < word.size();) {
    const DecodedCharacter character = DecodeUtf8(word, i);
    if (!character.valid || !IsHan(character.code_point)) return false;
    i += character.size_bytes;
  }
  return !word.empty();
}

// The words of a line, between spaces and tabs.
std::vector<std::string_view> FieldsOf(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t start = 0; (start = line.find_first_not_of(" \t\r", start)) != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(" \t\r", start), line.size());
    fields.push_back(line.substr(start, end - start));
    start = end;
  }
  return fields;
}

}  // namespace

struct JiebaDictionary::Loaded {
  explicit Loaded(const std::filesystem::path& folder)
      : words((folder / kWords.name).string()), model((folder / kModel.name).string()), cutter(&words, &model) {}
  cppjieba::DictTrie words;
  cppjieba::HMMModel model;
  cppjieba::QuerySegment cutter;
};

JiebaDictionary::~JiebaDictionary() = default;

Result<std::vector<JiebaDictionary::UserWord>> JiebaDictionary::ReadUserWords(const std::filesystem::path& file) {
  Result<std::string> text = ReadFile(file, kUserDictionaryMax);
  if (!text.ok()) return text.status().Annotate("words.user_dictionary");
  std::vector<UserWord> words;
  std::string_view rest = *text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::vector<std::string_view> fields = FieldsOf(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (fields.empty()) continue;
    const auto wrong = [&](std::string_view why) {
      return InvalidArgumentError(
          StrCat("words.user_dictionary: line ", number, " of ", file.string(), " ", why),
          "write a word on each line, and behind it, if you like, a number and a tag: 云计算 5 n");
    };
    if (FindInvalidUtf8(fields[0]) != std::string_view::npos) return wrong("is not UTF-8");
    if (fields.size() > 3) return wrong("has more than a word, a number and a tag");
    UserWord word{.word = std::string(fields[0]), .count = std::nullopt};
    int count = 0;
    if (fields.size() > 1) {
      const auto [stop, error] = std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), count);
      if (error == std::errc() && stop == fields[1].data() + fields[1].size()) word.count = count;
    }
    if (fields.size() == 3 && !word.count) return wrong("has no number between the word and the tag");
    if (word.count && *word.count < 1) return wrong("has a number below 1");
    // Anything else than Chinese is cut by other rules, and never looked up.
    if (IsChinese(word.word)) words.push_back(std::move(word));
  }
  return words;
}

Result<std::unique_ptr<JiebaDictionary>> JiebaDictionary::Open(const std::filesystem::path& folder,
                                                               const std::filesystem::path& user_dictionary) {
  for (const PinnedFile& file : {kWords, kModel}) RAGTIME_RETURN_IF_ERROR(CheckFile(folder, file));
  std::unique_ptr<JiebaDictionary> dictionary(new JiebaDictionary());
  dictionary->folder_ = folder;
  if (!user_dictionary.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(dictionary->user_words_, ReadUserWords(user_dictionary));
  }
  std::string identity = StrCat("jieba ", kWordsVersion, " ", kWords.hash, " ", kModel.hash);
  for (const UserWord& word : dictionary->user_words_) identity += StrCat("\n", word.word, " ", word.count.value_or(0));
  dictionary->version_ = static_cast<uint32_t>(Hash64(identity)) | kDictionaryBit;
  return dictionary;
}

const JiebaDictionary::Loaded& JiebaDictionary::Load() const {
  std::call_once(once_, [this] {
    auto loaded = std::make_unique<Loaded>(folder_);
    for (const UserWord& word : user_words_) {
      if (word.count) {
        loaded->words.InsertUserWord(word.word, *word.count);
      } else {
        loaded->words.InsertUserWord(word.word);
      }
    }
    loaded_ = std::move(loaded);
  });
  return *loaded_;
}

void JiebaDictionary::FindWords(std::string_view run, const OnWord& on_word) const {
  std::vector<cppjieba::Word> words;
  Load().cutter.Cut(std::string(run), words, /*hmm=*/true);
  for (const cppjieba::Word& word : words) on_word(word.offset, word.word.size(), word.unicode_length);
}

}  // namespace ragtime
