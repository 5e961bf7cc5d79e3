// SPDX-License-Identifier: Apache-2.0
//
// Goal: many requests at once are each answered as if alone, whatever is shared, saved, loaded and cancelled; a long
// prompt stalls nobody; clients are served in turn; what counts as cached was not computed.
// Method: ScriptedBatchModel refuses wrong batches, and its text depends on every cell a sequence holds.
#include "model/llama/scheduler.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <future>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "base/str_cat.h"
#include "model/llama/scripted_batch_model.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

std::vector<Token> RandomTokens(std::mt19937& random, size_t count) {
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % 62);
  return tokens;
}

std::vector<Token> Joined(std::vector<Token> a, const std::vector<Token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Result<GenerationResult> Ask(Scheduler& scheduler, const std::vector<Token>& prompt, size_t max_tokens = 8,
                             const Context& context = {}, const std::string& client = "") {
  const Generator::OnToken none;
  AnswerStream answer(none);
  GenerationRequest request;
  request.max_tokens = max_tokens;
  request.client = client;
  return scheduler.Run(context, prompt, request, answer);
}

void ExpectAnswer(const Result<GenerationResult>& result, const std::vector<Token>& prompt, size_t max_tokens = 8) {
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  // The stream drops white space at the start and keeps it at the end.
  EXPECT_EQ(result->text, ScriptedBatchModel::Answer(prompt, max_tokens));
}

class ScratchFolder {
 public:
  ScratchFolder() { fs::remove_all(path); }
  ~ScratchFolder() { fs::remove_all(path); }
  const fs::path path = fs::temp_directory_path() / StrCat("ragtime_scheduler_test_", ::getpid());
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) files.push_back(entry.path());
    return files;
  }
};

SchedulerOptions WithMemory() { return {.context_tokens = 512, .wide_tokens = 1, .memory_bytes_max = 1 << 20}; }

TEST(SchedulerTest, WhatIsCachedWasNotComputed) {
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

TEST(SchedulerTest, SavesNothingThatIsSoonerComputedWhereItWeighsThat) {
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

TEST(SchedulerTest, WhatIsGuessedChangesNoAnswer) {
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

TEST(SchedulerTest, ChunksAreJoinedWhereverTheyStand) {
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
TEST(SchedulerTest, WhatWasJoinedIsNotKept) {
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

TEST(SchedulerTest, ThinkingEndsWhenItsTokensAreUsedUp) {
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

TEST(SchedulerTest, ALongPromptStallsNobody) {
  std::mt19937 random(2);
  ScriptedBatchModel model(4096, 6);
  const std::vector<Token> writer = RandomTokens(random, 10);
  // One that goes on for a while.
  std::vector<Token> prompt = writer;
  while (ScriptedBatchModel::Answer(prompt, 40).size() < 80) prompt = RandomTokens(random, 10);
  const std::vector<Token> reader = RandomTokens(random, 1500);
  std::promise<void> writing;
  std::promise<void> reading;
  std::atomic<int> mixed = 0;
  int batches = 0;
  model.before_compute = [&](std::span<const BatchToken> batch) {
    if (++batches == 2) {
      writing.set_value();
      reading.get_future().wait();
    }
    if (batches < 4) return;
    const bool has_prompt = batch.size() > 1;
    if (!has_prompt) return;
    EXPECT_TRUE(batch.front().wants_scores) << "the writer got no token";
    EXPECT_LE(batch.size(), 128u);
    ++mixed;
  };
  Scheduler scheduler(model, {.context_tokens = 2048, .shared_batch_tokens = 128});
  auto first = std::async(std::launch::async, [&] { return Ask(scheduler, prompt, 40); });
  writing.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return Ask(scheduler, reader, 1); });
  while (scheduler.statistics().requests_waiting == 0) std::this_thread::yield();
  reading.set_value();
  ExpectAnswer(first.get(), prompt, 40);
  ExpectAnswer(second.get(), reader, 1);
  EXPECT_GT(mixed, 8);
}

TEST(SchedulerTest, ClientsAreServedInTurn) {
  std::mt19937 random(3);
  ScriptedBatchModel model(2048, 3);  // One at a time.
  std::promise<void> all_wait;
  std::shared_future<void> gate = all_wait.get_future().share();
  std::vector<size_t> order;  // Lengths of the prompts, which tell them apart.
  model.before_compute = [&](std::span<const BatchToken> batch) {
    gate.wait();
    if (batch.size() > 1) order.push_back(batch.size() + 1);  // Its last token comes alone.
  };
  Scheduler scheduler(model, {.context_tokens = 512});
  std::vector<std::future<Result<GenerationResult>>> results;
  const auto ask = [&](size_t length, const std::string& client) {
    // Both of one moment: a request that goes from waiting to running in between would count twice.
    const GeneratorStatistics at_first = scheduler.statistics();
    const uint64_t before = at_first.requests_waiting + at_first.requests_running;
    results.push_back(std::async(std::launch::async, [&scheduler, &random, length, client] {
      static std::mutex mutex;
      std::unique_lock lock(mutex);
      const std::vector<Token> prompt = RandomTokens(random, length);
      lock.unlock();
      return Ask(scheduler, prompt, 1, {}, client);
    }));
    for (;;) {
      const GeneratorStatistics now = scheduler.statistics();
      if (now.requests_waiting + now.requests_running > before) return;
      std::this_thread::yield();
    }
  };
  ask(10, "a");
  ask(11, "a");
  ask(12, "a");
  ask(20, "b");
  ask(21, "b");
  ask(30, "c");
  all_wait.set_value();
  for (auto& result : results) EXPECT_TRUE(result.get().ok());
  EXPECT_EQ(order, (std::vector<size_t>{10, 20, 30, 11, 21, 12}));
}

TEST(SchedulerTest, APromptThatIsBeingReadIsNotReadTwice) {
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

TEST(SchedulerTest, PartsAreWideOrNothing) {
  std::mt19937 random(10);
  ScriptedBatchModel model(2048, 4);
  size_t narrow = 0;
  model.before_compute = [&](std::span<const BatchToken> batch) { narrow += batch.size() > 1 && batch.size() < 64; };
  Scheduler scheduler(model, {.context_tokens = 1024, .memory_bytes_max = 1 << 20});
  const std::vector<Token> beginning = RandomTokens(random, 300);
  for (const size_t more : {1, 10, 63, 64, 65, 200, 212, 213, 214, 277, 278, 279}) {
    const std::vector<Token> prompt = Joined(beginning, RandomTokens(random, more));
    const Result<GenerationResult> result = Ask(scheduler, prompt, 1);
    ExpectAnswer(result, prompt, 1);
    if (more == 10) {
      EXPECT_EQ(result->cached_tokens, prompt.size() - 1 - 64);
    }
    if (more >= 65) {
      EXPECT_EQ(result->cached_tokens, beginning.size());
    }
    EXPECT_EQ(Ask(scheduler, prompt, 2)->cached_tokens, prompt.size() - 1);
    // Whole, it is cut into wide parts too.
    const std::vector<Token> fresh = RandomTokens(random, prompt.size() + 212);
    ExpectAnswer(Ask(scheduler, fresh, 1), fresh, 1);
  }
  EXPECT_EQ(narrow, 0u);
  // What is shorter than a wide part is computed whole.
  const std::vector<Token> few = {beginning.begin(), beginning.begin() + 40};
  EXPECT_EQ(Ask(scheduler, few, 1)->cached_tokens, 0u);
}

TEST(SchedulerTest, HoldsItsThreadsAsLongAsItComputes) {
  const auto budget = std::make_shared<ThreadBudget>(4);
  ScriptedBatchModel model(2048, 6);
  std::atomic<size_t> batches = 0;
  model.before_compute = [&](std::span<const BatchToken>) {
    EXPECT_EQ(budget->statistics().answers, 3u);
    ++batches;
  };
  std::mt19937 random(3);
  {
    Scheduler scheduler(model, {.context_tokens = 512, .budget = budget, .threads = 3});
    EXPECT_EQ(budget->statistics().answers, 0u);
    for (int round = 0; round < 3; ++round) {
      const std::vector<Token> prompt = RandomTokens(random, 40);
      ExpectAnswer(Ask(scheduler, prompt), prompt);
      while (budget->statistics().answers > 0) std::this_thread::yield();
    }
    std::stop_source stop;
    stop.request_stop();
    EXPECT_FALSE(Ask(scheduler, RandomTokens(random, 40), 8, Context{.stop = stop.get_token()}).ok());
    // What llama.cpp throws gives them back too.
    model.before_compute = [&](std::span<const BatchToken>) {
      EXPECT_EQ(budget->statistics().answers, 3u);
      throw std::bad_alloc();
    };
    EXPECT_FALSE(Ask(scheduler, RandomTokens(random, 40)).ok());
    while (budget->statistics().answers > 0) std::this_thread::yield();
  }
  EXPECT_GT(batches, 3u);
  EXPECT_EQ(budget->statistics().answers, 0u);
}

TEST(SchedulerTest, ErrorsReachTheirRequestsAndNobodyElse) {
  std::mt19937 random(5);
  ScriptedBatchModel model(256, 4);
  Scheduler scheduler(model, {.context_tokens = 512});
  const Status too_long = Ask(scheduler, RandomTokens(random, 256)).status();
  EXPECT_EQ(too_long.code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(too_long.message().ends_with(": 256 of 256 tokens")) << too_long.message();
  EXPECT_EQ(Ask(scheduler, {}).status().code(), StatusCode::kInvalidArgument);
  bool fail = true;
  model.before_compute = [&](std::span<const BatchToken>) {
    if (std::exchange(fail, false)) model.next_error = InternalError("the model broke");
  };
  const std::vector<Token> prompt = RandomTokens(random, 50);
  EXPECT_EQ(Ask(scheduler, prompt).status().message(), "the model broke");
  ExpectAnswer(Ask(scheduler, prompt), prompt);
  Context context;
  context.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(Ask(scheduler, prompt, 8, context).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(SchedulerTest, AModelThatKeepsNoBeginningsComputesEverything) {
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

TEST(SchedulerTest, StatesOutliveARestartAndDamage) {
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

TEST(SchedulerTest, ALostFolderIsNoError) {
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

// True: prompts are read in a memory of their own while others run.
class SchedulerMemoryTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Memories, SchedulerMemoryTest, testing::Bool());

TEST_P(SchedulerMemoryTest, RandomRequestsWithCancellationsAreAnsweredAsIfAlone) {
  const char* from_environment = std::getenv("RAGTIME_SEED");
  const auto seed =
      static_cast<uint32_t>(from_environment != nullptr ? std::strtoul(from_environment, nullptr, 10) : 9);
  std::printf("RAGTIME_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const ScratchFolder folder;
  // Too few cells for all, and caps that evict all the time.
  ScriptedBatchModel model(600, 7);
  ScriptedBatchModel reading(300, 2);
  Scheduler scheduler(model,
                      {.context_tokens = 300,
                       .batch_tokens = 64,
                       .shared_batch_tokens = 16,
                       .wide_tokens = seed % 2 == 0 ? 1u : 12u,
                       .memory_bytes_max = 4000,
                       .disk_bytes_max = 6000,
                       .states_folder = folder.path},
                      GetParam() ? &reading : nullptr);
  std::vector<std::vector<Token>> passages;
  for (int i = 0; i < 6; ++i) passages.push_back(RandomTokens(random, 20 + random() % 40));
  constexpr int kThreads = 10;
  constexpr int kRequests = 100;
  std::atomic<int> answered = 0;
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t, own = std::mt19937(seed * 100 + static_cast<uint32_t>(t))]() mutable {
      for (int i = 0; i < kRequests; ++i) {
        std::vector<Token> prompt = passages[0];
        for (size_t n = own() % 4; n > 0; --n) prompt = Joined(prompt, passages[own() % passages.size()]);
        prompt.push_back(static_cast<Token>(own() % 8));
        const size_t max_tokens = own() % 30;
        std::stop_source source;
        Context context;
        context.stop = source.get_token();
        std::thread canceller;
        const uint32_t fate = own() % 6;
        if (fate == 0) context.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(own() % 3000);
        if (fate == 1) {
          canceller = std::thread([source, pause = own() % 2000]() mutable {
            std::this_thread::sleep_for(std::chrono::microseconds(pause));
            source.request_stop();
          });
        }
        const std::string client(1, static_cast<char>('a' + t % 3));
        if (fate == 2) {  // The receiver has enough.
          size_t pieces = 0;
          const Generator::OnToken few = [&pieces](Channel, std::string_view) { return ++pieces < 3; };
          AnswerStream answer(few);
          GenerationRequest request;
          request.max_tokens = max_tokens;
          const Result<GenerationResult> result = scheduler.Run(context, prompt, request, answer);
          EXPECT_TRUE(result.ok() || prompt.size() >= 300) << result.status().ToString();
        } else {
          const Result<GenerationResult> result = Ask(scheduler, prompt, max_tokens, context, client);
          if (result.ok()) {
            EXPECT_EQ(result->text, ScriptedBatchModel::Answer(prompt, max_tokens));
            EXPECT_LT(result->cached_tokens, prompt.size() + (max_tokens > 1 && result->completion_tokens > 1 ? 0 : 1));
            ++answered;
          } else {
            const StatusCode code = result.status().code();
            EXPECT_TRUE(code == StatusCode::kCancelled || code == StatusCode::kDeadlineExceeded ||
                        (code == StatusCode::kResourceExhausted && prompt.size() >= 300))
                << result.status().ToString();
          }
        }
        if (canceller.joinable()) canceller.join();
        ++ended;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ended, kThreads * kRequests);
  EXPECT_GT(answered, kThreads * kRequests / 3);
  // Cells of requests that were given up come back.
  const std::vector<Token> last = RandomTokens(random, 250);
  ExpectAnswer(Ask(scheduler, last, 40), last, 40);
  GeneratorStatistics statistics = scheduler.statistics();
  const auto bytes_in_folder = [&folder] {
    uint64_t bytes = 0;
    std::error_code error;  // A file that is being written goes and comes.
    for (const fs::path& path : folder.Files()) {
      if (const auto size = fs::file_size(path, error); !error) bytes += size;
    }
    return bytes;
  };
  // States are saved and written behind the answers.
  const auto is_settled = [&] {
    return statistics.requests_running == 0 && statistics.states_memory_bytes <= 4000 &&
           bytes_in_folder() == statistics.states_disk_bytes;
  };
  for (int i = 0; i < 500 && !is_settled(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    statistics = scheduler.statistics();
  }
  EXPECT_LE(statistics.states_memory_bytes, 4000u);
  EXPECT_LE(statistics.states_disk_bytes, 6000u);
  EXPECT_GT(statistics.cached_tokens, statistics.prompt_tokens / 10);
  EXPECT_EQ(bytes_in_folder(), statistics.states_disk_bytes);
  EXPECT_EQ(reading.computed > 0, GetParam());
}

// Runs `prompts` at once, each in a thread, and returns when all have been answered as they should.
void AskAtOnce(Scheduler& scheduler, const std::vector<std::vector<Token>>& prompts, size_t max_tokens) {
  std::vector<std::future<Result<GenerationResult>>> results;
  for (const auto& prompt : prompts) {
    results.push_back(std::async(std::launch::async, [&, prompt] { return Ask(scheduler, prompt, max_tokens); }));
  }
  for (size_t i = 0; i < prompts.size(); ++i) ExpectAnswer(results[i].get(), prompts[i], max_tokens);
}

TEST(SchedulerTest, PromptsAreReadApartWhileOthersRun) {
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
  EXPECT_EQ(model.computed + reading.computed - before, 8u);
}

TEST(SchedulerTest, WhatWasReadApartOfALeftPromptIsKept) {
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

TEST(SchedulerTest, AMemoryWithoutRoomFailsOneRequestOnly) {
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

TEST(SchedulerTest, TheLastPromptStaysInTheModel) {
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

TEST(SchedulerTest, AskedAgainAnAnswerBeginsBeforeTheModelDoes) {
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

}  // namespace
}  // namespace ragtime
