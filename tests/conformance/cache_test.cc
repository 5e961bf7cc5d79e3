// SPDX-License-Identifier: Apache-2.0
//
// Goal: what keeps entries in this process holds the contract of a cache; two levels and the guard add nothing wrong.
// cache_servers_test.cc runs the same on real servers.
#include <gtest/gtest.h>

#include "cache/guard.h"
#include "cache/memory/memory_cache.h"
#include "cache/server_address.h"
#include "cache/two_level_cache.h"
#include "testing/cache_contract.h"

namespace ragtime {
namespace {

std::shared_ptr<Cache> Memory() {
  return std::make_shared<MemoryCache>(MemoryCacheOptions{.capacity_bytes = size_t{256} << 20});
}

CacheKind InProcess(std::string name, std::function<std::shared_ptr<Cache>()> make) {
  return {std::move(name), [make = std::move(make)] {
            auto under_test = std::make_unique<CacheUnderTest>();
            under_test->cache = make();
            return under_test;
          }};
}

INSTANTIATE_TEST_SUITE_P(InProcess, CacheContract,
                         testing::Values(InProcess("Memory", Memory),
                                         InProcess("TwoLevels",
                                                   [] { return std::make_shared<TwoLevelCache>(Memory(), Memory()); }),
                                         InProcess("Guard", [] { return std::make_shared<Guard>(Memory()); })),
                         [](const auto& tested) { return tested.param.name; });

// A cache whose every call fails on demand.
class FailingCache final : public Cache {
 public:
  std::string_view name() const override { return "redis 10.0.0.1:6379"; }
  Status Put(const Context&, std::string_view, std::string_view, int64_t) override { return Answer(); }
  Result<std::optional<std::string>> Get(const Context&, std::string_view) override {
    RAGTIME_RETURN_IF_ERROR(Answer());
    return std::optional<std::string>("value");
  }
  Status Erase(const Context&, std::string_view) override { return Answer(); }
  Status PutMany(const Context&, std::span<const CacheEntry>, int64_t) override { return Answer(); }
  Result<std::vector<std::optional<std::string>>> GetMany(const Context&, std::span<const std::string> keys) override {
    RAGTIME_RETURN_IF_ERROR(Answer());
    return std::vector<std::optional<std::string>>(keys.size(), "value");
  }
  Status Probe(const Context&) override {
    ++probes;
    return failing ? UnavailableError("still down") : Status();
  }
  CacheStatistics Statistics() const override { return {}; }

  std::atomic<bool> failing{false};
  std::atomic<int> late_calls{0};  // So many fail though it is well.
  std::atomic<int> calls{0};
  std::atomic<int> probes{0};
  StatusCode code = StatusCode::kUnavailable;

 private:
  Status Answer() {
    ++calls;
    if (late_calls > 0) {
      --late_calls;
      return DeadlineExceededError("the cache redis 10.0.0.1:6379 did not answer in time");
    }
    return failing ? Status(code, "the cache redis 10.0.0.1:6379 cannot be reached") : Status();
  }
};

bool WaitFor(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

TEST(Guard, AsksADeadBackendOnceAndComesBackWithIt) {
  auto backend = std::make_shared<FailingCache>();
  Guard guard(backend, {.probe_after_ms = 20, .probe_after_max_ms = 40});
  EXPECT_EQ(**guard.Get({}, "key"), "value");
  backend->failing = true;
  const int calls = backend->calls;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(*guard.Get({}, "key"), std::nullopt);
    EXPECT_OK(guard.Put({}, "key", "value", 0));
    EXPECT_OK(guard.Erase({}, "key"));
    EXPECT_OK(guard.PutMany({}, std::vector<CacheEntry>{{"key", "value"}}, 0));
    EXPECT_EQ(guard.GetMany({}, std::vector<std::string>{"a", "b"})->size(), 2u);
  }
  EXPECT_EQ(backend->calls, calls + 1);
  EXPECT_THAT(guard.condition(), StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(guard.Statistics().misses, 300u);
  EXPECT_TRUE(WaitFor([&] { return backend->probes >= 3; }));
  EXPECT_FALSE(guard.condition().ok());
  backend->failing = false;
  EXPECT_TRUE(WaitFor([&] { return guard.condition().ok(); }));
  EXPECT_EQ(**guard.Get({}, "key"), "value");
  // And a second time.
  backend->failing = true;
  EXPECT_EQ(*guard.Get({}, "key"), std::nullopt);
  backend->failing = false;
  EXPECT_TRUE(WaitFor([&] { return guard.condition().ok(); }));
}

TEST(Guard, ALateAnswerAmongManyCostsLittleAndOneAmongFewMore) {
  auto backend = std::make_shared<FailingCache>();
  constexpr int64_t kHourMs = 3600000;
  Guard guard(backend, {.probe_after_ms = kHourMs, .probe_after_max_ms = kHourMs});
  const auto fail_once = [&] {
    backend->late_calls = 1;
    EXPECT_EQ(*guard.Get({}, "key"), std::nullopt);
  };
  for (int round = 0; round < 3; ++round) {
    fail_once();
    EXPECT_TRUE(WaitFor([&] { return guard.condition().ok(); }));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(**guard.Get({}, "key"), "value");
  }
  fail_once();
  EXPECT_TRUE(WaitFor([&] { return guard.condition().ok(); }));
  EXPECT_EQ(**guard.Get({}, "key"), "value");
  fail_once();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(guard.condition().ok());
  EXPECT_EQ(backend->probes, 4);
}

TEST(Guard, WhatIsNotTheBackendsFaultDoesNotOpenIt) {
  auto backend = std::make_shared<FailingCache>();
  Guard guard(backend);
  backend->failing = true;
  backend->code = StatusCode::kResourceExhausted;
  EXPECT_OK(guard.Put({}, "key", "a value that is too large", 0));
  EXPECT_OK(guard.condition());
  backend->code = StatusCode::kDeadlineExceeded;
  const Context late{.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1)};
  EXPECT_EQ(*guard.Get(late, "key"), std::nullopt);
  EXPECT_OK(guard.condition());
  EXPECT_THAT(guard.Get({}, ""), StatusIs(StatusCode::kInvalidArgument));
}

TEST(Guard, EndsWhileItProbes) {
  auto backend = std::make_shared<FailingCache>();
  backend->failing = true;
  Guard guard(backend, {.probe_after_ms = 3600000});
  EXPECT_EQ(*guard.Get({}, "key"), std::nullopt);
}

TEST(TwoLevels, KeepsNearWhatTheFarOneGaveUntilThatEnds) {
  int64_t now_ms = 1000000;
  auto near = Memory();
  auto far = Memory();
  TwoLevelCache first(Memory(), far, [&now_ms] { return now_ms; });
  TwoLevelCache second(near, far, [&now_ms] { return now_ms; });
  ASSERT_OK(first.Put({}, "key", "value", 10));
  now_ms += 7000;
  EXPECT_EQ(**second.Get({}, "key"), "value");
  EXPECT_EQ(*near->Statistics().entries, 1u);
  ASSERT_OK(far->Erase({}, "key"));
  EXPECT_EQ(**second.Get({}, "key"), "value");  // From near.
  // A copy that is not kept near is not given out after its end either.
  ASSERT_OK(first.Put({}, "other", "value", 10));
  now_ms += 10000;
  EXPECT_EQ(*second.Get({}, "other"), std::nullopt);
}

TEST(ServerAddress, ReadsEveryForm) {
  const auto tcp = ParseServerAddress("redis://app:p%40ss%2Fw%3Ard@cache.example:7000/3");
  ASSERT_OK(tcp);
  EXPECT_EQ(tcp->user, "app");
  EXPECT_EQ(tcp->password, "p@ss/w:rd");
  EXPECT_EQ(tcp->host, "cache.example");
  EXPECT_EQ(tcp->port, 7000);
  EXPECT_EQ(tcp->db, 3);
  EXPECT_EQ(tcp->ToString(), "cache.example:7000");
  EXPECT_EQ(ParseServerAddress("rediss://:secret@[::1]")->ToString(), "[::1]:6379");
  EXPECT_EQ(ParseServerAddress("rediss://:secret@[::1]")->password, "secret");
  EXPECT_EQ(ParseServerAddress("unix:///run/redis.sock?db=2")->path, "/run/redis.sock");
  EXPECT_EQ(ParseServerAddress("unix:///run/redis.sock?db=2")->db, 2);
  EXPECT_EQ(ParseServerAddress("memcached://127.0.0.1")->port, 11211);
}

TEST(ServerAddress, RefusesTheRestWithoutShowingAPassword) {
  for (const char* uri :
       {"", "127.0.0.1:6379", "http://secret@x", "redis://", "redis://u:secret@", "redis://u:secret@h:0",
        "redis://u:secret@h:66000", "redis://u:secret@h/db", "redis://u:secret%4@h", "redis://u:secret%zz@h",
        "redis://u:secret@[::1", "unix://relative", "unix:///x?timeout=1"}) {
    const auto address = ParseServerAddress(uri);
    ASSERT_THAT(address, StatusIs(StatusCode::kInvalidArgument)) << uri;
    EXPECT_THAT(address.status().message(), testing::Not(testing::HasSubstr("secret"))) << uri;
    EXPECT_THAT(address.status().remedy(), testing::HasSubstr("redis://host")) << uri;
  }
}

}  // namespace
}  // namespace ragtime
