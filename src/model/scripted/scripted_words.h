// SPDX-License-Identifier: Apache-2.0
//
// What the scripted models take for tokens: runs of letters and digits, single CJK characters, single punctuation
// marks.
#ifndef RAGTIME_MODEL_SCRIPTED_SCRIPTED_WORDS_H_
#define RAGTIME_MODEL_SCRIPTED_SCRIPTED_WORDS_H_

#include <string_view>
#include <vector>

namespace ragtime {

struct ScriptedWord {
  std::string_view text;
  bool is_cjk = false;
  bool is_punctuation = false;
};

// In the order of the text, which they point into; white space is in none of them.
std::vector<ScriptedWord> ScriptedWords(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_MODEL_SCRIPTED_SCRIPTED_WORDS_H_
