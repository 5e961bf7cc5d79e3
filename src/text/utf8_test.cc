// SPDX-License-Identifier: Apache-2.0
//
// Goal: UTF-8 is decoded as Unicode 15 section 3.9 says, on every input.
#include "text/utf8.h"

#include <gtest/gtest.h>

#include <random>

namespace ragtime {
namespace {

// Straight from Table 3-7 of the standard, for all code points: what is encoded decodes to itself.
TEST(Utf8, RoundTripsEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(c, text);
    const DecodedCharacter character = DecodeUtf8(text, 0);
    ASSERT_TRUE(character.valid);
    ASSERT_EQ(character.code_point, c);
    ASSERT_EQ(character.size_bytes, text.size());
  }
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndHighCodePoints) {
  for (const std::string_view text : {"\xC0\xAF", "\xE0\x80\xAF", "\xF0\x80\x80\xAF", "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80", "\x80", "\xFF", "\xF5\x80\x80\x80"}) {
    EXPECT_FALSE(DecodeUtf8(text, 0).valid);
    EXPECT_EQ(DecodeUtf8(text, 0).size_bytes, 1u);
    EXPECT_EQ(FindInvalidUtf8(text), 0u);
  }
  std::string surrogate;
  AppendUtf8(0xD800, surrogate);
  EXPECT_EQ(surrogate, "\xEF\xBF\xBD");
}

// The example of Unicode 15, section 3.9, table 3-8.
TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(ReplaceInvalidUtf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c\xEF\xBF\xBD\xEF\xBF\xBD"
            "d");
}

TEST(Utf8, ReplacingGivesValidTextAndKeepsWhatIsValid) {
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t i = random() % 20; i > 0; --i) {
      if (random() % 2 == 0) {
        text += static_cast<char>(random());
      } else {
        AppendUtf8(random() % 0x110000, text);
      }
    }
    const std::string replaced = ReplaceInvalidUtf8(text);
    EXPECT_EQ(FindInvalidUtf8(replaced), std::string::npos);
    EXPECT_EQ(replaced == text, FindInvalidUtf8(text) == std::string::npos);
    EXPECT_EQ(ReplaceInvalidUtf8(replaced), replaced);
  }
}

TEST(Utf8, FindsWhereACharacterStarts) {
  const std::string_view text = "a中b";
  EXPECT_EQ(CharacterStart(text, 0), 0u);
  EXPECT_EQ(CharacterStart(text, 1), 1u);
  EXPECT_EQ(CharacterStart(text, 2), 1u);
  EXPECT_EQ(CharacterStart(text, 3), 1u);
  EXPECT_EQ(CharacterStart(text, 4), 4u);
  EXPECT_EQ(CharacterStart(text, 99), 5u);
}

TEST(Utf8, KnowsCjkAndSpace) {
  for (const char32_t c : {U'中', U'あ', U'カ', U'한', U'〇', U'ㄅ', char32_t{0x20000}}) EXPECT_TRUE(IsCjk(c));
  for (const char32_t c : {U'a', U'é', U'。', U'，', U'！', U'・', U' '}) EXPECT_FALSE(IsCjk(c));
  for (const char32_t c : {U' ', U'\n', U'\t', char32_t{0xA0}, char32_t{0x3000}, char32_t{0x2028}})
    EXPECT_TRUE(IsSpace(c));
  for (const char32_t c : {U'a', char32_t{0x200B}, char32_t{0xFEFF}}) EXPECT_FALSE(IsSpace(c));
}

}  // namespace
}  // namespace ragtime
