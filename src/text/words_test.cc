// SPDX-License-Identifier: Apache-2.0
//
// Goal: what a question says and what a text says become the same words, in every script and spelling that users have.
// Method: exact lists for each rule, then random bytes, whose words must obey the limits and not depend on the thread.
#include "text/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "text/utf8.h"

namespace ragtime {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::Pair;

TEST(Words, EnglishIsFoldedAndStemmed) {
  EXPECT_THAT(SplitWords("The Indexes, indexing and INDEXED tables."),
              ElementsAre("the", "index", "index", "and", "index", "tabl"));
  EXPECT_THAT(SplitWords("running runs; ran!"), ElementsAre("run", "run", "ran"));
  EXPECT_THAT(SplitWords("I am"), ElementsAre("i", "am"));
  EXPECT_THAT(SplitWords(""), IsEmpty());
  EXPECT_THAT(SplitWords(" .,-_'/\\ ... -- __ ''"), IsEmpty());
}

TEST(Words, ApostrophesAndPossessives) {
  EXPECT_THAT(SplitWords("PostgreSQL's server's x's"), ElementsAre("postgresql", "postgr", "sql", "server", "x"));
  EXPECT_THAT(SplitWords("server\u2019s"), ElementsAre("server"));
  EXPECT_THAT(SplitWords("don't"), ElementsAre("don't", "don", "t"));
  EXPECT_THAT(SplitWords("l'homme"), Contains("homm"));
  EXPECT_THAT(SplitWords("'quoted'"), ElementsAre("quot"));
}

TEST(Words, NamesGiveThemselvesAndTheirParts) {
  EXPECT_THAT(SplitWords("pg_dump"), ElementsAre("pg_dump", "pg", "dump"));
  EXPECT_THAT(SplitWords("max_connections"), ElementsAre("max_connections", "max", "connect"));
  EXPECT_THAT(SplitWords("maxConnections"), ElementsAre("maxconnect", "max", "connect"));
  EXPECT_THAT(SplitWords("HTTPServer"), ElementsAre("httpserver", "http", "server"));
  EXPECT_THAT(SplitWords("__init__ _x"), ElementsAre("init", "x"));
  EXPECT_THAT(SplitWords("--read-only"), ElementsAre("read-only", "read", "onli"));
  EXPECT_THAT(SplitWords("read\u2010only"), ElementsAre("read-only", "read", "onli"));
  EXPECT_THAT(SplitWords("sha256"), ElementsAre("sha256", "sha", "256"));
  EXPECT_THAT(SplitWords("std::vector"), ElementsAre("std", "vector"));
  EXPECT_THAT(SplitWords("C++ and C# or g++, c"), ElementsAre("c", "c++", "and", "c", "c#", "or", "g", "g++", "c"));
}

TEST(Words, PlacesSayWhatFollowsWhat) {
  EXPECT_THAT(PlaceWords("Log files, 索引"), ElementsAre(PlacedWord{"log", 0, 1}, PlacedWord{"file", 1, 2},
                                                         PlacedWord{"索", 2, 3}, PlacedWord{"引", 3, 4}));
  EXPECT_THAT(PlaceWords("x src/pg_dump.cc y"),
              ElementsAre(PlacedWord{"x", 0, 1}, PlacedWord{"src/pg_dump.cc", 1, 5}, PlacedWord{"src", 1, 2},
                          PlacedWord{"pg_dump.cc", 2, 5}, PlacedWord{"pg_dump", 2, 4}, PlacedWord{"pg", 2, 3},
                          PlacedWord{"dump", 3, 4}, PlacedWord{"cc", 4, 5}, PlacedWord{"y", 5, 6}));
  EXPECT_THAT(PlaceWords("maxConnections"),
              ElementsAre(PlacedWord{"maxconnect", 0, 2}, PlacedWord{"max", 0, 1}, PlacedWord{"connect", 1, 2}));
  EXPECT_THAT(
      PlaceWords("café C++ a1++"),
      ElementsAre(PlacedWord{"café", 0, 1}, PlacedWord{"cafe", 0, 1}, PlacedWord{"c", 1, 2}, PlacedWord{"c++", 1, 2},
                  PlacedWord{"a1", 2, 4}, PlacedWord{"a", 2, 3}, PlacedWord{"a1++", 2, 4}, PlacedWord{"1", 3, 4}));
}

TEST(Words, VersionsAndPaths) {
  EXPECT_THAT(SplitWords("15.4"), ElementsAre("15.4", "15", "4"));
  EXPECT_THAT(SplitWords("v15.4-rc1."), ElementsAre("v15.4-rc1", "v15", "v", "15", "4", "rc1", "rc", "1"));
  EXPECT_THAT(
      SplitWords("/etc/postgresql/postgresql.conf"),
      ElementsAre("etc/postgresql/postgresql.conf", "etc", "postgresql", "postgresql.conf", "postgresql", "conf"));
  EXPECT_THAT(SplitWords("C:\\Temp\\a_b"), ElementsAre("c", "temp\\a_b", "temp", "a_b", "a", "b"));
  EXPECT_THAT(SplitWords("pg_catalog.pg_class"),
              ElementsAre("pg_catalog.pg_class", "pg_catalog", "pg", "catalog", "pg_class", "pg", "class"));
  EXPECT_THAT(SplitWords("See it. Then"), ElementsAre("see", "it", "then"));
}

TEST(Words, WidthAndCompatibilityFormsAreOneWord) {
  EXPECT_THAT(SplitWords("ＰｏｓｔｇｒｅＳＱＬ　１５．４"), SplitWords("PostgreSQL 15.4"));
  EXPECT_THAT(SplitWords("①"), ElementsAre("1"));
  EXPECT_THAT(SplitWords("ﾃﾞｰﾀ"), SplitWords("データ"));
  EXPECT_THAT(SplitWords("infor\u00ADmation"), SplitWords("information"));
  EXPECT_THAT(SplitWords("one\u200Btwo"), ElementsAre("one", "two"));
  EXPECT_THAT(SplitWords("ﬁle"), ElementsAre("file"));
}

TEST(Words, AccentsAndGerman) {
  EXPECT_THAT(SplitWords("Café"), ElementsAre("café", "cafe"));
  EXPECT_THAT(SplitWords("Cafe\u0301"), ElementsAre("café", "cafe"));
  EXPECT_THAT(SplitWords("Straße"), SplitWords("STRASSE"));
  EXPECT_THAT(SplitWords("Größenänderung"), ElementsAre("grössenänderung", "grossenanderung"));
  EXPECT_THAT(SplitWords("ÉCOLE"), SplitWords("école"));
}

TEST(Words, OtherScriptsAreFoldedWords) {
  EXPECT_THAT(SplitWords("Привет, МИР"), ElementsAre("привет", "мир"));
  EXPECT_THAT(SplitWords("ΣΊΣΥΦΟΣ"), SplitWords("σίσυφος"));
  EXPECT_THAT(SplitWords("مرحبا بالعالم"), ElementsAre("مرحبا", "بالعالم"));
  EXPECT_THAT(SplitWords("שלום עולם"), ElementsAre("שלום", "עולם"));
  EXPECT_THAT(SplitWords("हिन्दी"), ElementsAre("हिन्दी"));
  EXPECT_THAT(SplitWords("😀 🚀👩‍💻 ok"), ElementsAre("ok"));
}

TEST(Words, ChineseGivesCharactersAndPairs) {
  EXPECT_THAT(SplitWords("索引类型"), ElementsAre("索", "索引", "引", "引类", "类", "类型", "型"));
  EXPECT_THAT(SplitWords("索引，类型。"), ElementsAre("索", "索引", "引", "类", "类型", "型"));
  EXPECT_THAT(SplitWords("PostgreSQL的索引类型"), IsSupersetOf({"postgresql", "的", "的索", "索引", "类型"}));
  EXPECT_THAT(SplitWords("第3章"), ElementsAre("第", "3", "章"));
  EXPECT_THAT(SplitWords("𠀀𠀁"), ElementsAre("𠀀", "𠀀𠀁", "𠀁"));
}

TEST(Words, JapaneseKoreanAndThai) {
  EXPECT_THAT(SplitWords("データ"), ElementsAre("デ", "デー", "ー", "ータ", "タ"));
  EXPECT_THAT(SplitWords("색인 유형"), ElementsAre("색", "색인", "인", "유", "유형", "형"));
  EXPECT_THAT(SplitWords("\u1109\u1162\u11A8"), ElementsAre("색"));
  EXPECT_THAT(QueryWords("ไทย"), ElementsAre("ไท", "ทย"));
}

TEST(Words, AQuestionTakesPairsAndSingleCharactersOnlyAlone) {
  EXPECT_THAT(QueryWords("索引类型"), ElementsAre("索引", "引类", "类型"));
  EXPECT_THAT(QueryWords("索"), ElementsAre("索"));
  EXPECT_THAT(QueryWords("第3章"), ElementsAre("第", "3", "章"));
  EXPECT_THAT(QueryWords("pg_dump 的用法"), ElementsAre("pg_dump", "pg", "dump", "的用", "用法"));
  EXPECT_THAT(QueryWords("runs run"), ElementsAre("run", "run"));
}

// Otherwise a question could say a word that no text can have.
TEST(Words, EveryWordOfAQuestionIsAWordOfTheSameText) {
  for (const char* text :
       {"PostgreSQL的索引类型", "什么是 C++？", "색인 a_b 15.4 Café", "汉\uFE00字 one\u200Btwo 索"}) {
    const auto words = SplitWords(text);
    for (const std::string& word : QueryWords(text)) EXPECT_THAT(words, Contains(word)) << text;
  }
}

TEST(Words, LongWordsBecomeABeginningAndAHash) {
  const std::string a = std::string(100, 'a') + "b";
  const std::string b = std::string(100, 'a') + "c";
  ASSERT_EQ(SplitWords(a).size(), 1u);
  EXPECT_EQ(SplitWords(a)[0].size(), kWordSizeMax);
  EXPECT_EQ(SplitWords(a), SplitWords(a));
  EXPECT_NE(SplitWords(a), SplitWords(b));
  std::string cyrillic;
  for (int i = 0; i < 100; ++i) cyrillic += "ж";
  EXPECT_EQ(FindInvalidUtf8(SplitWords(cyrillic)[0]), std::string_view::npos);
  EXPECT_THAT(SplitWords("0a1b2c3d4e5f6a7b"), ElementsAre("0a1b2c3d4e5f6a7b"));
}

TEST(Words, InvalidUtf8SeparatesWords) {
  EXPECT_THAT(SplitWords("one\xfftwo"), ElementsAre("one", "two"));
  EXPECT_THAT(SplitWords("\xe7\xb4"), IsEmpty());
  EXPECT_THAT(SplitWords("索\xe5\xbc"), ElementsAre("索"));
  EXPECT_THAT(SplitWords(std::string_view("a\0b", 3)), ElementsAre("a", "b"));
}

TEST(Words, RandomBytesNeverBreakTheLimits) {
  std::mt19937 random(1);
  const std::string pieces[] = {"a",      "B",      "_",      ".",      "'s",     "9",        "索", "é",
                                "\u0301", "\u00AD", "\u200B", "\uFE0F", "\xff",   "\xe7\xb4", "/",  " ",
                                "ｱ",      "ไ",      "++",     "#",      "\u2019", "ß",        "İ",  "ﷺ"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = random() % 60; n > 0; --n) {
      if (random() % 8 == 0) {
        text.push_back(static_cast<char>(random()));
      } else {
        text += pieces[random() % std::size(pieces)];
      }
    }
    SplitWords(text, [&](std::string_view word) {
      EXPECT_FALSE(word.empty());
      EXPECT_LE(word.size(), kWordSizeMax);
      EXPECT_EQ(FindInvalidUtf8(word), std::string_view::npos) << testing::PrintToString(text);
    });
    const auto words = SplitWords(text);
    for (const std::string& word : QueryWords(text)) EXPECT_THAT(words, Contains(word)) << testing::PrintToString(text);
  }
}

TEST(Words, AHugeLineIsCutAtItsSpaces) {
  std::string text;
  while (text.size() < (size_t{5} << 20)) text += "索引 types café ";
  size_t pairs = 0;
  SplitWords(text, [&](std::string_view word) { pairs += word == "索引"; });
  EXPECT_EQ(pairs, (text.size()) / std::string_view("索引 types café ").size());
  const std::string solid((size_t{3} << 20) + 5, 'a');
  EXPECT_EQ(SplitWords(solid).size(), 4u);
}

TEST(Words, ThreadsAgree) {
  const std::string text = "Many threads splitting several words repeatedly 索引";
  const auto expected = SplitWords(text);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) EXPECT_EQ(SplitWords(text), expected);
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace ragtime
