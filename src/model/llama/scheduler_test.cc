// SPDX-License-Identifier: Apache-2.0
//
// Goal: many requests at once are each answered as if alone, whatever is shared, saved, loaded and cancelled; a long
// prompt stalls nobody; clients are served in turn.
// Method: ScriptedBatchModel refuses wrong batches, and its text depends on every cell a sequence holds.
#include "model/llama/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <mutex>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "model/llama/scripted_batch_model.h"
#include "model/llama/scripted_requests.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

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
  ScriptedBatchModel model(600, 9);
  ScriptedBatchModel reading(300, 2);
  Scheduler scheduler(model,
                      {.context_tokens = 300,
                       .batch_tokens = 64,
                       .shared_batch_tokens = 16,
                       .wide_tokens = seed % 2 == 0 ? 1u : 12u,
                       .memory_bytes_max = 4000,
                       .disk_bytes_max = 6000,
                       .states_folder = folder.path,
                       .head_sequences = 2},
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
        RunOptions run{.joins = own() % 2 == 0, .head_tokens = 1 + own() % 8, .always_joins = true};
        for (size_t n = own() % 4; n > 0; --n) {
          const std::vector<Token>& passage = passages[own() % passages.size()];
          run.chunks.push_back({prompt.size(), prompt.size() + passage.size()});
          prompt = Joined(prompt, passage);
        }
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
          const Result<GenerationResult> result = scheduler.Run(context, prompt, request, answer, run);
          EXPECT_TRUE(result.ok() || prompt.size() >= 300) << result.status().ToString();
        } else {
          const Result<GenerationResult> result = Ask(scheduler, prompt, max_tokens, context, client, run);
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
  // States are saved and written behind the answers, and chunks that were missed are computed when nobody waits.
  uint64_t bytes = 0;
  const auto is_settled = [&] {
    bytes = bytes_in_folder();
    return statistics.requests_running == 0 && statistics.states_memory_bytes <= 4000 &&
           bytes == statistics.states_disk_bytes;
  };
  for (int i = 0; i < 500 && !is_settled(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    statistics = scheduler.statistics();
  }
  EXPECT_LE(statistics.states_memory_bytes, 4000u);
  EXPECT_LE(statistics.states_disk_bytes, 6000u);
  EXPECT_GT(statistics.cached_tokens, statistics.prompt_tokens / 10);
  EXPECT_GT(statistics.joined_tokens, 0u);
  EXPECT_EQ(bytes, statistics.states_disk_bytes);
  EXPECT_EQ(reading.computed > 0, GetParam());
}

}  // namespace
}  // namespace ragtime
