// SPDX-License-Identifier: Apache-2.0
//
// Goal: the cache in memory keeps its cap, counts its bytes honestly, and keeps more of what is asked for than an LRU.
#include "cache/memory/memory_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <thread>
#include <variant>

#include "base/lru.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

// The yardstick: evicts what was used least lately, at the same price of an entry.
class LruModel {
 public:
  explicit LruModel(size_t capacity_bytes) : entries_(capacity_bytes) {}
  // True: it was there. Else it is put in.
  bool Ask(const std::string& key, size_t value_bytes) {
    if (entries_.Find(key) != nullptr) return true;
    entries_.Keep(key, {}, MemoryCache::CostBytes(key.size(), value_bytes));
    return false;
  }

 private:
  Lru<std::monostate> entries_;
};

class Zipf {
 public:
  Zipf(size_t count, double skew) : cumulative_(count) {
    double total = 0;
    for (size_t i = 0; i < count; ++i) cumulative_[i] = total += 1 / std::pow(static_cast<double>(i + 1), skew);
    for (double& x : cumulative_) x /= total;
  }
  size_t Draw(std::mt19937_64& engine) {
    const double at = std::uniform_real_distribution<double>()(engine);
    return static_cast<size_t>(std::lower_bound(cumulative_.begin(), cumulative_.end(), at) - cumulative_.begin());
  }

 private:
  std::vector<double> cumulative_;
};

struct HitRates {
  double s3_fifo;
  double lru;
};

HitRates Measure(const char* name, const std::function<std::string(size_t)>& key_of, size_t capacity_bytes) {
  constexpr size_t kAsked = 300000;
  constexpr size_t kValueBytes = 1536;  // A vector of e5-small.
  const std::string value(kValueBytes, 'v');
  MemoryCache cache({.capacity_bytes = capacity_bytes});
  LruModel lru(capacity_bytes);
  size_t hits = 0;
  size_t lru_hits = 0;
  for (size_t i = 0; i < kAsked; ++i) {
    const std::string key = key_of(i);
    if (cache.Get({}, key)->has_value()) {
      ++hits;
    } else {
      EXPECT_TRUE(cache.Put({}, key, value, 0).ok());
    }
    lru_hits += lru.Ask(key, kValueBytes) ? 1 : 0;
  }
  const HitRates rates{static_cast<double>(hits) / kAsked, static_cast<double>(lru_hits) / kAsked};
  std::printf("%s: S3-FIFO %.4f, LRU %.4f\n", name, rates.s3_fifo, rates.lru);
  return rates;
}

TEST(MemoryCache, KeepsMoreThanAnLruOfAZipfStream) {
  std::mt19937_64 engine(7);
  Zipf zipf(100000, 0.9);
  const HitRates rates = Measure(
      "Zipf 0.9 over 100,000 keys, room for 5%", [&](size_t) { return StrCat("question ", zipf.Draw(engine)); },
      size_t{100000} / 20 * MemoryCache::CostBytes(20, 1536));
  EXPECT_GT(rates.s3_fifo, rates.lru + 0.05);
}

TEST(MemoryCache, AScanDoesNotPushTheQuestionsOut) {
  std::mt19937_64 engine(7);
  Zipf zipf(100000, 0.9);
  size_t scanned = 0;
  // Half of the stream is an ingestion that asks for each passage once.
  const HitRates rates = Measure(
      "the same, every other key from a scan",
      [&](size_t i) { return i % 2 == 0 ? StrCat("passage ", scanned++) : StrCat("question ", zipf.Draw(engine)); },
      size_t{100000} / 20 * MemoryCache::CostBytes(20, 1536));
  EXPECT_GT(rates.s3_fifo, rates.lru + 0.045);
}

TEST(MemoryCache, KeepsItsCapAndCountsWhatTheAllocatorGives) {
  constexpr size_t kCapacity = size_t{32} << 20;
  std::mt19937_64 engine(3);
  for (const size_t value_bytes : {size_t{0}, size_t{40}, size_t{700}, size_t{20000}}) {
    const struct mallinfo2 before = ::mallinfo2();
    MemoryCache cache({.capacity_bytes = kCapacity});
    for (size_t i = 0; i < 2 * kCapacity / MemoryCache::CostBytes(20, value_bytes); ++i) {
      const std::string key = StrCat("question ", engine() % 1000000000);
      ASSERT_TRUE(cache.Put({}, key, std::string(value_bytes, 'x'), 0).ok());
      if (i % 3 == 0) (void)cache.Get({}, key);
      ASSERT_LE(*cache.Statistics().bytes, kCapacity);
    }
    const CacheStatistics statistics = cache.Statistics();
    EXPECT_GT(*statistics.bytes, kCapacity * 9 / 10);
    EXPECT_GT(*statistics.evictions, 0u);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // These have allocators of their own.
    const struct mallinfo2 after = ::mallinfo2();
    const double real =
        static_cast<double>(after.uordblks + after.hblkhd) - static_cast<double>(before.uordblks + before.hblkhd);
    std::printf("values of %zu bytes: %.3f of the counted bytes\n", value_bytes,
                real / static_cast<double>(*statistics.bytes));
    EXPECT_LT(real, 1.05 * static_cast<double>(*statistics.bytes));
    EXPECT_GT(real, 0.85 * static_cast<double>(*statistics.bytes));
#else
    (void)before;
#endif
  }
}

TEST(MemoryCache, EntriesEndWithTheirTime) {
  std::chrono::steady_clock::time_point now{};
  MemoryCache cache({.now = [&now] { return now; }});
  ASSERT_TRUE(cache.Put({}, "short", "a", 10).ok());
  ASSERT_TRUE(cache.Put({}, "long", "b", int64_t{1} << 62).ok());
  ASSERT_TRUE(cache.Put({}, "endless", "c", 0).ok());
  now += std::chrono::milliseconds(9999);
  EXPECT_EQ(**cache.Get({}, "short"), "a");
  now += std::chrono::milliseconds(1);
  EXPECT_FALSE(cache.Get({}, "short")->has_value());
  now += std::chrono::hours(24 * 365);
  EXPECT_EQ(**cache.Get({}, "long"), "b");
  EXPECT_EQ(**cache.Get({}, "endless"), "c");
  EXPECT_EQ(*cache.Statistics().entries, 2u);
}

TEST(MemoryCache, AValueThatDoesNotFitLeavesNothingUnderItsKey) {
  MemoryCache cache({.capacity_bytes = 100000});
  ASSERT_TRUE(cache.Put({}, "key", "old", 0).ok());
  const Status status = cache.Put({}, "key", std::string(100000, 'x'), 0);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.remedy(), testing::HasSubstr("capacity_bytes"));
  EXPECT_FALSE(cache.Get({}, "key")->has_value());
}

TEST(MemoryCache, ThreadsShareIt) {
  MemoryCache cache({.capacity_bytes = 1 << 20});
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, &wrong, t] {
      std::mt19937_64 engine(static_cast<uint64_t>(t));
      for (int i = 0; i < 20000; ++i) {
        const std::string key = StrCat("key ", engine() % 3000);
        switch (engine() % 4) {
          case 0:
            (void)cache.Put({}, key, StrCat(key, std::string(engine() % 2000, '.')), 0);
            break;
          case 1:
            (void)cache.Erase({}, key);
            break;
          default: {
            const auto value = cache.Get({}, key);
            if (value->has_value() && !(*value)->starts_with(key)) ++wrong;
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(*cache.Statistics().bytes, size_t{1} << 20);
}

}  // namespace
}  // namespace ragtime
