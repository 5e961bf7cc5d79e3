// SPDX-License-Identifier: Apache-2.0
//
// Goal: sentences end where a reader of English or Chinese would end them, and the ranges cover any bytes exactly once.
#include "text/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/stopwatch.h"

namespace ragtime {
namespace {

using ::testing::ElementsAre;

// The sentences without the white space around them.
std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> sentences;
  uint64_t end = 0;
  for (const Span& span : SplitSentences(text)) {
    EXPECT_EQ(span.start, end);
    EXPECT_LT(span.start, span.end);
    end = span.end;
    std::string sentence(text.substr(span.start, span.end - span.start));
    while (!sentence.empty() && std::isspace(static_cast<unsigned char>(sentence.back()))) sentence.pop_back();
    sentence.erase(0, sentence.find_first_not_of(" \t\r\n"));
    sentences.push_back(sentence);
  }
  EXPECT_EQ(end, text.size());
  return sentences;
}

TEST(SplitSentences, EndsEnglishSentences) {
  EXPECT_THAT(Split("One is here. Two?  Three!\nFour"), ElementsAre("One is here.", "Two?", "Three!", "Four"));
  EXPECT_THAT(Split("He said \"stop.\" Then (so it seems.) he left."),
              ElementsAre("He said \"stop.\"", "Then (so it seems.)", "he left."));
  EXPECT_THAT(Split("A line that goes\non here. Next"), ElementsAre("A line that goes\non here.", "Next"));
  EXPECT_THAT(Split("What?! No... Well"), ElementsAre("What?!", "No...", "Well"));
  EXPECT_THAT(Split("wait... for it. \"What?\" he asked. **Bold.** Next."),
              ElementsAre("wait... for it.", "\"What?\" he asked.", "**Bold.**", "Next."));
}

TEST(SplitSentences, EndsChineseSentences) {
  EXPECT_THAT(Split("先备份。再升级！好吗？行；走"), ElementsAre("先备份。", "再升级！", "好吗？", "行；", "走"));
  EXPECT_THAT(Split("他说：“先备份。”然后离开（真的！）。完"),
              ElementsAre("他说：“先备份。”", "然后离开（真的！）。", "完"));
  EXPECT_THAT(Split("他说\"好。\"走了。\"行\"。"), ElementsAre("他说\"好。\"", "走了。", "\"行\"。"));
  EXPECT_THAT(Split("等等……好的。什么？！没有"), ElementsAre("等等……", "好的。", "什么？！", "没有"));
  EXPECT_THAT(Split("“停！”，他说。走"), ElementsAre("“停！”，他说。", "走"));
  EXPECT_THAT(Split("「開始！」と言った。終わり"), ElementsAre("「開始！」", "と言った。", "終わり"));
}

TEST(SplitSentences, EndsMixedSentences) {
  EXPECT_THAT(Split("Ragtime 3.14 很快。It works, e.g. 用 C++20.下一句 Really?是的"),
              ElementsAre("Ragtime 3.14 很快。", "It works, e.g. 用 C++20.下一句 Really?", "是的"));
  EXPECT_THAT(Split("It is fast.下一句。"), ElementsAre("It is fast.", "下一句。"));
}

TEST(SplitSentences, KeepsAbbreviationsNumbersNamesAndAddresses) {
  for (const std::string_view text :
       {"Use it, e.g. when Dr. Smith calls, i.e. often", "Version 3.14 of file.name at http://a.b/c?d=e!f is out",
        "See No. 5 and Fig. 3 on p. 7 of vol. 2", "J. R. Smith and the U.S. Navy", "Write a, b, etc. and go on",
        "1. Install it", "27.1. WAL Configuration", "Table 9.1. Comparison Operators", "Call foo.bar() on 10.0.0.1 now",
        "Tom vs. Jerry at 5 p.m. on Jan. 3"}) {
    EXPECT_THAT(Split(text), ElementsAre(text));
  }
  EXPECT_THAT(Split("The answer is no. Next"), ElementsAre("The answer is no.", "Next"));
  EXPECT_THAT(Split("Apples, pears, etc. They are fruit"), ElementsAre("Apples, pears, etc.", "They are fruit"));
  EXPECT_THAT(Split("It costs 5. Pay."), ElementsAre("It costs 5.", "Pay."));
}

TEST(SplitSentences, EndsAtEmptyLinesAndListItems) {
  EXPECT_THAT(Split("a title\n\nand text\r\n \r\nmore\n"), ElementsAre("a title", "and text", "more"));
  EXPECT_THAT(Split("Steps:\n- one\n- two\n  goes on\n* three\n1. four\n2) five\nText"),
              ElementsAre("Steps:", "- one", "- two\n  goes on", "* three", "1. four", "2) five", "Text"));
  EXPECT_THAT(Split("| a | b |\n|---|---|\n| c | d |\n"), ElementsAre("| a | b |", "|---|---|", "| c | d |"));
  EXPECT_THAT(Split("a | b\nc | d\n"), ElementsAre("a | b", "c | d"));
  EXPECT_THAT(Split("# Title\ntext\nSetext\n======\nmore"), ElementsAre("# Title", "text\nSetext\n======", "more"));
  EXPECT_THAT(Split("步骤：\n一、备份\n二、升级\n1、完成"), ElementsAre("步骤：", "一、备份", "二、升级", "1、完成"));
}

TEST(SplitSentences, HasNoSentenceOfWhiteSpaceAlone) {
  EXPECT_TRUE(SplitSentences("").empty());
  EXPECT_EQ(SplitSentences(" \n\n ").size(), 1u);
  EXPECT_THAT(Split("\n\n a.  \n \n \n b\n- c\n   \n"), ElementsAre("a.", "b", "- c"));
}

TEST(SplitSentences, CoversAnyBytes) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces = {
      "a",  "Dr", ".",   "!", "?", " ",    "\n",       "\n\n",     "\r\n", "\"",   ")",  "。", "”",       "……",
      "中", "- ", "1. ", "|", "#", "\xff", "\xe4\xb8", "\xf0\x9f", "\0",   "e.g.", "\t", "=",  "\xc2\xa0"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t i = random() % 40; i > 0; --i) text += pieces[random() % pieces.size()];
    const size_t ink = text.find_first_not_of(" \t\r\n\xc2\xa0");
    for (const std::string& sentence : Split(text)) {
      EXPECT_TRUE(ink == std::string::npos || !sentence.empty()) << testing::PrintToString(text);
    }
  }
}

TEST(SplitSentences, TakesLinearTime) {
  // A quadratic scan would take minutes on any of these.
  const size_t size = 4 << 20;
  for (const std::string piece :
       {"a", ".", " ", "\n", "\" ", ". ", "a.", "…", ")", "1", "-", "\n \n", "|", "e.g. ", "。", ".)", "\xff"}) {
    std::string text;
    while (text.size() < size) text += piece;
    Stopwatch stopwatch;
    SplitSentences(text);
    EXPECT_LT(stopwatch.ElapsedMs(), 5000) << piece;
  }
}

}  // namespace
}  // namespace ragtime
