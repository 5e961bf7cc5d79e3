// SPDX-License-Identifier: Apache-2.0
//
// The language of a question, told by its script and by the small words that every sentence of a language has.
//
// Threads: may be called concurrently. Errors: none; bytes that are not UTF-8 are passed over.
#ifndef RAGTIME_TEXT_LANGUAGE_H_
#define RAGTIME_TEXT_LANGUAGE_H_

#include <span>
#include <string>
#include <string_view>

namespace ragtime {

// The ISO 639-1 code: "zh", "ja", "ko", "ru", "ar" by script, "en", "de", "fr", "es" by function words, else "".
//
// - One Kana makes it Japanese; Han alone is Chinese. Latin names inside ("怎么用 pg_dump?") change nothing, and a
//   Latin sentence that quotes another script ("What does 备份 mean?") keeps its own language.
// - Latin text of at most three ASCII words without any function word ("pg_dump format") is "en": people type
//   keywords in English. Longer text without one is "".
std::string DetectLanguage(std::string_view text);

// Words that say nothing about what a question asks for, lower case; empty for a language that has no list.
// Those of "zh" and "ja" are phrases, to be looked for in the text as it stands.
std::span<const std::string_view> FunctionWords(std::string_view language);

}  // namespace ragtime

#endif  // RAGTIME_TEXT_LANGUAGE_H_
