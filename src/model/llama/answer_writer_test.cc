// SPDX-License-Identifier: Apache-2.0
//
// Goal: guesses change no answer; thinking ends when its tokens are used up; asked again, an answer begins before the
// model does. Method: ScriptedBatchModel refuses wrong batches, and its text depends on every cell a sequence holds.
#include "model/llama/answer_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "model/llama/first_scores.h"
#include "model/llama/scheduler.h"
#include "model/llama/scripted_batch_model.h"
#include "model/llama/scripted_requests.h"

namespace ragtime {
namespace {

TEST(AnswerWriterTest, WhatIsGuessedChangesNoAnswer) {
  std::mt19937 random(11);
  for (const size_t window : {1, 2, 3, 200}) {
    ScriptedBatchModel model(4096, 4);
    model.window = window;
    // A batch costs the same however large it is, so that guessing pays.
    model.before_compute = [](std::span<const BatchToken>) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    SchedulerOptions options = WithMemory();
    options.prompt_lookup = true;
    Scheduler scheduler(model, options);
    for (int i = 0; i < 12; ++i) {
      const std::vector<Token> prompt = RandomTokens(random, 5 + random() % 300);
      const size_t max_tokens = random() % 60;
      const Result<GenerationResult> result = Ask(scheduler, prompt, max_tokens);
      ASSERT_TRUE(result.ok()) << result.status().ToString();
      EXPECT_EQ(result->text, ScriptedBatchModel::Answer(prompt, max_tokens, window)) << "window " << window;
      EXPECT_LE(result->completion_tokens, max_tokens);
    }
    const GeneratorStatistics statistics = scheduler.statistics();
    EXPECT_LE(statistics.right_guesses, statistics.guessed_tokens);
    if (window == 1) {
      EXPECT_GT(statistics.right_guesses, 20u);
    }
  }
  // As much as the cells and the context hold, and no more.
  ScriptedBatchModel tight(40, 4);
  tight.window = 1;
  SchedulerOptions options = WithMemory();
  options.context_tokens = 40;
  options.prompt_lookup = true;
  Scheduler scheduler(tight, options);
  for (int i = 0; i < 10; ++i) {
    const std::vector<Token> prompt = RandomTokens(random, 30);
    const Result<GenerationResult> result = Ask(scheduler, prompt, 100);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_EQ(result->text, ScriptedBatchModel::Answer(prompt, 11, 1));
  }
}

TEST(AnswerWriterTest, ThinkingEndsWhenItsTokensAreUsedUp) {
  std::mt19937 random(11);
  ScriptedBatchModel model(2048, 6);
  Scheduler scheduler(model, WithMemory());
  constexpr size_t kThoughts = 5;
  constexpr size_t kAll = 12;
  int rounds = 0;
  while (rounds < 20) {
    // A prompt whose thoughts do not end by themselves, and what must follow when they are cut off.
    const std::vector<Token> prompt = RandomTokens(random, 30);
    const std::string thoughts = ScriptedBatchModel::Answer(prompt, kThoughts);
    if (thoughts.size() != 2 * kThoughts) continue;
    std::vector<Token> closed = prompt;
    for (size_t i = 0; i < kThoughts; ++i) closed.push_back(thoughts[2 * i] - '0');
    closed.push_back(ScriptedBatchModel::kCloseThink);
    const std::string rest = ScriptedBatchModel::Answer(closed, kAll - kThoughts - 1);
    const std::string whole = ScriptedBatchModel::Answer(prompt, kAll);
    if (rest.find('<') != std::string::npos || whole.find('<') != std::string::npos) continue;
    ++rounds;
    std::string streamed;
    const Generator::OnToken on_token = [&](Channel channel, std::string_view text) {
      if (channel == Channel::kReasoning) streamed += text;
      return true;
    };
    AnswerStream answer(on_token);
    answer.StartInReasoning();
    GenerationRequest request;
    request.max_tokens = kAll;
    const Result<GenerationResult> result = scheduler.Run(
        {}, prompt, request, answer,
        {.thinking = {.tokens_max = kThoughts, .open = true, .close = {ScriptedBatchModel::kCloseThink}}});
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_EQ(result->reasoning, thoughts);
    EXPECT_EQ(streamed, thoughts);
    EXPECT_EQ(result->text, rest);

    // Who does not think is not interrupted.
    AnswerStream plain(on_token);
    const Result<GenerationResult> answered = scheduler.Run(
        {}, prompt, request, plain,
        {.thinking = {.tokens_max = kThoughts, .open = false, .close = {ScriptedBatchModel::kCloseThink}}});
    ASSERT_TRUE(answered.ok());
    EXPECT_EQ(answered->text, whole);
    EXPECT_EQ(answered->reasoning, "");
  }
}

TEST(AnswerWriterTest, AskedAgainAnAnswerBeginsBeforeTheModelDoes) {
  std::mt19937 random(21);
  ScriptedBatchModel model(2048, 6);
  Scheduler scheduler(model, WithMemory());
  const std::vector<Token> prompt = RandomTokens(random, 100);
  const std::vector<Token> other = RandomTokens(random, 100);
  ExpectAnswer(Ask(scheduler, prompt), prompt);
  for (const bool is_resident : {true, false}) {
    if (!is_resident) ExpectAnswer(Ask(scheduler, other), other);
    std::promise<void> begun;
    std::atomic<bool> came_first = true;
    std::atomic<bool> computes = false;
    model.before_compute = [&](std::span<const BatchToken>) {
      if (computes.exchange(true)) return;
      came_first = begun.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    };
    const size_t before = model.computed;
    bool is_first = true;
    const Generator::OnToken receiver = [&](Channel, std::string_view) {
      if (std::exchange(is_first, false)) begun.set_value();
      return true;
    };
    AnswerStream answer(receiver);
    GenerationRequest request;
    request.max_tokens = 8;
    const Result<GenerationResult> result = scheduler.Run({}, prompt, request, answer);
    ExpectAnswer(result, prompt);
    EXPECT_TRUE(came_first) << "resident: " << is_resident;
    EXPECT_TRUE(computes);
    EXPECT_EQ(result->cached_tokens, prompt.size() - 1);
    // The prompt's last token and all of the answer but its last one, as at the first time.
    EXPECT_EQ(model.computed - before, result->completion_tokens);
    model.before_compute = nullptr;
  }
  // One token is all that is wanted: nothing is computed.
  const size_t before = model.computed;
  const Result<GenerationResult> one = Ask(scheduler, prompt, 1);
  ExpectAnswer(one, prompt, 1);
  EXPECT_EQ(one->cached_tokens, prompt.size());
  EXPECT_EQ(model.computed, before);
  // Without reuse everything is computed each time.
  SchedulerOptions options = WithMemory();
  options.reuse = false;
  ScriptedBatchModel plain_model(2048, 6);
  Scheduler plain(plain_model, options);
  for (size_t round = 1; round <= 2; ++round) {
    ExpectAnswer(Ask(plain, prompt, 1), prompt, 1);
    EXPECT_EQ(plain_model.computed, round * prompt.size());
  }
}

TEST(FirstScoresTest, TheLastPromptsAreKnown) {
  const std::vector<float> scores(100, 1.0f);
  FirstScores known(3 * (100 * sizeof(float) + 2 * sizeof(Token)));
  const auto prompt = [](Token token) { return std::vector<Token>{token, 2}; };
  for (Token token = 0; token < 10; ++token) {
    known.Keep(prompt(token), scores);
    EXPECT_EQ(known.Find(prompt(0)).empty(), false) << "what is used stays, at " << token;
    EXPECT_FALSE(known.Find(prompt(token)).empty());
  }
  EXPECT_TRUE(known.Find(prompt(5)).empty());
  FirstScores small(1);
  small.Keep(prompt(1), scores);
  EXPECT_EQ(small.Find(prompt(1)).size(), scores.size());
  small.Keep(prompt(2), scores);
  EXPECT_TRUE(small.Find(prompt(1)).empty());
}

TEST(AnswerWriterTest, NothingIsComputedBeforeTheFirstTokenIsWithItsReader) {
  std::mt19937 random(13);
  ScriptedBatchModel model(2048, 4);
  std::atomic<size_t> answer_starts = 0;  // What is computed before this position is the prompt.
  std::atomic<bool> reads = false;
  std::atomic<int> computed = 0;
  std::atomic<int> too_early = 0;
  model.before_compute = [&](std::span<const BatchToken> batch) {
    if (batch.back().position < answer_starts) return;
    ++computed;
    if (!reads) ++too_early;
  };
  SchedulerOptions options = WithMemory();
  options.hand_over_ms_max = 600'000;
  Scheduler scheduler(model, options);
  std::vector<Token> prompt;
  do {
    prompt = RandomTokens(random, 100);
  } while (ScriptedBatchModel::Answer(prompt, 8) == ScriptedBatchModel::Answer(prompt, 7));  // It ends before.
  const auto ask = [&](const Generator::OnToken& reader, const Context& context = {}) {
    AnswerStream answer(reader);
    GenerationRequest request;
    request.max_tokens = 8;
    return scheduler.Run(context, prompt, request, answer);
  };
  // The first token is computed, and then known before anything is.
  for (const size_t starts : {prompt.size(), size_t{0}}) {
    answer_starts = starts;
    reads = false;
    computed = 0;
    const Generator::OnToken slow_reader = [&](Channel, std::string_view) {
      if (!reads) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      reads = true;
      return true;
    };
    ExpectAnswer(ask(slow_reader), prompt);
    EXPECT_GT(computed, 0);
    EXPECT_EQ(too_early, 0);
  }
  // Who leaves at once is not waited for.
  EXPECT_TRUE(ask([](Channel, std::string_view) { return false; }).ok());
  std::stop_source stop;
  const Generator::OnToken cancelled = [&](Channel, std::string_view) { return stop.request_stop(); };
  EXPECT_EQ(ask(cancelled, {.stop = stop.get_token()}).status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace ragtime
