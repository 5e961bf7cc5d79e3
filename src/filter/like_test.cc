// SPDX-License-Identifier: Apache-2.0
//
// Goal: like matches as the plain recursive definition says, on all short patterns and texts, and stays fast on the
// patterns that make recursion slow.
#include "filter/like.h"

#include <gtest/gtest.h>

namespace ragtime {
namespace {

// The definition, word by word, over ASCII.
bool Defined(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (size_t i = 0; i <= text.size(); ++i) {
      if (Defined(pattern.substr(1), text.substr(i))) return true;
    }
    return false;
  }
  if (text.empty()) return false;
  if (pattern[0] == '_') return Defined(pattern.substr(1), text.substr(1));
  if (pattern[0] == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
  return pattern[0] == text[0] && Defined(pattern.substr(1), text.substr(1));
}

std::vector<std::string> AllTexts(std::string_view letters, size_t size_max) {
  std::vector<std::string> texts = {""};
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() == size_max) break;
    for (const char letter : letters) texts.push_back(texts[i] + letter);
  }
  return texts;
}

TEST(Like, AllShortPatterns) {
  const auto texts = AllTexts("ab%\\", 4);
  for (const std::string& pattern : AllTexts("ab%_\\", 4)) {
    const LikePattern like(pattern);
    for (const std::string& text : texts) {
      ASSERT_EQ(like.Matches(text), Defined(pattern, text)) << pattern << " on " << text;
      if (like.Matches(text)) {
        ASSERT_TRUE(text.starts_with(like.prefix())) << pattern << " on " << text;
      }
      if (like.is_prefix()) {
        ASSERT_EQ(like.Matches(text), text.starts_with(like.prefix())) << pattern;
      }
      if (like.is_literal()) {
        ASSERT_EQ(like.Matches(text), text == like.prefix()) << pattern;
      }
    }
  }
}

TEST(Like, CharactersNotBytes) {
  EXPECT_TRUE(LikePattern("_国%").Matches("中国人"));
  EXPECT_TRUE(LikePattern("___").Matches("中国人"));
  EXPECT_FALSE(LikePattern("____").Matches("中国人"));
  EXPECT_FALSE(LikePattern("%\xBD").Matches("\xE5\xBD\xBD\xE4"));
  EXPECT_TRUE(LikePattern("_").Matches("\xFF"));
}

TEST(Like, PrefixAndLiteral) {
  EXPECT_TRUE(LikePattern("ab%").is_prefix());
  EXPECT_TRUE(LikePattern("ab%%").is_prefix());
  EXPECT_FALSE(LikePattern("ab%c").is_prefix());
  EXPECT_EQ(LikePattern("ab%c").prefix(), "ab");
  EXPECT_TRUE(LikePattern("50\\%").is_literal());
  EXPECT_EQ(LikePattern("50\\%").prefix(), "50%");
}

TEST(Like, SlowPatternsEnd) {
  std::string pattern;
  for (int i = 0; i < 2000; ++i) pattern += "%a";
  EXPECT_FALSE(LikePattern(pattern + "b").Matches(std::string(5000, 'a')));
}

}  // namespace
}  // namespace ragtime
