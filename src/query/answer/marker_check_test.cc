// SPDX-License-Identifier: Apache-2.0
//
// Goal: only markers of given passages come through, and how the text was cut into pieces never shows.
#include "query/answer/marker_check.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

namespace ragtime {
namespace {

std::string Filter(std::string_view text, size_t passages = 3, const std::vector<size_t>& cuts = {}) {
  MarkerCheck check(passages);
  std::string out;
  size_t start = 0;
  for (const size_t cut : cuts) {
    out += check.Feed(text.substr(start, cut - start));
    start = cut;
  }
  out += check.Feed(text.substr(start));
  return out + check.Finish();
}

TEST(MarkerCheck, KeepsValidMarkersAndDropsOthersWithTheirBlank) {
  EXPECT_EQ(Filter("It is five [1]. And six [4]. Seven[0] [9] [2]"), "It is five [1]. And six. Seven [2]");
  EXPECT_EQ(Filter("[7] Start"), "Start");
  EXPECT_EQ(Filter("[99999999999999999999999] x [000002]"), "x [2]");
  EXPECT_EQ(Filter("恢复备份[1]。[5]"), "恢复备份[1]。");
  EXPECT_EQ(Filter("[[9]7]"), "[(9)7]");  // Not "[7]".
}

TEST(MarkerCheck, TakesListsApart) { EXPECT_EQ(Filter("a [1, 2] b [2,9] c [8, 9] d"), "a [1][2] b [2] c d"); }

TEST(MarkerCheck, LeavesOtherBracketsAlone) {
  for (const char* text : {"see [this](http://x)", "a[i] = [x]", "[", "[]", "[ ]", "[,]", "x [12", "[[1]]", "[1a]"}) {
    EXPECT_EQ(Filter(text), text);
  }
  const std::string wide = "[" + std::string(40, '1') + "]";
  EXPECT_EQ(Filter(wide), wide);
}

TEST(MarkerCheck, DropsWhiteSpaceAtTheEndsAndKeepsLines) {
  EXPECT_EQ(Filter("\n\n a \n b \n"), "a \n b");
  EXPECT_EQ(Filter("a.\n [9] b"), "a.\n b");
  EXPECT_EQ(Filter(" \n [9] \n b"), "b");
  EXPECT_EQ(Filter(""), "");
}

TEST(MarkerCheck, HoldsBackNoMoreThanItMust) {
  MarkerCheck check(2);
  EXPECT_EQ(check.Feed("Hello"), "Hello");
  EXPECT_EQ(check.Feed(" "), "");
  EXPECT_EQ(check.Feed("["), "");
  EXPECT_EQ(check.Feed("1"), "");
  EXPECT_EQ(check.Feed("]"), " [1]");
  EXPECT_EQ(check.valid_markers(), 1u);
  EXPECT_EQ(check.Feed("[3]."), ".");
  EXPECT_EQ(check.removed_markers(), 1u);
  EXPECT_EQ(check.Feed(" [x"), " [x");
  EXPECT_EQ(check.Feed("[" + std::string(33, ' ')), "[");
}

TEST(MarkerCheck, ATrustedWriterWaitsForNothingButWhiteSpace) {
  MarkerCheck check(2, /*trusted=*/true);
  EXPECT_EQ(check.Feed(" ["), "[");
  EXPECT_EQ(check.Feed("1"), "1");
  EXPECT_EQ(check.Feed("]"), "]");
  EXPECT_EQ(check.Feed(" \n"), "");
  EXPECT_EQ(check.Feed("x [2"), " \nx [2");
  EXPECT_EQ(check.Feed("] "), "]");
  EXPECT_EQ(check.Finish(), "");
}

TEST(MarkerCheck, GivesTheSameForEveryCutInTwoAndIntoBytes) {
  const std::string text = "\n A [1]b [ 2 ,3][4]\n[5] c[ [6]]. [2]\n\n 中文【1】 [1";
  const std::string whole = Filter(text);
  std::vector<size_t> bytes;
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Filter(text, 3, {cut}), whole) << cut;
    bytes.push_back(cut);
  }
  EXPECT_EQ(Filter(text, 3, bytes), whole);
}

TEST(MarkerCheck, GivesTheSameForRandomTextsAndCutsAndNeverAnInvalidMarker) {
  constexpr std::string_view kAlphabet = "[[[]]]0123 ,a.\n";
  std::mt19937 random(5);
  const std::regex marker("\\[([0-9, ]*[0-9][0-9, ]*)\\]");
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
    std::vector<size_t> cuts;
    for (size_t cut = 0; cut < text.size(); cut += random() % 7) cuts.push_back(cut);
    const std::string whole = Filter(text, 2);
    ASSERT_EQ(Filter(text, 2, cuts), whole) << text;
    for (std::sregex_iterator it(whole.begin(), whole.end(), marker), end; it != end; ++it) {
      const std::string body = (*it)[1];
      EXPECT_TRUE(body == "1" || body == "2" || body.size() > 32) << text << " -> " << whole;
    }
  }
}

}  // namespace
}  // namespace ragtime
