// SPDX-License-Identifier: Apache-2.0
//
// What merging in the background costs those who search and commit meanwhile: store_merge FOLDER MIB_PER_S...
//
// For each rate (0: no limit; -1: no merging in the background) a new store takes commits of 64 nodes for some seconds,
// at a pace, while one thread searches by vector and by word without a pause. Printed: searches and commits, their
// medians and 99th percentiles, and segments at the end.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/median.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "store/embedded/embedded_store.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 384;
constexpr size_t kNodesPerCommit = 64;
constexpr auto kPause = std::chrono::milliseconds(10);  // Between two commits: a pace that embedding would set.
constexpr auto kDuration = std::chrono::seconds(12);

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

std::vector<float> RandomVector(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

NewNode RandomNode(std::mt19937_64& random, uint32_t position) {
  NewNode node{.node = {.group = "sentence-256", .position = position}, .vector = RandomVector(random)};
  for (int i = 0; i < 150; ++i) {
    // Few words are common, most are rare.
    node.node.text +=
        "w" + std::to_string(static_cast<int>(std::exp(10.0 * static_cast<double>(random() % 1000) / 1000)));
    node.node.text += ' ';
  }
  return node;
}

int Measure(const std::string& folder, int64_t mib_per_s) {
  std::filesystem::remove_all(folder);
  EmbeddedLimits limits;
  limits.background = mib_per_s >= 0;
  limits.background_bytes_per_s = static_cast<uint64_t>(std::max<int64_t>(mib_per_s, 0)) << 20;
  const IndexSet indexes{.vector = std::make_shared<FlatIndexType>(), .keyword = std::make_shared<Bm25IndexType>()};
  const auto store = EmbeddedStore::Open({.uri = folder}, indexes, true, limits);
  if (!store.ok() || !(*store)->BeginWrite(0).ok()) return 1;
  std::atomic<bool> done = false;
  std::vector<double> searches;
  std::thread reader([&] {
    std::mt19937_64 random(2);
    while (!done) {
      const std::vector<float> vector = RandomVector(random);
      const auto start = Clock::now();
      const auto snapshot = (*store)->OpenSnapshot();
      if (!snapshot.ok()) std::abort();
      if (!(*snapshot)->SearchVector({}, {.vector = vector}).ok()) std::abort();
      if (!(*snapshot)->SearchKeyword({}, {.text = "w7 w300 w9000"}).ok()) std::abort();
      searches.push_back(Milliseconds(Clock::now() - start));
    }
  });
  std::mt19937_64 random(1);
  std::vector<double> commits;
  for (const auto end = Clock::now() + kDuration; Clock::now() < end;) {
    WriteBatch batch;
    DocumentWrite document;
    document.file.file_path = "file-" + std::to_string(commits.size());
    for (uint32_t i = 0; i < kNodesPerCommit; ++i) document.nodes.push_back(RandomNode(random, i));
    batch.documents.push_back(std::move(document));
    const auto start = Clock::now();
    if (!(*store)->Commit({}, std::move(batch)).ok()) return 1;
    commits.push_back(Milliseconds(Clock::now() - start));
    std::this_thread::sleep_for(kPause);
  }
  done = true;
  reader.join();
  const StoreStatistics statistics = *(*(*store)->OpenSnapshot())->Statistics();
  std::printf(
      "%4lld MiB/s: %5zu searches, p50 %6.2f p99 %7.2f max %7.2f ms; %4zu commits, p50 %6.2f p99 %7.2f max %7.2f ms; "
      "%llu segments, %llu nodes in the tail\n",
      static_cast<long long>(mib_per_s), searches.size(), Median(searches), Quantile(searches, 0.99),
      Quantile(searches, 1), commits.size(), Median(commits), Quantile(commits, 0.99), Quantile(commits, 1),
      static_cast<unsigned long long>(statistics.segments), static_cast<unsigned long long>(statistics.tail_nodes));
  return 0;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: store_merge FOLDER MIB_PER_S... (0: no limit, -1: no merging in the background)\n", stderr);
    return 2;
  }
  for (int i = 2; i < argc; ++i) {
    if (const int code = ragtime::Measure(argv[1], std::atoll(argv[i])); code != 0) return code;
  }
  return 0;
}
