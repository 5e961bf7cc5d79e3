// SPDX-License-Identifier: Apache-2.0
//
// Goal: nodes cover every character of a text, in order and within the limit of tokens, and stand under the right
// headings.
#include "ingest/split/sentence_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/stopwatch.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A token for each word of at most 4 bytes and for each CJK character; longer words count a token for every 4 bytes.
size_t CountTokens(std::string_view text) {
  size_t tokens = 0;
  size_t word = 0;
  for (size_t i = 0; i < text.size();) {
    const DecodedCharacter character = DecodeUtf8(text, i);
    i += character.size_bytes;
    if (IsSpace(character.code_point)) {
      word = 0;
    } else if (IsCjk(character.code_point)) {
      ++tokens;
      word = 0;
    } else if (word++ % 4 == 0) {
      ++tokens;
    }
  }
  return tokens;
}

Document MakeDocument(std::string text, std::vector<Heading> headings = {}) {
  Document document;
  document.text = std::move(text);
  document.headings = std::move(headings);
  if (!document.text.empty()) document.runs = {{0, 0, true, document.text.size()}};
  return document;
}

std::vector<Node> Split(const Document& document, size_t size, size_t overlap) {
  auto nodes = SentenceSplitter(size, overlap, CountTokens).Split(document);
  EXPECT_TRUE(nodes.ok());
  return nodes.ok() ? *nodes : std::vector<Node>();
}

std::vector<std::string> Texts(const std::vector<Node>& nodes) {
  std::vector<std::string> texts;
  for (const Node& node : nodes) texts.push_back(node.text);
  return texts;
}

// What must hold for every document and every size.
void CheckNodes(const Document& document, const std::vector<Node>& nodes, size_t size) {
  uint64_t covered = 0;
  uint64_t last_start = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    ASSERT_TRUE(node.bytes.has_value());
    ASSERT_EQ(node.position, i);
    ASSERT_EQ(document.text.substr(node.bytes->start, node.bytes->end - node.bytes->start), node.text);
    ASSERT_FALSE(node.text.empty());
    ASSERT_FALSE(IsSpace(DecodeUtf8(node.text, 0).code_point));
    ASSERT_FALSE(IsSpace(static_cast<unsigned char>(node.text.back())));
    const bool one_character = DecodeUtf8(node.text, 0).size_bytes == node.text.size();
    ASSERT_TRUE(CountTokens(node.text) <= size || one_character) << node.text;
    if (i > 0) {
      ASSERT_GT(node.bytes->start, last_start);
      ASSERT_GT(node.bytes->end, covered);
    }
    for (uint64_t b = covered; b < node.bytes->start;) {
      const DecodedCharacter between = DecodeUtf8(document.text, b);
      ASSERT_TRUE(IsSpace(between.code_point)) << "lost before node " << i;
      b += between.size_bytes;
    }
    covered = node.bytes->end;
    last_start = node.bytes->start;
    // The oracle of the heading path: the last heading of each level, outer levels closing inner ones.
    std::vector<std::pair<int, std::string>> path;
    for (const Heading& heading : document.headings) {
      if (heading.text_start > node.bytes->start) break;
      while (!path.empty() && path.back().first >= heading.level) path.pop_back();
      path.push_back({heading.level, heading.title});
    }
    std::vector<std::string> titles;
    for (const auto& [level, title] : path) titles.push_back(title);
    ASSERT_EQ(node.heading, titles);
  }
  for (uint64_t b = covered; b < document.text.size();) {
    const DecodedCharacter rest = DecodeUtf8(document.text, b);
    ASSERT_TRUE(IsSpace(rest.code_point)) << "lost at the end";
    b += rest.size_bytes;
  }
}

TEST(SentenceSplitter, PacksSentencesAndRepeatsWholeOnes) {
  const Document document = MakeDocument("One is a. Two is b. Three c. Four d.\n");
  EXPECT_THAT(Texts(Split(document, 100, 0)), ElementsAre("One is a. Two is b. Three c. Four d."));
  EXPECT_THAT(Texts(Split(document, 7, 0)), ElementsAre("One is a. Two is b.", "Three c. Four d."));
  EXPECT_THAT(Texts(Split(document, 7, 3)),
              ElementsAre("One is a. Two is b.", "Two is b. Three c.", "Three c. Four d."));
}

TEST(SentenceSplitter, CutsALongSentenceAtLinesThenCommasThenSpacesThenCharacters) {
  EXPECT_THAT(Texts(Split(MakeDocument("aa bb cc\ndd ee ff"), 3, 0)), ElementsAre("aa bb cc", "dd ee ff"));
  EXPECT_THAT(Texts(Split(MakeDocument("aa bb, cc dd, ee"), 3, 0)), ElementsAre("aa bb,", "cc dd, ee"));
  EXPECT_THAT(Texts(Split(MakeDocument("先备份数据，再升级程序，完成"), 6, 0)),
              ElementsAre("先备份数据，", "再升级程序，", "完成"));
  EXPECT_THAT(Texts(Split(MakeDocument("aa bb cc dd"), 2, 0)), ElementsAre("aa bb", "cc dd"));
  EXPECT_THAT(Texts(Split(MakeDocument("一二三四五"), 2, 0)), ElementsAre("一二", "三四", "五"));
}

TEST(SentenceSplitter, StartsANodeAtEachHeadingButKeepsAFewWordsWithADeeperOne) {
  const std::string text = "Guide\n\nInstall\n\nRun the setup. It takes a while to finish all of it.\n\nUse\n\nAsk it.";
  const Document document =
      MakeDocument(text, {{0, 1, "Guide"}, {text.find("Install"), 2, "Install"}, {text.find("Use"), 2, "Use"}});
  const std::vector<Node> nodes = Split(document, 40, 10);
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_THAT(nodes[0].heading, ElementsAre("Guide"));
  EXPECT_TRUE(nodes[0].text.ends_with("all of it."));
  EXPECT_EQ(nodes[1].text, "Use\n\nAsk it.");
  EXPECT_THAT(nodes[1].heading, ElementsAre("Guide", "Use"));
}

TEST(SentenceSplitter, KeepsFencedCodeInOnePieceIfItFits) {
  const std::string code = "```sh\n- one. Two! Three?\n\n1. four\n```";
  const Document document = MakeDocument("Do the following thing now. And then.\n\n" + code + "\n\nIt is done.");
  for (const size_t size : {20, 24, 30}) {
    bool whole = false;
    for (const std::string& node : Texts(Split(document, size, 4)))
      whole = whole || node.find(code) != std::string::npos;
    EXPECT_TRUE(whole) << size;
  }
  CheckNodes(document, Split(document, 5, 0), 5);
}

TEST(SentenceSplitter, HasNoNodesForWhiteSpace) {
  EXPECT_THAT(Split(MakeDocument(""), 10, 2), IsEmpty());
  EXPECT_THAT(Split(MakeDocument(" \n\n\t "), 10, 2), IsEmpty());
}

TEST(SentenceSplitter, DescribesHowItCuts) {
  const SentenceSplitter a(256, 32, CountTokens);
  EXPECT_EQ(a.group(), "sentence-256");
  EXPECT_NE(a.description(), SentenceSplitter(256, 16, CountTokens).description());
  EXPECT_NE(a.description(), SentenceSplitter(128, 32, CountTokens).description());
}

TEST(SentenceSplitter, CoversGeneratedDocumentsAtEverySize) {
  std::mt19937 random(11);
  const std::vector<std::string> pieces = {"word", "a",    "longerword", "中文", "。",    ". ",    ", ",      " ",
                                           "\n",   "\n\n", "- ",         "？",   "e.g. ", "```\n", "\n```\n", "３.",
                                           "\"",   "…",    "，",         "| ",   "1. ",   "\t",    "x=1;",    "\u00a0"};
  for (int round = 0; round < 1500; ++round) {
    std::string text;
    for (size_t i = random() % 120; i > 0; --i) text += pieces[random() % pieces.size()];
    std::set<uint64_t> starts;
    for (size_t i = random() % 6; i > 0 && !text.empty(); --i) {
      const uint64_t start = CharacterStart(text, random() % text.size());
      if (!IsSpace(DecodeUtf8(text, start).code_point)) starts.insert(start);
    }
    std::vector<Heading> headings;
    for (const uint64_t start : starts)
      headings.push_back({start, static_cast<int>(1 + random() % 4), std::to_string(start)});
    const Document document = MakeDocument(text, headings);
    const size_t size = 1 + random() % 40;
    CheckNodes(document, Split(document, size, random() % 20), size);
    if (HasFatalFailure()) FAIL() << testing::PrintToString(text);
  }
}

TEST(SentenceSplitter, TakesTimeInProportionToTheText) {
  // Each of these would take minutes if some piece were counted again and again.
  for (const std::string piece : {"a", " ", "a ", "中", "a, ", "a\n", "。", "```\n", "# a\n\n", "\n"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += piece;
    size_t counted = 0;
    Stopwatch stopwatch;
    const SentenceSplitter splitter(64, 16, [&](std::string_view part) {
      counted += part.size();
      return CountTokens(part);
    });
    ASSERT_TRUE(splitter.Split(MakeDocument(text)).ok());
    EXPECT_LT(counted, 12 * text.size()) << piece;
    EXPECT_LT(stopwatch.ElapsedMs(), 10000) << piece;
  }
}

}  // namespace
}  // namespace ragtime
