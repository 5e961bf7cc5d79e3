// SPDX-License-Identifier: Apache-2.0
#include "base/thread_budget.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread_pool.h"

namespace ragtime {
namespace {

using Share = ThreadBudget::Share;

uint32_t Seed() {
  const char* const given = std::getenv("RAGTIME_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : 20261126u;
}

// Until so many pieces of background work have had to wait.
void AwaitWaits(const ThreadBudget& budget, uint64_t count) {
  while (budget.statistics().background_waits < count) std::this_thread::yield();
}

TEST(ThreadBudget, BackgroundWorkTakesWhatIsLeftAndEveryoneEnds) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed));
  for (const size_t threads : {1, 2, 5}) {
    ThreadBudget budget(threads);
    std::atomic<size_t> in_background = 0;
    std::atomic<size_t> pieces = 0;
    std::atomic<size_t> given_up = 0;
    constexpr size_t kTurns = 60;
    const auto work = [](std::mt19937& random) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
    };
    std::vector<std::jthread> users;
    for (size_t user = 0; user < 9; ++user) {
      users.emplace_back([&, user] {
        std::mt19937 random(seed + static_cast<uint32_t>(user));
        for (size_t turn = 0; turn < kTurns; ++turn) {
          const size_t wanted = 1 + random() % threads;
          if (user < 3) {
            const Share share = budget.TakeForQuestion(1);
            work(random);
          } else if (user == 3) {
            const Share share = budget.TakeForAnswers(wanted);
            work(random);
          } else {
            Context context;
            if (random() % 4 == 0) context.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
            const Result<Share> share = budget.TakeForBackground(context, wanted);
            if (!share.ok()) {
              EXPECT_EQ(share.status().code(), StatusCode::kDeadlineExceeded);
              ++given_up;
              continue;
            }
            EXPECT_GE(share->threads(), 1u);
            EXPECT_LE(share->threads(), wanted);
            EXPECT_LE(in_background += share->threads(), threads);
            work(random);
            in_background -= share->threads();
            ++pieces;
          }
        }
      });
    }
    users.clear();
    const ThreadStatistics statistics = budget.statistics();
    EXPECT_EQ(statistics.threads, threads);
    EXPECT_EQ(statistics.questions + statistics.answers + statistics.background, 0u);
    EXPECT_EQ(statistics.questions_embedded, 3 * kTurns);
    EXPECT_EQ(statistics.background_pieces, pieces);
    EXPECT_EQ(pieces + given_up, 5 * kTurns);
  }
}

// Without questions and answers there are never more than the budget at once.
TEST(ThreadBudget, BackgroundWorkAloneNeverComputesWithMoreThanTheBudget) {
  for (const size_t threads : {1, 3}) {
    ThreadBudget budget(threads);
    std::atomic<size_t> now = 0;
    std::atomic<size_t> most = 0;
    ThreadPool pool(8);
    pool.ParallelForApart(200, [&](size_t i) {
      const Result<Share> share = budget.TakeForBackground({}, 1 + i % 4);
      ASSERT_TRUE(share.ok());
      const size_t count = now += share->threads();
      for (size_t before = most; before < count && !most.compare_exchange_weak(before, count);) {
      }
      std::this_thread::yield();
      now -= share->threads();
    });
    EXPECT_LE(most, threads);
    EXPECT_GE(most, 1u);
  }
}

TEST(ThreadBudget, QuestionsAndAnswersNeverWait) {
  for (const size_t threads : {1, 2}) {
    ThreadBudget budget(threads);
    // All on this thread: whatever waited would wait for ever.
    const Result<Share> background = budget.TakeForBackground({}, threads);
    ASSERT_TRUE(background.ok());
    EXPECT_EQ(background->threads(), threads);
    const Share answers = budget.TakeForAnswers(threads);
    const Share question = budget.TakeForQuestion(1);
    const Share other = budget.TakeForQuestion(2);
    const ThreadStatistics statistics = budget.statistics();
    EXPECT_EQ(statistics.answers, threads);
    EXPECT_EQ(statistics.questions, 3u);
    EXPECT_EQ(statistics.background, threads);
  }
}

TEST(ThreadBudget, BesideAnswersTheBackgroundShrinksToTheRestAndGrowsAgain) {
  ThreadBudget budget(4);
  Share answers = budget.TakeForAnswers(1);
  Result<Share> background = budget.TakeForBackground({}, 8);
  ASSERT_TRUE(background.ok());
  EXPECT_EQ(background->threads(), 3u);
  background->Return();
  answers = budget.TakeForAnswers(4);
  background = budget.TakeForBackground({}, 8);
  ASSERT_TRUE(background.ok());
  EXPECT_EQ(background->threads(), 1u);  // Always to be had.
  std::atomic<bool> goes_on = false;
  std::jthread second([&] {
    const Result<Share> share = budget.TakeForBackground({}, 8);
    ASSERT_TRUE(share.ok());
    EXPECT_EQ(share->threads(), 3u);  // What the first leaves.
    goes_on = true;
  });
  AwaitWaits(budget, 1);
  EXPECT_FALSE(goes_on);
  answers.Return();
  second.join();
  EXPECT_TRUE(goes_on);
  EXPECT_EQ(budget.statistics().background, 1u);
}

TEST(ThreadBudget, WithOneThreadTheBackgroundGoesOnPieceByPieceBesideAnAnswerThatNeverEnds) {
  ThreadBudget budget(1);
  const Share answers = budget.TakeForAnswers(1);
  std::atomic<size_t> done = 0;
  ThreadPool pool(3);
  pool.ParallelForApart(20, [&](size_t) {
    const Result<Share> share = budget.TakeForBackground({}, 1);
    ASSERT_TRUE(share.ok());
    EXPECT_EQ(budget.statistics().background, 1u);
    ++done;
  });
  EXPECT_EQ(done, 20u);
}

TEST(ThreadBudget, WaitingEndsWithCancellationAndDeadline) {
  ThreadBudget budget(1);
  const Result<Share> held = budget.TakeForBackground({}, 1);
  ASSERT_TRUE(held.ok());
  Context late;
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  EXPECT_EQ(budget.TakeForBackground(late, 1).status().code(), StatusCode::kDeadlineExceeded);
  std::stop_source stop;
  Status status;
  std::jthread waiting([&] { status = budget.TakeForBackground(Context{.stop = stop.get_token()}, 1).status(); });
  AwaitWaits(budget, 2);
  stop.request_stop();
  waiting.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(budget.TakeForBackground(Context{.stop = stop.get_token()}, 1).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(budget.statistics().background, 1u);
}

TEST(ThreadBudget, WhatIsLeftByAnExceptionOrMovedIsGivenBackOnce) {
  ThreadBudget budget(3);
  try {
    const Share answers = budget.TakeForAnswers(2);
    const Result<Share> background = budget.TakeForBackground({}, 1);
    ASSERT_TRUE(background.ok());
    throw std::runtime_error("llama.cpp failed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(budget.statistics().answers + budget.statistics().background, 0u);
  Share first = budget.TakeForAnswers(2);
  Share second = std::move(first);
  EXPECT_EQ(budget.statistics().answers, 2u);
  second = budget.TakeForAnswers(1);
  EXPECT_EQ(budget.statistics().answers, 1u);
  second.Return();
  second.Return();
  EXPECT_EQ(budget.statistics().answers, 0u);
  EXPECT_EQ(second.threads(), 0u);
}

TEST(ThreadBudget, TheBackgroundGivesWayToWhoAsksAndForAWhile) {
  for (const bool for_a_while : {true, false}) {
    ThreadBudget budget(2, for_a_while ? std::chrono::hours(1) : std::chrono::hours(0));
    Result<Share> background = budget.TakeForBackground({}, 1);
    ASSERT_TRUE(background.ok());
    background->Return();
    EXPECT_FALSE(budget.must_give_way());
    Share question = budget.TakeForQuestion(1);
    EXPECT_TRUE(budget.must_give_way());
    question.Return();
    EXPECT_EQ(budget.must_give_way(), for_a_while);
    Share answers = budget.TakeForAnswers(1);
    EXPECT_TRUE(budget.must_give_way());
    answers.Return();
    EXPECT_EQ(budget.must_give_way(), for_a_while);
  }
}

TEST(ThreadBudget, IsSharedByThoseWhoSayTheSameNumber) {
  const auto budget = ThreadBudget::Shared(3);
  EXPECT_EQ(budget->threads(), 3u);
  EXPECT_EQ(ThreadBudget::Shared(3), budget);
  EXPECT_NE(ThreadBudget::Shared(4), budget);
  EXPECT_EQ(ThreadBudget::Shared(0)->threads(), AvailableCores());
}

TEST(ThreadPriority, IsLoweredForOneThreadOnly) {
  const auto priority = [] { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); };
  const int before = priority();
  int lowered = 0;
  std::jthread([&] {
    LowerThreadPriority();
    LowerThreadPriority();
    lowered = priority();
  }).join();
  EXPECT_EQ(lowered, 19);
  EXPECT_EQ(priority(), before);
}

TEST(ThreadPool, WorksApartFromItsCaller) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> visits(50);
  const std::thread::id caller = std::this_thread::get_id();
  pool.ParallelForApart(visits.size(), [&](size_t i) {
    EXPECT_NE(std::this_thread::get_id(), caller);
    ++visits[i];
  });
  for (const auto& count : visits) EXPECT_EQ(count.load(), 1);
  pool.ParallelForApart(0, [](size_t) { FAIL(); });
}

}  // namespace
}  // namespace ragtime
