// SPDX-License-Identifier: Apache-2.0
//
// What the caches cost and save: cache_bench KB_FOLDER MODELS_FOLDER [QUESTIONS]
//
// 1. Get and Put of a value of 1.5 KB (a vector) and of 12 KB (a result) in memory, on a Redis and on a Memcached that
//    it starts itself on this machine. 2. Searches per second of a Zipf stream of questions, with and without the cache
//    in memory, by the real embedding model. 3. A search when the Redis has died: the first one, and those after it.
// Prints medians, the hit rate and the ratio. The knowledge base comes from make_kb.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "cache/memcached/memcached_cache.h"
#include "cache/memory/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "ragtime/knowledge_base.h"
#include "testing/cache_servers.h"

namespace ragtime {
namespace {

constexpr int kOperations = 2000;
constexpr size_t kDistinctQuestions = 100;

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
  std::nth_element(times.begin(), times.begin() + count / 2, times.end());
  return times[static_cast<size_t>(count / 2)];
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
  for (size_t i = 0; i < kDistinctQuestions; ++i) weights.push_back(1 / static_cast<double>(i + 1));
  std::discrete_distribution<size_t> zipf(weights.begin(), weights.end());
  std::vector<std::string> questions;
  for (size_t i = 0; i < count; ++i) {
    questions.push_back(StrCat("How do I restore backup number ", zipf(random), " of the archive?"));
  }
  return questions;
}

// Searches per second; the first question, which loads the model, is not counted.
double Rate(KnowledgeBase& kb, const std::vector<std::string>& questions, size_t& hits) {
  Need(kb.Search({.query = "What is this about?"}));
  const Stopwatch stopwatch;
  for (const std::string& question : questions) hits += Need(kb.Search({.query = question})).cached ? 1 : 0;
  return static_cast<double>(questions.size()) / (stopwatch.ElapsedMs() / 1000);
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: cache_bench KB_FOLDER MODELS_FOLDER [QUESTIONS]\n");
    return 2;
  }
  RedisServer redis_server;
  MemcachedServer memcached_server;
  MemoryCache memory;
  RedisOptions redis_options{.address = Need(ParseServerAddress(redis_server.uri())), .timeout_ms = 1000};
  const auto redis = Need(RedisCache::Make(redis_options));
  MemcachedCache memcached({.address = Need(ParseServerAddress(memcached_server.uri())), .timeout_ms = 1000});
  MeasureBackend("memory", memory);
  MeasureBackend("redis", *redis);
  MeasureBackend("memcached", memcached);

  const size_t count = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1000;
  const std::vector<std::string> questions = Stream(count);
  size_t hits = 0;
  size_t none = 0;
  const auto plain = Need(KnowledgeBase::Open(ConfigOf(argv[1], argv[2], "none"), true));
  const auto cached = Need(KnowledgeBase::Open(ConfigOf(argv[1], argv[2], "memory"), true));
  const double without = Rate(*plain, questions, none);
  const double with = Rate(*cached, questions, hits);
  std::printf("searches/s of %zu questions: %.0f without, %.0f with the cache (%.1f %% hits): %.1fx\n", count, without,
              with, 100.0 * static_cast<double>(hits) / static_cast<double>(count), with / without);

  Config config = ConfigOf(argv[1], argv[2], "redis");
  config.cache.uri = redis_server.uri();
  config.cache.two_level = false;
  const auto on_redis = Need(KnowledgeBase::Open(config, true));
  size_t redis_hits = 0;
  const double with_redis = Rate(*on_redis, questions, redis_hits);
  std::printf("the same with Redis alone: %.0f (%.1f %% hits): %.1fx\n", with_redis,
              100.0 * static_cast<double>(redis_hits) / static_cast<double>(count), with_redis / without);
  const auto fresh_us = [](KnowledgeBase& kb, const char* what, int n) {
    return MedianUs(n, [&kb, what](int i) { Need(kb.Search({.query = StrCat("Where is ", what, " ", i, "?")})); });
  };
  const double usual = fresh_us(*plain, "shelf", 51);
  redis_server.process().Stall();
  const double first = fresh_us(*on_redis, "room", 1);
  const double after = fresh_us(*on_redis, "hall", 51);
  redis_server.process().Kill();
  std::printf(
      "a search of new words: %.2f ms without a cache; on a Redis that stalls %.2f ms the first, %.2f ms after\n",
      usual / 1000, first / 1000, after / 1000);
  return 0;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) { return ragtime::Main(argc, argv); }
