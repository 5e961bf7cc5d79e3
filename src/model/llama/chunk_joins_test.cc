// SPDX-License-Identifier: Apache-2.0
//
// Goal: chunks are loaded wherever they stand, once they were computed anywhere, and what was loaded so is never kept.
// Method: ScriptedBatchModel refuses wrong batches, and its text depends on every cell a sequence holds.
#include "model/llama/chunk_joins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "model/llama/scheduler.h"
#include "model/llama/scripted_batch_model.h"
#include "model/llama/scripted_requests.h"

namespace ragtime {
namespace {

TEST(ChunkJoinsTest, ChunksAreJoinedWhereverTheyStand) {
  std::mt19937 random(13);
  ScriptedBatchModel model(4096, 6);
  SchedulerOptions options = WithMemory();
  options.context_tokens = 1024;
  Scheduler scheduler(model, options);
  const std::vector<Token> system = RandomTokens(random, 40);
  std::vector<std::vector<Token>> chunks;
  for (int i = 0; i < 4; ++i) chunks.push_back(RandomTokens(random, 80 + random() % 40));
  const auto ask = [&](bool joins) {
    std::shuffle(chunks.begin(), chunks.end(), random);
    std::vector<Token> prompt = system;
    RunOptions run{.joins = joins};
    for (size_t i = 0; i < 3; ++i) {
      prompt.push_back(static_cast<Token>(i));  // Its number.
      run.chunks.push_back({prompt.size(), prompt.size() + chunks[i].size()});
      prompt = Joined(prompt, chunks[i]);
    }
    prompt = Joined(prompt, RandomTokens(random, 12));
    const Generator::OnToken none;
    AnswerStream answer(none);
    GenerationRequest request;
    request.max_tokens = 6;
    Result<GenerationResult> result = scheduler.Run({}, prompt, request, answer, run);
    ExpectAnswer(result, prompt, 6);
    EXPECT_LT(result->cached_tokens, result->prompt_tokens);
    return prompt.size() - result->cached_tokens;
  };
  for (int i = 0; i < 3; ++i) ask(false);
  EXPECT_EQ(scheduler.statistics().joined_tokens, 0u);
  // Each has stood behind another one twice by then, and was computed apart while nobody asked.
  size_t least = 1000;
  for (int i = 0; i < 200 && least > 100; ++i) {
    least = std::min(least, ask(true));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_LE(least, 100u);
  EXPECT_GT(scheduler.statistics().joined_tokens, 0u);
  // What was joined is an approximation: who wants none gets none of it.
  const uint64_t joined = scheduler.statistics().joined_tokens;
  for (int i = 0; i < 10; ++i) ask(false);
  EXPECT_EQ(scheduler.statistics().joined_tokens, joined);
}

// One that was joined leaves nothing of it for others.
TEST(ChunkJoinsTest, WhatWasJoinedIsNotKept) {
  std::mt19937 random(17);
  ScriptedBatchModel model(4096, 6);
  SchedulerOptions options = WithMemory();
  Scheduler scheduler(model, options);
  const std::vector<Token> system = RandomTokens(random, 40);
  const std::vector<Token> first = RandomTokens(random, 90);
  const std::vector<Token> second = RandomTokens(random, 90);
  ExpectAnswer(Ask(scheduler, Joined(system, second), 1), Joined(system, second), 1);
  const std::vector<Token> prompt = Joined(Joined(Joined(system, first), second), RandomTokens(random, 10));
  for (int i = 0; i < 3; ++i) {
    const Generator::OnToken none;
    AnswerStream answer(none);
    GenerationRequest request;
    request.max_tokens = 3;
    RunOptions run{.chunks = {{40, 130}, {130, 220}}, .joins = true};
    ExpectAnswer(scheduler.Run({}, prompt, request, answer, run), prompt, 3);
    EXPECT_EQ(scheduler.statistics().joined_tokens, static_cast<uint64_t>(i + 1) * (90 - 16 - 1));
  }
  // Only what was computed in its place: up to the 16 tokens at the head of the second one.
  const Result<GenerationResult> exact = Ask(scheduler, prompt, 3);
  ExpectAnswer(exact, prompt, 3);
  EXPECT_EQ(exact->cached_tokens, 130u + 16u);
}

}  // namespace
}  // namespace ragtime
