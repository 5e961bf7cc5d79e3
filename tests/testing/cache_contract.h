// SPDX-License-Identifier: Apache-2.0
//
// The contract of include/ragtime/cache.h as tests: included by one file for each set of backends, which instantiates
// CacheContract with a way to make each.
#ifndef RAGTIME_TESTS_TESTING_CACHE_CONTRACT_H_
#define RAGTIME_TESTS_TESTING_CACHE_CONTRACT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/str_cat.h"
#include "ragtime/cache.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {

// A backend, with whatever server it needs; both live as long as this.
struct CacheUnderTest {
  virtual ~CacheUnderTest() = default;
  std::shared_ptr<Cache> cache;  // Null: it could not be made, and `problem` says why.
  std::string problem;
};

struct CacheKind {
  std::string name;
  std::function<std::unique_ptr<CacheUnderTest>()> make;
};
inline void PrintTo(const CacheKind& kind, std::ostream* out) { *out << kind.name; }

class CacheContract : public testing::TestWithParam<CacheKind> {
 protected:
  void SetUp() override {
    under_test_ = GetParam().make();
    ASSERT_NE(under_test_->cache, nullptr) << under_test_->problem;
  }
  Cache& cache() { return *under_test_->cache; }
  std::optional<std::string> Get(std::string_view key) {
    auto value = cache().Get({}, key);
    EXPECT_TRUE(testing_status::IsOk(value));
    return value.ok() ? *value : std::optional<std::string>("an error");
  }
  void Put(std::string_view key, std::string_view value, int64_t ttl_s = 0) {
    EXPECT_TRUE(testing_status::IsOk(cache().Put({}, key, value, ttl_s)));
  }

 private:
  std::unique_ptr<CacheUnderTest> under_test_;
};

inline std::string AllBytes() {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i % 256);
  return bytes;
}

// Bytes that no compression or fill would hide a mistake in.
inline std::string RandomBytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
  return bytes;
}

TEST_P(CacheContract, GivesBackWhatWasPut) {
  Random random(1);
  const std::string five_megabytes = RandomBytes(random, 5000000);
  const std::vector<std::pair<std::string, std::string>> entries = {
      {"plain", "value"},
      {"empty value", ""},
      {AllBytes(), AllBytes()},
      {std::string("\0zero\0", 6), std::string("\0", 1)},
      {"with blanks\r\nand lines", "VALUE x 0 3\r\nabc\r\nEND\r\n"},
      {"备份 {uuid}", "如何恢复备份？"},
      {std::string(kCacheKeyBytesMax, 'k'), "long key"},
      {"5 MB", five_megabytes},
      {"1 MB less a little", RandomBytes(random, 1000000 - 20)},
      {"1 MiB", RandomBytes(random, 1 << 20)},
  };
  for (const auto& [key, value] : entries) Put(key, value);
  for (const auto& [key, value] : entries) {
    const auto got = Get(key);
    ASSERT_TRUE(got.has_value()) << key;
    EXPECT_TRUE(*got == value) << key << ": " << got->size() << " bytes instead of " << value.size();
  }
}

TEST_P(CacheContract, ReplacesAndErases) {
  EXPECT_EQ(Get("key"), std::nullopt);
  Put("key", "one");
  Put("key", std::string(3000000, 'x'));
  EXPECT_EQ(Get("key")->size(), 3000000u);
  Put("key", "two");
  EXPECT_EQ(Get("key"), "two");
  EXPECT_OK(cache().Erase({}, "key"));
  EXPECT_EQ(Get("key"), std::nullopt);
  EXPECT_OK(cache().Erase({}, "key"));
  EXPECT_OK(cache().Erase({}, "never put"));
  EXPECT_OK(cache().Probe({}));
}

TEST_P(CacheContract, TakesManyAtOnce) {
  std::vector<CacheEntry> entries;
  std::vector<std::string> keys;
  for (int i = 0; i < 1500; ++i) {
    entries.push_back({StrCat("key ", i), std::string(static_cast<size_t>(i % 100), static_cast<char>('a' + i % 26))});
    keys.push_back(StrCat("key ", i));
    keys.push_back(StrCat("no key ", i));
  }
  keys.push_back("key 7");  // A second time.
  EXPECT_OK(cache().PutMany({}, entries, 100));
  const auto values = cache().GetMany({}, keys);
  ASSERT_OK(values);
  ASSERT_EQ(values->size(), keys.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ((*values)[2 * i], entries[i].value) << i;
    EXPECT_EQ((*values)[2 * i + 1], std::nullopt) << i;
  }
  EXPECT_EQ(values->back(), "hhhhhhh");
  EXPECT_OK(cache().PutMany({}, {}, 0));
  EXPECT_TRUE(cache().GetMany({}, {})->empty());
}

TEST_P(CacheContract, RefusesKeysOfAWrongLength) {
  for (const std::string& key : {std::string(), std::string(kCacheKeyBytesMax + 1, 'k')}) {
    EXPECT_EQ(cache().Put({}, key, "v", 0).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(cache().Get({}, key).status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(cache().Erase({}, key).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(cache().PutMany({}, std::vector<CacheEntry>{{key, "v"}}, 0).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(cache().GetMany({}, std::vector<std::string>{key}).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST_P(CacheContract, AnEntryEndsWithItsTime) {
  // Put again without an end, it has none.
  Put("again", "f", 1);
  Put("again", "g", 0);
  Put("short", "a", 1);
  Put("long", "b", 100);
  Put("forty days", "c", 40 * 24 * 3600);
  Put("for ever", "d", int64_t{1} << 60);
  Put("endless", "e", 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (Get("short").has_value() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(Get("short"), std::nullopt);
  EXPECT_EQ(Get("long"), "b");
  EXPECT_EQ(Get("forty days"), "c");
  EXPECT_EQ(Get("for ever"), "d");
  EXPECT_EQ(Get("endless"), "e");
  EXPECT_EQ(Get("again"), "g") << "its first end is past: it came before that of short";
}

TEST_P(CacheContract, RandomOperationsAgreeWithAMap) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(StrCat("RAGTIME_SEED=", seed));
  Random random(seed);
  std::map<std::string, std::string> model;
  auto key = [&random] { return StrCat("key ", random.Below(60), std::string(random.Below(2) * 300, '\n')); };
  auto value = [&random] {
    const size_t size = random.OneIn(100) ? 900000 + random.Below(300000) : random.Below(random.OneIn(5) ? 20000 : 50);
    return RandomBytes(random, size);
  };
  auto expected = [&model](const std::string& name) {
    const auto found = model.find(name);
    return found == model.end() ? std::nullopt : std::optional(found->second);
  };
  for (int step = 0; step < 1500; ++step) {
    switch (random.Below(5)) {
      case 0:
      case 1: {
        const std::string name = key();
        ASSERT_OK(cache().Put({}, name, model[name] = value(), random.OneIn(2) ? 0 : 10000));
        break;
      }
      case 2: {
        const std::string name = key();
        model.erase(name);
        ASSERT_OK(cache().Erase({}, name));
        break;
      }
      case 3: {
        std::vector<CacheEntry> entries;
        for (uint64_t i = random.Below(8); i > 0; --i) entries.push_back({key(), value()});
        for (const CacheEntry& entry : entries) model[entry.key] = entry.value;
        ASSERT_OK(cache().PutMany({}, entries, 0));
        break;
      }
      default: {
        std::vector<std::string> keys;
        for (uint64_t i = random.Below(8); i > 0; --i) keys.push_back(key());
        const auto values = cache().GetMany({}, keys);
        ASSERT_OK(values);
        for (size_t i = 0; i < keys.size(); ++i) ASSERT_TRUE((*values)[i] == expected(keys[i])) << "step " << step;
      }
    }
    const std::string name = key();
    ASSERT_TRUE(Get(name) == expected(name)) << "step " << step;
  }
}

TEST_P(CacheContract, ThreadsShareIt) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, &wrong, t] {
      Random random(t);
      for (int i = 0; i < 300; ++i) {
        const std::string key = StrCat("key ", random.Below(20));
        if (random.OneIn(3)) {
          wrong += cache().Put({}, key, key + std::string(random.Below(3000), '.'), 0).ok() ? 0 : 1;
        } else {
          const auto value = cache().Get({}, key);
          wrong += value.ok() && (!value->has_value() || (*value)->starts_with(key)) ? 0 : 1;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(CacheContract, CountsHitsAndMisses) {
  const CacheStatistics before = cache().Statistics();
  Put("a", "1");
  (void)Get("a");
  (void)cache().GetMany({}, std::vector<std::string>{"a", "b", "c"});
  const CacheStatistics after = cache().Statistics();
  EXPECT_EQ(after.hits - before.hits, 2u);
  EXPECT_EQ(after.misses - before.misses, 2u);
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_CACHE_CONTRACT_H_
