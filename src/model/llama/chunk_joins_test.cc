// SPDX-License-Identifier: Apache-2.0
//
// Goal: chunks are loaded wherever they stand, once they were computed anywhere, and what was loaded so is never kept.
// Method: ScriptedBatchModel refuses wrong batches, and its text depends on every cell a sequence holds.
#include "model/llama/chunk_joins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "model/llama/scheduler.h"
#include "model/llama/scripted_batch_model.h"
#include "model/llama/scripted_requests.h"

namespace ragtime {
namespace {

TEST(ChunkJoinsTest, ChunksAreJoinedWhereverTheyStand) {
  std::mt19937 random(13);
  ScriptedBatchModel model(4096, 9);
  SchedulerOptions options = WithMemory();
  options.head_sequences = 3;
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
  ScriptedBatchModel model(4096, 9);
  SchedulerOptions options = WithMemory();
  options.head_sequences = 3;
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
  // Only what was computed before anything was joined.
  const Result<GenerationResult> exact = Ask(scheduler, prompt, 3);
  ExpectAnswer(exact, prompt, 3);
  EXPECT_EQ(exact->cached_tokens, 130u);
}

// A prompt of four chunks that were read before in another order, and what is computed of it.
struct FourChunks {
  explicit FourChunks(size_t head_tokens, size_t last_size = 100) {
    options.context_tokens = 1024;
    options.wide_tokens = 20;
    options.head_sequences = 4;
    run = {.joins = true, .head_tokens = head_tokens, .always_joins = true};
    std::mt19937 random(31);
    const std::vector<Token> system = RandomTokens(random, 40);
    prompt = system;
    for (int i = 0; i < 4; ++i) {
      const std::vector<Token> chunk = RandomTokens(random, i < 3 ? 100 : last_size);
      alone.push_back(Joined(system, chunk));
      run.chunks.push_back({prompt.size(), prompt.size() + chunk.size()});
      prompt = Joined(prompt, chunk);
    }
    prompt = Joined(prompt, RandomTokens(random, 30));
  }
  void ReadAlone(Scheduler& scheduler) {
    for (const std::vector<Token>& tokens : alone) EXPECT_TRUE(Ask(scheduler, tokens, 0).ok());
  }
  Result<GenerationResult> AskAll(Scheduler& scheduler) {
    const Generator::OnToken none;
    AnswerStream answer(none);
    GenerationRequest request;
    request.max_tokens = 4;
    return scheduler.Run({}, prompt, request, answer, run);
  }
  SchedulerOptions options = WithMemory();
  RunOptions run;
  std::vector<std::vector<Token>> alone;
  std::vector<Token> prompt;
};

TEST(ChunkJoinsTest, ShortHeadsAreComputedTogetherAndLongOnesInTurn) {
  for (const bool are_long : {false, true}) {
    ScriptedBatchModel model(4096, 10);
    std::vector<std::pair<size_t, size_t>> batches;  // Tokens and sequences of each.
    model.before_compute = [&batches](std::span<const BatchToken> batch) {
      std::set<int> sequences;
      for (const BatchToken& token : batch) sequences.insert(token.sequence);
      batches.emplace_back(batch.size(), sequences.size());
    };
    FourChunks four(are_long ? 24 : 6);
    Scheduler scheduler(model, four.options);
    four.ReadAlone(scheduler);
    batches.clear();
    ExpectAnswer(four.AskAll(scheduler), four.prompt, 4);
    // Of each chunk the last token was not saved. The last token of all is computed alone, when all else is there.
    std::vector<std::pair<size_t, size_t>> expected = {{7 * 3 + 30, 4}, {1, 1}};
    if (are_long) expected = {{25 * 2, 2}, {25 + 30, 2}, {1, 1}};
    ASSERT_GE(batches.size(), expected.size());
    batches.resize(expected.size());
    EXPECT_EQ(batches, expected);
  }
}

TEST(ChunkJoinsTest, WhatIsComputedIsNoSmallBatch) {
  for (const size_t head_tokens : {1, 6, 30}) {
    ScriptedBatchModel model(4096, 10);
    std::vector<size_t> batches;
    model.before_compute = [&batches](std::span<const BatchToken> batch) { batches.push_back(batch.size()); };
    FourChunks four(head_tokens);
    four.options.wide_tokens = 64;
    Scheduler scheduler(model, four.options);
    four.ReadAlone(scheduler);
    batches.clear();
    const Result<GenerationResult> result = four.AskAll(scheduler);
    ExpectAnswer(result, four.prompt, 4);
    ASSERT_GE(batches.size(), 2u);
    EXPECT_EQ(batches[0], std::max<size_t>(64, 3 * (head_tokens + 1) + 30));
    EXPECT_EQ(batches[1], 1u);
    EXPECT_EQ(four.prompt.size() - result->cached_tokens, batches[0] + 1);
  }
}

// Nothing then stands between the head of the last chunk and what is behind it: they are one gap.
TEST(ChunkJoinsTest, ALastChunkThatGivesWayWholeLeavesOneGap) {
  FourChunks four(24, 24 + 20 + 1);
  four.prompt.resize(four.run.chunks.back().end);  // Behind it stands nothing to compute.
  ScriptedBatchModel model(4096, 10);
  Scheduler scheduler(model, four.options);
  four.ReadAlone(scheduler);
  ExpectAnswer(four.AskAll(scheduler), four.prompt, 4);
  EXPECT_EQ(scheduler.statistics().joined_tokens, 2 * (100 - 24 - 1u));
}

TEST(ChunkJoinsTest, ABatchOfHeadsThatFailsLeavesNothingBehind) {
  FourChunks four(6);
  // Just enough for one prompt, so that no cell may be lost.
  ScriptedBatchModel model(four.prompt.size() + 8, 7);
  bool fails = false;
  model.before_compute = [&](std::span<const BatchToken> batch) {
    std::set<int> sequences;
    for (const BatchToken& token : batch) sequences.insert(token.sequence);
    if (fails && sequences.size() > 1) model.next_error = InternalError("the model broke");
  };
  Scheduler scheduler(model, four.options);
  four.ReadAlone(scheduler);
  for (int i = 0; i < 6; ++i) {
    fails = i % 2 == 0;
    const Result<GenerationResult> result = four.AskAll(scheduler);
    if (fails) {
      EXPECT_EQ(result.status().message(), "the model broke");
    } else {
      ExpectAnswer(result, four.prompt, 4);
    }
  }
  EXPECT_GT(scheduler.statistics().joined_tokens, 6 * 200u);
}

// Fewer sequences than heads, and batches smaller than a head.
TEST(ChunkJoinsTest, ManyHeadsTakeSeveralBatches) {
  FourChunks four(30);
  four.options.head_sequences = 1;
  four.options.batch_tokens = 13;
  ScriptedBatchModel model(4096, 6);
  Scheduler scheduler(model, four.options);
  four.ReadAlone(scheduler);
  const uint64_t before = scheduler.statistics().joined_tokens;
  ExpectAnswer(four.AskAll(scheduler), four.prompt, 4);
  EXPECT_EQ(scheduler.statistics().joined_tokens - before, 3 * (100 - 30 - 1u));
  // Without a sequence for heads nothing is joined.
  four.options.head_sequences = 0;
  ScriptedBatchModel plain_model(4096, 6);
  Scheduler plain(plain_model, four.options);
  four.ReadAlone(plain);
  ExpectAnswer(four.AskAll(plain), four.prompt, 4);
  EXPECT_EQ(plain.statistics().joined_tokens, 0u);
}

}  // namespace
}  // namespace ragtime
