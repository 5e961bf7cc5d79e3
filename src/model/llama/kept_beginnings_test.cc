// SPDX-License-Identifier: Apache-2.0
//
// Goal: what counts as cached was not computed; what is kept of a prompt is found by those that come, at once, after a
// restart and after damage, and changes no answer.
// Method: ScriptedBatchModel refuses wrong batches, and its text depends on every cell a sequence holds.
#include "model/llama/kept_beginnings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "model/llama/scheduler.h"
#include "model/llama/scripted_batch_model.h"
#include "model/llama/scripted_requests.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

TEST(KeptBeginningsTest, WhatIsCachedWasNotComputed) {
  std::mt19937 random(1);
  ScriptedBatchModel model(2048, 6);
  Scheduler scheduler(model, WithMemory());
  const std::vector<Token> system = RandomTokens(random, 40);
  std::vector<std::vector<Token>> prompts;
  for (int i = 0; i < 4; ++i) prompts.push_back(Joined(system, RandomTokens(random, 60)));
  prompts.push_back(Joined(prompts[0], RandomTokens(random, 30)));  // Goes on behind another one.
  prompts.push_back({prompts[1].begin(), prompts[1].begin() + 70});
  prompts.push_back(Joined(prompts.back(), RandomTokens(random, 30)));  // Leaves it within a saved state.
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < prompts.size(); ++i) {
      const size_t before = model.computed;
      const Result<GenerationResult> result = Ask(scheduler, prompts[i], 1);
      ExpectAnswer(result, prompts[i], 1);
      EXPECT_EQ(result->prompt_tokens, prompts[i].size());
      EXPECT_EQ(model.computed - before, result->prompt_tokens - result->cached_tokens);
      const size_t least = round > 0 ? prompts[i].size() - 1 : i == 0 ? 0 : system.size();
      EXPECT_GE(result->cached_tokens, least) << "round " << round << ", prompt " << i;
    }
  }
  const GeneratorStatistics statistics = scheduler.statistics();
  EXPECT_EQ(statistics.prompt_tokens - statistics.cached_tokens, model.computed);
  EXPECT_GT(statistics.states_memory_bytes, 0u);
}

TEST(KeptBeginningsTest, SavesNothingThatIsSoonerComputedWhereItWeighsThat) {
  std::mt19937 random(5);
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(30)); };
  for (const bool saves_slowly : {true, false}) {
    ScriptedBatchModel model(4096, 4);
    if (saves_slowly) {
      model.before_save = pause;
    } else {
      model.before_compute = [&](std::span<const BatchToken>) { pause(); };
    }
    SchedulerOptions options = WithMemory();
    options.wide_tokens = 64;
    options.weighs_saving = true;
    Scheduler scheduler(model, options);
    // What is saved after that many prompts that have nothing in common. A short one is not saved: when it is answered,
    // those before it are done with.
    const auto saved_after = [&](size_t prompts, size_t max_tokens) {
      for (size_t i = 0; i < prompts; ++i) {
        const std::vector<Token> prompt = RandomTokens(random, 300);
        EXPECT_TRUE(Ask(scheduler, prompt, max_tokens).ok());
      }
      EXPECT_TRUE(Ask(scheduler, RandomTokens(random, 10), 1).ok());
      return scheduler.statistics().states_memory_bytes;
    };
    const uint64_t measured = saved_after(3, 1);
    EXPECT_GT(measured, 0u);
    const uint64_t later = saved_after(3, 1);
    if (saves_slowly) {
      EXPECT_EQ(later, measured);
    } else {
      EXPECT_EQ(later, 2 * measured);
    }
    // Without an answer there is nothing else to compute it for.
    EXPECT_GT(saved_after(1, 0), later);
  }
}

TEST(KeptBeginningsTest, APromptThatIsBeingReadIsNotReadTwice) {
  std::mt19937 random(4);
  ScriptedBatchModel model(4096, 6);
  std::promise<void> both_wait;
  std::shared_future<void> gate = both_wait.get_future().share();
  model.before_compute = [&](std::span<const BatchToken>) { gate.wait(); };
  Scheduler scheduler(model, {.context_tokens = 2048, .wide_tokens = 1, .memory_bytes_max = 1 << 20});
  const std::vector<Token> prompt = RandomTokens(random, 900);
  auto first = std::async(std::launch::async, [&] { return Ask(scheduler, prompt, 1); });
  while (scheduler.statistics().requests_running == 0) std::this_thread::yield();
  const std::vector<Token> longer = Joined(prompt, {1, 2, 3});
  auto second = std::async(std::launch::async, [&] { return Ask(scheduler, longer, 1); });
  while (scheduler.statistics().requests_waiting == 0) std::this_thread::yield();
  both_wait.set_value();
  ExpectAnswer(first.get(), prompt, 1);
  const Result<GenerationResult> shared = second.get();
  ExpectAnswer(shared, longer, 1);
  EXPECT_EQ(shared->cached_tokens, prompt.size() - 1);
  EXPECT_EQ(model.computed, longer.size() + 1);
}

TEST(KeptBeginningsTest, AModelThatKeepsNoBeginningsComputesEverything) {
  std::mt19937 random(6);
  ScriptedBatchModel model(512, 4, /*keeps=*/false);
  Scheduler scheduler(model, WithMemory());
  const std::vector<Token> prompt = RandomTokens(random, 100);
  for (int i = 0; i < 2; ++i) {
    const Result<GenerationResult> result = Ask(scheduler, prompt);
    ExpectAnswer(result, prompt);
    EXPECT_EQ(result->cached_tokens, 0u);
  }
}

TEST(KeptBeginningsTest, StatesOutliveARestartAndDamage) {
  std::mt19937 random(7);
  const ScratchFolder folder;
  const std::vector<Token> beginning = RandomTokens(random, 100);
  const std::vector<Token> prompt = Joined(beginning, RandomTokens(random, 50));
  const std::vector<Token> other = Joined(beginning, RandomTokens(random, 70));
  const SchedulerOptions options = {
      .context_tokens = 512, .wide_tokens = 1, .disk_bytes_max = 1 << 20, .states_folder = folder.path};
  const auto ask = [&](const std::vector<Token>& tokens, const std::string& fingerprint = std::string(32, 'f')) {
    ScriptedBatchModel model(1024, 4);
    model.fingerprint_ = fingerprint;
    Scheduler scheduler(model, options);
    Result<GenerationResult> result = Ask(scheduler, tokens);
    ExpectAnswer(result, tokens);
    EXPECT_EQ(model.computed + result->cached_tokens,
              tokens.size() + result->completion_tokens - (result->completion_tokens == 8 ? 1 : 0));
    return result.ok() ? *result : GenerationResult{};
  };
  EXPECT_EQ(ask(prompt).cached_tokens, 0u);
  EXPECT_EQ(ask(prompt).cached_tokens, prompt.size() - 1);
  EXPECT_EQ(ask(other).cached_tokens, beginning.size());
  EXPECT_EQ(ask(other).cached_tokens, other.size() - 1);
  ASSERT_EQ(folder.Files().size(), 2u);

  // Another model's states are not for this one.
  EXPECT_EQ(ask(prompt, std::string(32, 'e')).cached_tokens, 0u);
  EXPECT_EQ(ask(prompt).cached_tokens, prompt.size() - 1);
  ASSERT_EQ(folder.Files().size(), 3u);

  // Bytes that changed are seen, told of, and computed again.
  for (const fs::path& path : folder.Files()) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(fs::file_size(path) - 3));
    file.put('!');
  }
  GenerationResult result = ask(prompt);
  EXPECT_EQ(result.cached_tokens, 0u);
  ASSERT_FALSE(result.warnings.empty());
  EXPECT_NE(result.warnings[0].find("damaged"), std::string::npos) << result.warnings[0];
  result = ask(prompt);
  EXPECT_EQ(result.cached_tokens, prompt.size() - 1);
  EXPECT_TRUE(result.warnings.empty());

  // What is no state stays and is told of.
  std::ofstream(folder.path / "notes.kv")
      << "this is text, and longer than the head of a file of states is, by far: " << std::string(100, 'x');
  result = ask(prompt);
  EXPECT_EQ(result.cached_tokens, prompt.size() - 1);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("notes.kv"), std::string::npos) << result.warnings[0];
  EXPECT_TRUE(fs::exists(folder.path / "notes.kv"));
}

TEST(KeptBeginningsTest, ALostFolderIsNoError) {
  std::mt19937 random(8);
  const ScratchFolder folder;
  ScriptedBatchModel model(1024, 4);
  Scheduler scheduler(
      model, {.context_tokens = 512, .wide_tokens = 1, .disk_bytes_max = 1 << 20, .states_folder = folder.path});
  const std::vector<Token> prompt = RandomTokens(random, 100);
  ExpectAnswer(Ask(scheduler, prompt), prompt);
  const std::vector<Token> another = RandomTokens(random, 100);
  ExpectAnswer(Ask(scheduler, another), another);  // So that the first is no longer in the model itself.
  // States are written behind the answers: a file may go, or come, while all are removed.
  std::error_code error;
  for (int i = 0; i < 100 && fs::exists(folder.path); ++i) fs::remove_all(folder.path, error);
  ASSERT_FALSE(fs::exists(folder.path));
  const Result<GenerationResult> again = Ask(scheduler, prompt);
  ExpectAnswer(again, prompt);
  EXPECT_TRUE(again->warnings.empty());
}

// Runs `prompts` at once, each in a thread, and returns when all have been answered as they should.
void AskAtOnce(Scheduler& scheduler, const std::vector<std::vector<Token>>& prompts, size_t max_tokens) {
  std::vector<std::future<Result<GenerationResult>>> results;
  for (const auto& prompt : prompts) {
    results.push_back(std::async(std::launch::async, [&, prompt] { return Ask(scheduler, prompt, max_tokens); }));
  }
  for (size_t i = 0; i < prompts.size(); ++i) ExpectAnswer(results[i].get(), prompts[i], max_tokens);
}

TEST(KeptBeginningsTest, PromptsAreReadApartWhileOthersRun) {
  std::mt19937 random(21);
  ScriptedBatchModel model(4096, 10);
  ScriptedBatchModel reading(512, 2);
  std::atomic<size_t> mixed = 0;  // Batches in which others wait for the prompt of one.
  model.before_compute = [&mixed](std::span<const BatchToken> batch) {
    const auto scores = std::count_if(batch.begin(), batch.end(), [](const auto& token) { return token.wants_scores; });
    if (scores > 0 && static_cast<size_t>(scores) < batch.size()) ++mixed;
  };
  Scheduler scheduler(model, WithMemory(), &reading);
  std::vector<std::vector<Token>> prompts;
  const std::vector<Token> system = RandomTokens(random, 40);
  for (int i = 0; i < 8; ++i) prompts.push_back(Joined(system, RandomTokens(random, 400)));
  AskAtOnce(scheduler, prompts, 30);
  EXPECT_EQ(mixed, 0u);
  EXPECT_GT(reading.computed, 7 * 300u);
  EXPECT_LT(model.computed, 440 + 8 * 31u);
  // What was read apart is kept as all else is.
  const size_t before = model.computed + reading.computed;
  AskAtOnce(scheduler, prompts, 1);
  // Not even its last token of one that ran alone until the others came.
  EXPECT_LE(model.computed + reading.computed - before, 8u);
}

TEST(KeptBeginningsTest, WhatWasReadApartOfALeftPromptIsKept) {
  std::mt19937 random(22);
  ScriptedBatchModel model(4096, 6);
  ScriptedBatchModel reading(512, 2);
  const std::vector<Token> first = RandomTokens(random, 20);
  const std::vector<Token> second = RandomTokens(random, 400);
  std::stop_source stop;
  std::atomic<bool> started = false;
  model.before_compute = [&](std::span<const BatchToken>) {
    started = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  size_t batches = 0;
  reading.before_compute = [&](std::span<const BatchToken>) {
    if (++batches == 3) stop.request_stop();
  };
  SchedulerOptions options = WithMemory();
  options.shared_batch_tokens = 100;
  Scheduler scheduler(model, options, &reading);
  auto writer = std::async(std::launch::async, [&] { return Ask(scheduler, first, 400); });
  while (!started) std::this_thread::yield();
  Context context;
  context.stop = stop.get_token();
  EXPECT_EQ(Ask(scheduler, second, 8, context).status().code(), StatusCode::kCancelled);
  ASSERT_TRUE(writer.get().ok());
  const Result<GenerationResult> again = Ask(scheduler, second);
  ExpectAnswer(again, second);
  EXPECT_GE(again->cached_tokens, 200u);
}

TEST(KeptBeginningsTest, AMemoryWithoutRoomFailsOneRequestOnly) {
  std::mt19937 random(23);
  ScriptedBatchModel model(4096, 6);
  ScriptedBatchModel reading(512, 2);
  reading.before_compute = [&reading](std::span<const BatchToken>) {
    reading.next_error = ResourceExhaustedError("no cells are left");
    reading.before_compute = nullptr;
  };
  Scheduler scheduler(model, WithMemory(), &reading);
  std::vector<std::future<Result<GenerationResult>>> results;
  std::vector<std::vector<Token>> prompts;
  for (int i = 0; i < 4; ++i) prompts.push_back(RandomTokens(random, 300));
  for (const auto& prompt : prompts) {
    results.push_back(std::async(std::launch::async, [&, prompt] { return Ask(scheduler, prompt, 20); }));
  }
  size_t failed = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Result<GenerationResult> result = results[i].get();
    failed += result.ok() ? 0 : 1;
    if (!result.ok()) continue;
    EXPECT_EQ(result->text, ScriptedBatchModel::Answer(prompts[i], 20));
  }
  EXPECT_LE(failed, 1u);
  for (const auto& prompt : prompts) ExpectAnswer(Ask(scheduler, prompt), prompt);
}

TEST(KeptBeginningsTest, TheLastPromptStaysInTheModel) {
  std::mt19937 random(24);
  ScriptedBatchModel model(1024, 3);  // One request at a time.
  SchedulerOptions options = WithMemory();
  options.memory_bytes_max = 0;  // Nothing is saved.
  Scheduler scheduler(model, options);
  const std::vector<Token> first = RandomTokens(random, 300);
  const std::vector<Token> longer = Joined(first, RandomTokens(random, 50));
  ExpectAnswer(Ask(scheduler, first), first);
  for (const auto& [prompt, cached] : {std::pair{first, size_t{299}}, {longer, 299}, {longer, 349}, {first, 299}}) {
    const Result<GenerationResult> result = Ask(scheduler, prompt);
    ExpectAnswer(result, prompt);
    EXPECT_EQ(result->cached_tokens, cached);
  }
  // Another prompt takes its place, with all the cells.
  const std::vector<Token> other = RandomTokens(random, 500);
  ExpectAnswer(Ask(scheduler, other, 12), other, 12);
  EXPECT_LT(Ask(scheduler, first)->cached_tokens, 50u);
}

}  // namespace
}  // namespace ragtime
