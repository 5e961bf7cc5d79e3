// SPDX-License-Identifier: Apache-2.0
//
// What the caches cost and save, for bench/cache.py: cache_bench KB_FOLDER MODELS_FOLDER [QUESTIONS]
//
// 1. Get and Put of a value of 1.5 KB (a vector) and of 12 KB (a result) in memory, on a Redis and on a Memcached that
//    it starts itself on this machine, and in memory before that Redis. 2. Searches per second of a Zipf stream of
//    questions, with and without a cache, by the real embedding model; then of the same questions with another top_k,
//    so that results are missed and vectors are not. 3. A search when the Redis stalls and when it has died: the first
//    ones, and those after them.
// Prints medians, hit rates, ratios, and beside a ratio the bound: what it would be if a hit cost nothing. The
// knowledge base comes from make_kb.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/median.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "cache/memcached/memcached_cache.h"
#include "cache/memory/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "cache/two_level_cache.h"
#include "ragtime/knowledge_base.h"
#include "testing/cache_servers.h"

namespace ragtime {
namespace {

constexpr int kOperations = 2000;
constexpr size_t kQuestionsPerDistinct = 10;  // So that about nine in ten are hits.
constexpr double kTarget = 20;

template <typename T>
T Need(Result<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
  std::exit(1);
}

double MedianUs(int count, const std::function<void(int)>& work) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const Stopwatch stopwatch;
    work(i);
    times.push_back(stopwatch.ElapsedMs() * 1000);
  }
  return Median(std::move(times));
}

void MeasureBackend(const char* name, Cache& cache) {
  for (const size_t bytes : {size_t{1536}, size_t{12288}}) {
    const std::string value(bytes, 'v');
    const double put = MedianUs(kOperations, [&](int i) {
      if (!cache.Put({}, StrCat("key ", i), value, 3600).ok()) std::exit(1);
    });
    const double get = MedianUs(kOperations, [&](int i) {
      if (!Need(cache.Get({}, StrCat("key ", i)))) std::exit(1);
    });
    std::printf("%-10s %6zu bytes: get %7.2f us, put %7.2f us\n", name, bytes, get, put);
  }
}

Config ConfigOf(const char* kb, const char* models, const std::string& cache_type) {
  Config config;
  config.store.uri = kb;
  config.models_path = models;
  config.llm.api = "none";
  config.cache.type = cache_type;
  return config;
}

// Questions of a few words of one vocabulary, by Zipf's law: the same numbers for every run.
std::vector<std::string> Stream(size_t count) {
  std::mt19937_64 random(11);
  std::vector<double> weights;
  for (size_t i = 0; i < std::max<size_t>(1, count / kQuestionsPerDistinct); ++i)
    weights.push_back(1 / static_cast<double>(i + 1));
  std::discrete_distribution<size_t> zipf(weights.begin(), weights.end());
  std::vector<std::string> questions;
  for (size_t i = 0; i < count; ++i) {
    questions.push_back(StrCat("How do I restore backup number ", zipf(random), " of the archive?"));
  }
  return questions;
}

struct Rate {
  double per_second = 0;
  double hit_rate = 0;
  double miss_ms = 0;  // Of a search that was no hit, on average.
};

Rate RateOf(KnowledgeBase& kb, const std::vector<std::string>& questions, size_t top_k) {
  Rate rate;
  size_t hits = 0;
  const Stopwatch stopwatch;
  for (const std::string& question : questions) {
    const Stopwatch one;
    if (Need(kb.Search({.query = question, .top_k = top_k})).cached) {
      ++hits;
    } else {
      rate.miss_ms += one.ElapsedMs();
    }
  }
  const auto count = static_cast<double>(questions.size());
  rate.per_second = count / (stopwatch.ElapsedMs() / 1000);
  rate.hit_rate = static_cast<double>(hits) / count;
  if (hits < questions.size()) rate.miss_ms /= static_cast<double>(questions.size() - hits);
  return rate;
}

void Compare(const char* what, const Rate& plain, const Rate& cached) {
  const double ratio = cached.per_second / plain.per_second;
  // All that is left are the misses.
  const double bound = plain.miss_ms / ((1 - cached.hit_rate) * cached.miss_ms);
  std::printf("%-36s %7.0f/s, %.1f %% hits, a miss %.2f ms: %.1fx, bound %.1fx, target %.0fx: %s\n", what,
              cached.per_second, 100 * cached.hit_rate, cached.miss_ms, ratio, bound, kTarget,
              ratio >= kTarget ? "met" : "MISSED");
}

void MeasureStreams(const Config& without, const std::vector<std::pair<const char*, Config>>& caches, size_t count) {
  const std::vector<std::string> questions = Stream(count);
  const auto plain = Need(KnowledgeBase::Open(without, true));
  Need(plain->Search({.query = "What is this about?"}));  // Loads the model.
  const Rate none = RateOf(*plain, questions, 10);
  std::printf("%zu questions, %zu of them different: %.0f searches/s without a cache\n", count,
              count / kQuestionsPerDistinct, none.per_second);
  for (const auto& [name, config] : caches) {
    const auto kb = Need(KnowledgeBase::Open(config, true));
    Need(kb->Search({.query = "What is this about?"}));
    Compare(StrCat(name, ", new questions").c_str(), none, RateOf(*kb, questions, 10));
    Compare(StrCat(name, ", vectors known").c_str(), none, RateOf(*kb, questions, 9));
  }
}

// Searches of words that were not asked for yet, in ms: the first ones, and the median of 51 after them.
void MeasureFault(const char* what, const char* word, KnowledgeBase& kb) {
  std::printf("%-28s", what);
  for (int i = 0; i < 3; ++i) {
    const Stopwatch stopwatch;
    Need(kb.Search({.query = StrCat("Where is the ", word, " ", i, "?")}));
    std::printf(" %7.2f", stopwatch.ElapsedMs());
  }
  const double after =
      MedianUs(51, [&](int i) { Need(kb.Search({.query = StrCat("Who has the ", word, " ", i, "?")})); });
  std::printf(", then %.2f ms\n", after / 1000);
}

// Until a result is kept and found again.
void WaitUntilBack(KnowledgeBase& kb) {
  for (int i = 0; i < 2000; ++i) {
    if (Need(kb.Search({.query = "Is it back?"})).cached) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::fprintf(stderr, "the Redis is bypassed though it is back\n");
  std::exit(1);
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: cache_bench KB_FOLDER MODELS_FOLDER [QUESTIONS]\n");
    return 2;
  }
  RedisServer redis_server;
  RedisServer far_server;  // Behind memory.
  MemcachedServer memcached_server;
  {
    const auto memory = std::make_shared<MemoryCache>();
    const std::shared_ptr<Cache> redis =
        Need(RedisCache::Make({.address = Need(ParseServerAddress(redis_server.uri())), .timeout_ms = 1000}));
    MemcachedCache memcached({.address = Need(ParseServerAddress(memcached_server.uri())), .timeout_ms = 1000});
    TwoLevelCache two_level(std::make_shared<MemoryCache>(), redis);
    MeasureBackend("memory", *memory);
    MeasureBackend("redis", *redis);
    MeasureBackend("memcached", memcached);
    MeasureBackend("two-level", two_level);
  }
  const auto with = [&](const char* type, const std::string& uri, bool two_level) {
    Config config = ConfigOf(argv[1], argv[2], type);
    config.cache.uri = uri;
    config.cache.two_level = two_level;
    return config;
  };
  const Config on_redis = with("redis", redis_server.uri(), false);
  MeasureStreams(with("none", "", false),
                 {{"memory", with("memory", "", false)},
                  {"redis", on_redis},
                  {"memcached", with("memcached", memcached_server.uri(), false)},
                  {"memory before redis", with("redis", far_server.uri(), true)}},
                 argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1000);

  std::printf("a search of new words, the first three and the median after them, in ms\n");
  const auto plain = Need(KnowledgeBase::Open(with("none", "", false), true));
  const auto kb = Need(KnowledgeBase::Open(on_redis, true));
  Need(plain->Search({.query = "What is this about?"}));
  WaitUntilBack(*kb);
  MeasureFault("without a cache", "shelf", *plain);
  MeasureFault("on a Redis", "desk", *kb);
  redis_server.process().Stall();
  MeasureFault("on a Redis that stalls", "room", *kb);
  redis_server.process().Continue();
  WaitUntilBack(*kb);
  redis_server.process().Kill();
  MeasureFault("on a Redis that has died", "hall", *kb);
  return 0;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) { return ragtime::Main(argc, argv); }
