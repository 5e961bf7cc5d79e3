// SPDX-License-Identifier: Apache-2.0
//
// Goal: what stands in quotes is found where its words follow one another, and nowhere else. Method: lists of what
// holds a phrase and what does not; then random texts, against a search in the list of their words.
#include "text/phrases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace ragtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

bool Holds(std::string_view text, std::string_view quoted) {
  const Phrase phrases[] = {Phrase(quoted)};
  return HoldsPhrases(text, phrases);
}

TEST(Phrases, QuotesOfThreeKindsAreTakenOut) {
  const QuotedText parts = SplitQuotes("find \"exact words\" and “数据库备份” or 「索引」.");
  EXPECT_THAT(parts.quoted, ElementsAre("exact words", "数据库备份", "索引"));
  EXPECT_THAT(parts.loose, ElementsAre("find ", " and ", " or ", "."));
  EXPECT_THAT(SplitQuotes("查找\"索引类型\"").quoted, ElementsAre("索引类型"));
  EXPECT_THAT(SplitQuotes("no quotes").loose, ElementsAre("no quotes"));
  EXPECT_THAT(SplitQuotes("").loose, IsEmpty());
}

TEST(Phrases, WhatIsNoPairOfQuotesAroundWordsIsText) {
  for (const char* text : {"a \"b c", "“a", "a”", "3.5\" and 5.25\" disks", "\"\"", "a \" ?! \" b", "」a「"}) {
    EXPECT_THAT(SplitQuotes(text).quoted, IsEmpty()) << text;
    EXPECT_THAT(SplitQuotes(text).loose, ElementsAre(text));
  }
  EXPECT_THAT(SplitQuotes("3.5\" \"hard disk\"").quoted, ElementsAre("hard disk"));
  EXPECT_THAT(SplitQuotes("“\"a\" b”").quoted, ElementsAre("\"a\" b"));
}

TEST(Phrases, WordsMustFollowOneAnother) {
  EXPECT_TRUE(Holds("the write-ahead log of a server", "write ahead log"));
  EXPECT_TRUE(Holds("Logs, of servers", "log of"));
  EXPECT_FALSE(Holds("the log is written ahead", "write ahead log"));
  EXPECT_FALSE(Holds("write write ahead", "write ahead log"));
  EXPECT_TRUE(Holds("a a b", "a b"));
  EXPECT_TRUE(Holds("a a a b", "a a b"));
  EXPECT_FALSE(Holds("", "a"));
}

TEST(Phrases, ChineseIsComparedByCharacters) {
  EXPECT_TRUE(Holds("关于数据库备份的说明", "数据库备份"));
  EXPECT_TRUE(Holds("数据库\n备份", "数据库备份"));
  EXPECT_FALSE(Holds("数据库的备份；据库；库备", "数据库备份")) << "all pairs stand there";
  EXPECT_TRUE(Holds("PostgreSQL的索引类型", "postgresql的索引"));
  EXPECT_TRUE(Holds("데이터베이스 백업", "베이스 백업"));
}

TEST(Phrases, NamesAreOneWordAndTheirParts) {
  EXPECT_TRUE(Holds("run pg_dump now", "pg dump now"));
  EXPECT_TRUE(Holds("run pg dump now", "pg_dump"));
  EXPECT_TRUE(Holds("the PostgreSQL docs", "postgresql docs"));
  EXPECT_TRUE(Holds("the postgresql docs", "PostgreSQL docs"));
  EXPECT_FALSE(Holds("the postgresql docs", "SQL docs"));
  EXPECT_TRUE(Holds("version 15.4 of it", "15.4 of"));
  EXPECT_TRUE(Holds("C++ templates", "c++ templates"));
  EXPECT_FALSE(Holds("c templates", "c++ templates"));
  EXPECT_TRUE(Holds("C++ templates", "c templates"));
  EXPECT_TRUE(Holds("le café noir", "cafe noir"));
  EXPECT_FALSE(Holds("le cafe noir", "café noir"));
}

TEST(Phrases, EveryPlaceOfATextThatHoldsItHasOneOfItsWords) {
  EXPECT_THAT(Phrase("PostgreSQL docs").alternatives(),
              ElementsAre(ElementsAre("postgr", "postgresql"), ElementsAre("postgresql", "sql"), ElementsAre("doc")));
}

TEST(Phrases, AgreeWithASearchInTheListOfWords) {
  std::mt19937 random(7);
  const std::string letters[] = {"a", "b", "据", "库"};
  const auto random_words = [&](size_t count) {
    std::vector<std::string> words;
    for (; count > 0; --count) words.push_back(letters[random() % 4]);
    return words;
  };
  const auto join = [&](const std::vector<std::string>& words) {
    std::string text;
    // Between characters of Chinese a space changes nothing; between letters there must be one.
    for (const std::string& word : words) text += word + (word.size() > 1 && random() % 2 == 0 ? "" : " ");
    return text;
  };
  int held = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto text = random_words(random() % 30);
    const auto phrase = random_words(1 + random() % 4);
    const bool expected = std::search(text.begin(), text.end(), phrase.begin(), phrase.end()) != text.end();
    held += expected;
    ASSERT_EQ(Holds(join(text), join(phrase)), expected) << join(text) << " / " << join(phrase);
  }
  EXPECT_GT(held, 500);
  EXPECT_LT(held, 2500);
}

}  // namespace
}  // namespace ragtime
