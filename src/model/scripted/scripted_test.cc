// SPDX-License-Identifier: Apache-2.0
//
// Goal: the models of the tests keep the contracts of Embedder and Generator, so that what passes with them can be
// trusted.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/stopwatch.h"
#include "model/scripted/scripted_embedder.h"
#include "model/scripted/scripted_generator.h"

namespace ragtime {
namespace {

float Cosine(const std::vector<float>& rows, size_t a, size_t b, size_t dimension) {
  float sum = 0;
  for (size_t i = 0; i < dimension; ++i) sum += rows[a * dimension + i] * rows[b * dimension + i];
  return sum;
}

TEST(ScriptedEmbedderTest, TextsThatShareWordsAreNear) {
  ScriptedEmbedder embedder;
  const std::vector<std::string> texts = {
      "How long is the boiler covered by the guarantee?",
      "The guarantee: how LONG the boiler is covered.",
      "Bees dance to tell their sisters where flowers bloom",
      "锅炉的保修期有多长",
      "这台锅炉的保修期是五年",
      "蜜蜂跳舞告诉同伴花在哪里",
  };
  const Result<std::vector<float>> rows = embedder.Embed({}, texts, TextKind::kPassage);
  ASSERT_TRUE(rows.ok());
  const size_t dimension = embedder.info().dimension;
  ASSERT_EQ(rows->size(), texts.size() * dimension);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_NEAR(Cosine(*rows, i, i, dimension), 1.0f, 1e-5f);
  const float threshold = embedder.info().found_threshold;
  EXPECT_GT(Cosine(*rows, 0, 1, dimension), 0.7f);
  EXPECT_GT(Cosine(*rows, 3, 4, dimension), threshold);
  EXPECT_LT(Cosine(*rows, 0, 2, dimension), threshold);
  EXPECT_LT(Cosine(*rows, 3, 5, dimension), threshold);
}

TEST(ScriptedEmbedderTest, UnrelatedTextsStayBelowTheThreshold) {
  ScriptedEmbedder embedder;
  const size_t dimension = embedder.info().dimension;
  std::vector<std::string> texts;
  for (int t = 0; t < 100; ++t) {
    std::string text = "this is the one of";
    for (int w = 0; w < 20; ++w) text += " word" + std::to_string(t * 20 + w);
    texts.push_back(text);
  }
  const Result<std::vector<float>> rows = embedder.Embed({}, texts, TextKind::kPassage);
  ASSERT_TRUE(rows.ok());
  int above = 0;
  for (size_t a = 0; a < texts.size(); ++a) {
    for (size_t b = 0; b < a; ++b) above += Cosine(*rows, a, b, dimension) > embedder.info().found_threshold ? 1 : 0;
  }
  EXPECT_LE(above, 100) << "of 4950 pairs";
}

TEST(ScriptedEmbedderTest, DependsOnTheTextAlone) {
  ScriptedEmbedder embedder({.dimension = 8});
  ScriptedEmbedder other({.dimension = 8});
  const std::vector<std::string> texts = {"", "a", "...", "a b", "\xff\xfe"};
  const Result<std::vector<float>> rows = embedder.Embed({}, texts, TextKind::kQuery);
  ASSERT_TRUE(rows.ok());
  for (size_t i = 0; i < texts.size(); ++i) {
    const Result<std::vector<float>> one = other.Embed({}, std::vector<std::string>{texts[i]}, TextKind::kPassage);
    ASSERT_TRUE(one.ok());
    EXPECT_NEAR(Cosine(*one, 0, 0, 8), 1.0f, 1e-5f);
    EXPECT_EQ(*one, std::vector<float>(rows->begin() + static_cast<ptrdiff_t>(i * 8),
                                       rows->begin() + static_cast<ptrdiff_t>(i * 8 + 8)));
  }
  EXPECT_EQ(embedder.calls(), 1u);
  EXPECT_EQ(other.texts_embedded(), texts.size());
}

TEST(ScriptedEmbedderTest, CountsWordsMarksAndCjkCharacters) {
  const ScriptedEmbedder embedder;
  EXPECT_EQ(embedder.CountTokens(""), 0u);
  EXPECT_EQ(embedder.CountTokens("Two words."), 3u);
  EXPECT_EQ(embedder.CountTokens("锅炉 E5，五年"), 6u);
}

TEST(ScriptedEmbedderTest, FailsAndWaitsAsTold) {
  int calls = 0;
  ScriptedEmbedder embedder(
      {.fail = [&](std::span<const std::string>) { return ++calls == 2 ? UnavailableError("gone") : Status(); }});
  const std::vector<std::string> texts = {"a"};
  EXPECT_TRUE(embedder.Embed({}, texts, TextKind::kQuery).ok());
  EXPECT_EQ(embedder.Embed({}, texts, TextKind::kQuery).status(), UnavailableError("gone"));
  EXPECT_TRUE(embedder.Embed({}, texts, TextKind::kQuery).ok());
  EXPECT_EQ(embedder.texts_embedded(), 2u);

  ScriptedEmbedder slow({.delay_ms = 60000});
  Context context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_EQ(slow.Embed(context, texts, TextKind::kQuery).status().code(), StatusCode::kDeadlineExceeded);
}

GenerationRequest Ask(std::string question) {
  GenerationRequest request;
  request.messages = {{"user", std::move(question)}};
  return request;
}

TEST(ScriptedGeneratorTest, StreamsTheReplyWordByWord) {
  ScriptedGenerator generator(
      std::vector<ScriptedReply>{{.text = "Five years, 五年 [1]. ", .reasoning = "let me see"}, {.text = "Second."}});
  std::vector<std::pair<Channel, std::string>> pieces;
  const auto collect = [&](Channel channel, std::string_view text) {
    pieces.emplace_back(channel, text);
    return true;
  };
  const Result<GenerationResult> first = generator.Generate({}, Ask("How long?"), collect);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->text, "Five years, 五年 [1]. ");
  EXPECT_EQ(first->reasoning, "let me see");
  EXPECT_EQ(first->prompt_tokens, 3u);
  EXPECT_EQ(first->completion_tokens, pieces.size());
  EXPECT_FALSE(first->truncated);
  ASSERT_GT(pieces.size(), 8u);
  EXPECT_EQ(pieces[0], std::make_pair(Channel::kReasoning, std::string("let")));
  EXPECT_EQ(pieces[6], std::make_pair(Channel::kAnswer, std::string(" 五")));
  std::string joined;
  for (const auto& [channel, text] : pieces) {
    if (channel == Channel::kAnswer) joined += text;
  }
  EXPECT_EQ(joined, first->text);

  EXPECT_EQ(generator.Generate({}, Ask("b"), nullptr)->text, "Second.");
  EXPECT_EQ(generator.Generate({}, Ask("c"), nullptr)->text, "Second.");
  ASSERT_EQ(generator.calls(), 3u);
  EXPECT_EQ(generator.requests()[1].messages[0].content, "b");
}

TEST(ScriptedGeneratorTest, FailsTruncatesAndStopsAsTold) {
  ScriptedGenerator generator([](const GenerationRequest& request) {
    ScriptedReply reply{.text = "one two three"};
    if (request.messages[0].content == "fail") {
      reply.error = UnavailableError("gone");
      reply.words_before_error = 2;
    }
    return reply;
  });
  std::string streamed;
  const auto collect = [&](Channel, std::string_view text) {
    streamed += text;
    return true;
  };
  EXPECT_EQ(generator.Generate({}, Ask("fail"), collect).status(), UnavailableError("gone"));
  EXPECT_EQ(streamed, "one two");

  GenerationRequest request = Ask("x");
  request.max_tokens = 2;
  const Result<GenerationResult> cut = generator.Generate({}, request, nullptr);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->text, "one two");
  EXPECT_TRUE(cut->truncated);

  const Result<GenerationResult> stopped =
      generator.Generate({}, Ask("x"), [](Channel, std::string_view) { return false; });
  ASSERT_TRUE(stopped.ok());
  EXPECT_EQ(stopped->text, "one");
}

TEST(ScriptedGeneratorTest, ObeysTheContext) {
  ScriptedGenerator generator(std::vector<ScriptedReply>{{.text = "slow", .delay_ms = 60000}});
  std::stop_source source;
  Context context;
  context.stop = source.get_token();
  std::jthread canceller([&] { source.request_stop(); });
  const Stopwatch stopwatch;
  EXPECT_EQ(generator.Generate(context, Ask("x"), nullptr).status().code(), StatusCode::kCancelled);
  EXPECT_LT(stopwatch.ElapsedMs(), 10000);
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "word ";
  EXPECT_EQ(generator.Generate({}, Ask(words), nullptr).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace ragtime
