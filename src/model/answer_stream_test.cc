// SPDX-License-Identifier: Apache-2.0
//
// Goal: wherever a model's bytes are cut, the same reasoning, answer and whole characters come out, and nothing else.
#include "model/answer_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "text/utf8.h"

namespace ragtime {
namespace {

struct Heard {
  std::string answer;
  std::string reasoning;
  size_t broken_pieces = 0;
};

GenerationResult Stream(const std::vector<std::string>& chunks, Heard& heard, bool starts_in_reasoning = false) {
  const Generator::OnToken on_token = [&](Channel channel, std::string_view text) {
    (channel == Channel::kAnswer ? heard.answer : heard.reasoning) += text;
    heard.broken_pieces += text.empty() || FindInvalidUtf8(text) != std::string_view::npos ? 1 : 0;
    return true;
  };
  AnswerStream stream(on_token);
  if (starts_in_reasoning) stream.StartInReasoning();
  for (const std::string& chunk : chunks) EXPECT_TRUE(stream.Feed(chunk));
  return stream.Finish(chunks.size());
}

struct Case {
  std::string bytes;
  bool starts_in_reasoning;
  std::string answer;
  std::string reasoning;
};

const Case kCases[] = {
    {"Five years [1].", false, "Five years [1].", ""},
    {"<think>\nwell, 五年</think>\n\nFive <think>years</think>.", false, "Five <think>years</think>.", "well, 五年"},
    {"\n <think></think>ok", false, "ok", ""},
    {"<think>never ends </thin", false, "", "never ends </thin"},
    {" <thin ice> is not a tag", false, "<thin ice> is not a tag", ""},
    {"<thin", false, "<thin", ""},
    {"well </</think></think> 五年", true, "</think> 五年", "well </"},
    {"no closing tag", true, "", "no closing tag"},
    {"\n five </think> b", false, "five </think> b", ""},
    {"a\xE4\xBA", false, "a\xEF\xBF\xBD", ""},
    {"\xFF\xE4"
     "b\xF0\x9F\x98\x80",
     false,
     "\xEF\xBF\xBD\xEF\xBF\xBD"
     "b😀",
     ""},
    {"<think>\xE4</think>b", false, "b", "\xEF\xBF\xBD"},
    {"", false, "", ""},
    {" \n", false, "", ""},
};

TEST(AnswerStreamTest, AnyCutGivesTheSameAnswerAndReasoning) {
  std::mt19937_64 random(4);
  for (const Case& c : kCases) {
    for (int round = 0; round < 60; ++round) {
      std::vector<std::string> chunks;
      for (size_t start = 0; start < c.bytes.size();) {
        const size_t size = round == 0 ? c.bytes.size() : round == 1 ? 1 : 1 + random() % 6;
        chunks.push_back(c.bytes.substr(start, size));
        start += size;
      }
      Heard heard;
      const GenerationResult result = Stream(chunks, heard, c.starts_in_reasoning);
      EXPECT_EQ(result.text, c.answer) << c.bytes;
      EXPECT_EQ(result.reasoning, c.reasoning) << c.bytes;
      EXPECT_EQ(heard.answer, result.text);
      EXPECT_EQ(heard.reasoning, result.reasoning);
      EXPECT_EQ(heard.broken_pieces, 0u) << c.bytes;
    }
  }
}

TEST(AnswerStreamTest, NothingIsHeldBackThatCouldBeShown) {
  Heard heard;
  const Generator::OnToken on_token = [&](Channel, std::string_view text) {
    heard.answer += text;
    return true;
  };
  AnswerStream stream(on_token);
  stream.Feed("<b");
  EXPECT_EQ(heard.answer, "<b");
  stream.Feed("<think> 五\xE5\xB9");
  EXPECT_EQ(heard.answer, "<b<think> 五");
  stream.Feed("\xB4");
  EXPECT_EQ(heard.answer, "<b<think> 五年");
}

TEST(AnswerStreamTest, TakesReasoningOfAServersOwnField) {
  Heard heard;
  const Generator::OnToken on_token = [&](Channel channel, std::string_view text) {
    (channel == Channel::kAnswer ? heard.answer : heard.reasoning) += text;
    return true;
  };
  AnswerStream stream(on_token);
  stream.FeedReasoning("\nlet me \xE4\xBA");
  EXPECT_EQ(heard.reasoning, "let me ");
  stream.FeedReasoning("\x94 see");
  stream.Feed("\n\nFive");
  const GenerationResult result = stream.Finish(9);
  EXPECT_EQ(result.reasoning, "let me 五 see");
  EXPECT_EQ(result.text, "Five");
  EXPECT_EQ(result.completion_tokens, 9u);
  EXPECT_GT(result.ttft_ms, 0);
  EXPECT_GE(result.tpot_ms, 0);
}

TEST(AnswerStreamTest, TheReceiverMayStop) {
  int calls = 0;
  const Generator::OnToken on_token = [&](Channel, std::string_view) { return ++calls < 2; };
  AnswerStream stream(on_token);
  EXPECT_TRUE(stream.Feed("a"));
  EXPECT_FALSE(stream.Feed("b"));
  EXPECT_FALSE(stream.Feed("c"));
  EXPECT_EQ(stream.Finish(3).text, "ab");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace ragtime
