// SPDX-License-Identifier: Apache-2.0
//
// One process of Ragtime on one of its stores, for bench/stores.py; prints one line of JSON:
//   stores_bench insert STORE URI STATE DATA FIRST END                commits the rows from FIRST to END
//   stores_bench search STORE URI STATE DATA ROWS QUERIES SPAWNED_NS  opens it, and searches with and without a filter
//
// STORE is a store_conf.type, STATE the folder for what a store on a server keeps here. DATA is what
// bench/store_generate wrote, SPAWNED_NS the monotonic clock when the process was started. A search is ten hits and the
// text of the best. Recall compares with all rows; a hit counts by its score, since equal vectors may change places.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "base/stopwatch.h"
#include "engine/builtin.h"
#include "ragtime/filter.h"
#include "store_data.h"

namespace ragtime {
namespace {

constexpr size_t kLimit = 10;
constexpr size_t kWarmUp = 3;
constexpr char kFilter[] = "year >= 2016";  // One document in ten.

Config ConfigOf(const char* type, const char* uri, const char* state) {
  Config config;
  config.store.type = type;
  config.store.uri = uri;
  config.store_server.state = state;
  return config;
}

// Of this process, from the kernel: "VmRSS:" is all that it has in memory, "RssAnon:" leaves out what is mapped of
// files.
double MemoryMib(std::string_view name) {
  std::ifstream lines("/proc/self/status");
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.starts_with(name)) continue;
    return static_cast<double>(std::strtoll(line.c_str() + name.size(), nullptr, 10)) / 1024;
  }
  return 0;
}

Status Insert(const Config& config, const StoreData& data, size_t first) {
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/true));
  RAGTIME_RETURN_IF_ERROR(store->BeginWrite(0));
  if (first == 0) {
    RAGTIME_RETURN_IF_ERROR(
        store->Commit(Context{}, {.documents = {}, .erased = {}, .settings = {}, .fields = FieldSpecs()}).status());
  }
  const Stopwatch commits;
  RAGTIME_RETURN_IF_ERROR(CommitDocuments(data, first / StoreData::kNodesPerDocument, data.documents(), *store));
  const double insert_ms = commits.ElapsedMs();
  const Stopwatch seal;
  RAGTIME_RETURN_IF_ERROR(store->Seal(Context{}));
  store->EndWrite();
  std::printf("{\"rows\": %zu, \"insert_ms\": %.1f, \"settle_ms\": %.1f, \"anonymous_mib\": %.1f}\n",
              data.rows() - first, insert_ms, seal.ElapsedMs(), MemoryMib("RssAnon:"));
  return Status();
}

Result<std::vector<Hit>> Search(const Snapshot& snapshot, const VectorQuery& query) {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<Hit> hits, snapshot.SearchVector(Context{}, query));
  if (hits.empty()) return NotFoundError("a question has no hit");
  RAGTIME_RETURN_IF_ERROR(snapshot.GetNodes(std::span(&hits[0].node_id, 1)).status());
  return hits;
}

// The share of the nearest matching rows that is among the hits.
double Recall(const StoreData& data, size_t query, const std::function<bool(size_t)>& matches,
              const std::vector<Hit>& hits) {
  const auto score = [&](size_t row) {
    const auto q = data.query(query);
    return std::inner_product(q.begin(), q.end(), data.vector(row).begin(), 0.0f);
  };
  const std::vector<size_t> nearest = data.Nearest(query, kLimit, matches);
  const float worst = score(nearest.back()) - 1e-5f;
  const auto good = std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) {
    const auto row = static_cast<size_t>(hit.node_id - 1);  // Ids are given out in the order of rows.
    return row < data.rows() && matches(row) && score(row) >= worst;
  });
  return static_cast<double>(good) / static_cast<double>(nearest.size());
}

using Found = std::vector<std::vector<Hit>>;  // Of each question.

// Searches and prints how long each took.
Result<Found> Measure(const StoreData& data, const Snapshot& snapshot, size_t queries, const char* name,
                      const Filter& filter) {
  Found found;
  std::string times;
  for (size_t i = 0; i < queries + kWarmUp; ++i) {
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(
        found.emplace_back(),
        Search(snapshot, {.vector = data.query(i), .limit = kLimit, .group = "", .filter = filter}));
    const double elapsed_ms = stopwatch.ElapsedMs();
    if (i < kWarmUp) continue;
    if (!times.empty()) times += ", ";
    times += std::to_string(elapsed_ms);
  }
  std::printf(", \"%s_ms\": [%s]", name, times.c_str());
  return found;
}

void PrintRecall(const StoreData& data, const char* name, const std::function<bool(size_t)>& matches,
                 const Found& found) {
  double recall = 0;
  for (size_t i = 0; i < found.size(); ++i) recall += Recall(data, i, matches, found[i]);
  std::printf(", \"%s_recall\": %.4f", name, recall / static_cast<double>(found.size()));
}

Status SearchAll(const Config& config, const StoreData& data, size_t queries, double start_ms) {
  queries = std::min(queries, data.queries() - kWarmUp);
  const Stopwatch opening;
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
  const double open_ms = opening.ElapsedMs();
  RAGTIME_RETURN_IF_ERROR(
      Search(*snapshot, {.vector = data.query(data.queries() - 1), .limit = kLimit, .group = ""}).status());
  std::printf("{\"start_ms\": %.3f, \"open_ms\": %.3f, \"first_hit_ms\": %.3f", start_ms, open_ms, opening.ElapsedMs());
  RAGTIME_ASSIGN_OR_RETURN(const Found found, Measure(data, *snapshot, queries, "search", Filter()));
  RAGTIME_ASSIGN_OR_RETURN(const Filter filter, Filter::Parse(kFilter, NodeFields(snapshot->fields())));
  RAGTIME_ASSIGN_OR_RETURN(const Found filtered, Measure(data, *snapshot, queries, "filtered", filter));
  // Before recall maps all rows of DATA.
  std::printf(", \"resident_mib\": %.1f", MemoryMib("VmRSS:"));
  const auto matches = [&](size_t row) { return data.fields(row / StoreData::kNodesPerDocument).year >= 2016; };
  PrintRecall(data, "search", [](size_t) { return true; }, found);
  PrintRecall(data, "filtered", matches, filtered);
  std::printf("}\n");
  return Status();
}

Status Run(int argc, char** argv, std::chrono::nanoseconds entered) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  const auto number = [argv](int i) { return static_cast<size_t>(std::strtoull(argv[i], nullptr, 10)); };
  if (verb == "insert" && argc == 8) {
    RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(argv[5], number(7)));
    return Insert(ConfigOf(argv[2], argv[3], argv[4]), data, number(6));
  }
  if (verb == "search" && argc == 9) {
    const std::chrono::nanoseconds spawned(std::strtoll(argv[8], nullptr, 10));
    RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(argv[5], number(6)));
    return SearchAll(ConfigOf(argv[2], argv[3], argv[4]), data, number(7),
                     std::chrono::duration<double, std::milli>(entered - spawned).count());
  }
  return InvalidArgumentError(
      "usage: stores_bench insert STORE URI STATE DATA FIRST END | search STORE URI STATE DATA ROWS QUERIES "
      "SPAWNED_NS");
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  const ragtime::Status status = ragtime::Run(argc, argv, std::chrono::steady_clock::now().time_since_epoch());
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
