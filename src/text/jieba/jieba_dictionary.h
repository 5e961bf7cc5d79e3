// SPDX-License-Identifier: Apache-2.0
//
// JiebaDictionary is cppjieba in its search mode, with its own dictionary and words of the user.
//
// Opening compares the files with what they must be; the dictionary itself is read when the first Chinese word is
// looked for, and then stays in memory. docs/internals/keyword.md says what that takes.
//
// Errors: kNotFound and kDataLoss name the file, kInvalidArgument the line of the user's dictionary.
#ifndef RAGTIME_TEXT_JIEBA_JIEBA_DICTIONARY_H_
#define RAGTIME_TEXT_JIEBA_JIEBA_DICTIONARY_H_

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ragtime/status.h"
#include "text/chinese_dictionary.h"

namespace ragtime {

class JiebaDictionary final : public ChineseDictionary {
 public:
  // `folder` holds jieba.dict.utf8 and hmm_model.utf8. `user_dictionary` is a text file with a word on each line, and
  // behind it, if one likes, how frequent it is and its part of speech, as jieba has it; "": none.
  static Result<std::unique_ptr<JiebaDictionary>> Open(const std::filesystem::path& folder,
                                                       const std::filesystem::path& user_dictionary);
  ~JiebaDictionary() override;

  uint32_t version() const override { return version_; }
  void FindWords(std::string_view run, const OnWord& on_word) const override;

 private:
  struct UserWord {
    std::string word;
    std::optional<int> count;
  };
  struct Loaded;

  JiebaDictionary() = default;
  static Result<std::vector<UserWord>> ReadUserWords(const std::filesystem::path& file);
  const Loaded& Load() const;

  std::filesystem::path folder_;
  std::vector<UserWord> user_words_;
  uint32_t version_ = 0;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const Loaded> loaded_;
};

}  // namespace ragtime

#endif  // RAGTIME_TEXT_JIEBA_JIEBA_DICTIONARY_H_
