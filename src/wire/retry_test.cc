// SPDX-License-Identifier: Apache-2.0
//
// Goal: only failures that may pass are tried again, as often and as late as the policy, the server and the deadline
// allow.
#include "wire/retry.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/stopwatch.h"

namespace ragtime {
namespace {

constexpr RetryPolicy kFast = {.attempts_max = 4, .backoff_ms = 4, .backoff_max_ms = 8, .retry_after_max_ms = 100};

TEST(RetryTest, OnlyTwoCodesAreRetryable) {
  for (int code = 0; code <= 15; ++code) {
    EXPECT_EQ(IsRetryable(static_cast<StatusCode>(code)), code == 8 || code == 14) << code;
  }
  const Context context;
  Retry retry(context, kFast);
  EXPECT_EQ(retry.Wait(NotFoundError("x")).code(), StatusCode::kNotFound);
  EXPECT_EQ(retry.attempts(), 1);
}

TEST(RetryTest, GivesUpAfterTheLastAttemptWithTheFailure) {
  const Context context;
  Retry retry(context, kFast);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(retry.Wait(UnavailableError("down")).ok());
  EXPECT_EQ(retry.Wait(UnavailableError("down")), UnavailableError("down"));
}

TEST(RetryTest, PausesGrowWithJitter) {
  const Context context;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    Retry retry(context, {.attempts_max = 10, .backoff_ms = 10, .backoff_max_ms = 20}, seed);
    for (const double least_ms : {5.0, 10.0, 10.0}) {
      const Stopwatch stopwatch;
      ASSERT_TRUE(retry.Wait(UnavailableError("down")).ok());
      EXPECT_GE(stopwatch.ElapsedMs(), least_ms);
    }
  }
}

TEST(RetryTest, HonoursRetryAfterUpToItsLimit) {
  const Context context;
  Retry retry(context, kFast);
  const Stopwatch stopwatch;
  EXPECT_TRUE(retry.Wait(ResourceExhaustedError("busy"), 60).ok());
  EXPECT_GE(stopwatch.ElapsedMs(), 60);
  EXPECT_EQ(retry.Wait(ResourceExhaustedError("busy"), 101).code(), StatusCode::kResourceExhausted);
}

TEST(RetryTest, NeverSleepsPastTheDeadline) {
  Context context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  Retry retry(context, {.attempts_max = 3, .backoff_ms = 5000, .backoff_max_ms = 5000});
  const Stopwatch stopwatch;
  EXPECT_EQ(retry.Wait(UnavailableError("down")), UnavailableError("down"));
  EXPECT_LT(stopwatch.ElapsedMs(), 2000);
}

TEST(RetryTest, CancellingEndsTheSleep) {
  std::stop_source source;
  Context context;
  context.stop = source.get_token();
  const Stopwatch stopwatch;
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    source.request_stop();
  });
  EXPECT_EQ(SleepWithin(context, 60000).code(), StatusCode::kCancelled);
  EXPECT_LT(stopwatch.ElapsedMs(), 10000);
}

TEST(RetryTest, ReadsRetryAfter) {
  const std::time_t now = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(ParseRetryAfter("7", now), 7000);
  EXPECT_EQ(ParseRetryAfter(" 0 ", now), 0);
  EXPECT_EQ(ParseRetryAfter("1.5", now), 1000);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:40 GMT", now), 3000);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:30 GMT", now), 0);
  for (std::string_view text : {"", "soon", "-1", "7 s", "Sun, 06 Nov", "99999999999999999999"}) {
    EXPECT_EQ(ParseRetryAfter(text, now), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ragtime
