// SPDX-License-Identifier: Apache-2.0
//
// Goal: never more requests than there are places, clients served in turn, and nobody waits who is cancelled or late.
#include "wire/request_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "testing/status_matchers.h"

namespace ragtime {
namespace {

void WaitUntilWaiting(const RequestLimit& limit, size_t count) {
  while (limit.waiting() != count) std::this_thread::yield();
}

TEST(RequestLimit, NeverLetsMoreThrough) {
  RequestLimit limit(3);
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back([&, client = std::string(1, static_cast<char>('a' + i % 4))] {
        for (int round = 0; round < 50; ++round) {
          const auto place = limit.Take({}, client);
          ASSERT_OK(place);
          const int now = ++under_way;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::yield();
          --under_way;
          ++done;
        }
      });
    }
  }
  EXPECT_LE(most, 3);
  EXPECT_EQ(done, 600);
  EXPECT_EQ(limit.running(), 0u);
  EXPECT_EQ(limit.waiting(), 0u);
}

TEST(RequestLimit, ServesClientsInTurn) {
  RequestLimit limit(1);
  std::optional<RequestLimit::Place> first(*limit.Take({}, "a"));
  std::vector<std::string> order;
  std::vector<std::jthread> threads;
  size_t count = 0;
  // Client a has three requests in the queue before b and c come with one each.
  for (const char* name : {"a1", "a2", "a3", "b1", "c1"}) {
    threads.emplace_back([&limit, &order, name = std::string(name)] {
      const auto place = limit.Take({}, name.substr(0, 1));
      order.push_back(name);  // Whoever has the only place writes alone.
    });
    WaitUntilWaiting(limit, ++count);
  }
  first.reset();
  threads.clear();
  EXPECT_EQ(order, (std::vector<std::string>{"b1", "c1", "a1", "a2", "a3"}));
}

TEST(RequestLimit, CancelledAndLateOnesLeaveTheQueue) {
  RequestLimit limit(1);
  std::optional<RequestLimit::Place> first(*limit.Take({}));
  Context late;
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_THAT(limit.Take(late), StatusIs(StatusCode::kDeadlineExceeded));
  std::stop_source source;
  std::jthread canceller([&] {
    WaitUntilWaiting(limit, 1);
    source.request_stop();
  });
  EXPECT_THAT(limit.Take({.stop = source.get_token()}), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(limit.waiting(), 0u);
  first.reset();
  EXPECT_OK(limit.Take({}));
}

}  // namespace
}  // namespace ragtime
