// SPDX-License-Identifier: Apache-2.0
//
// What a filter costs: store_filter FOLDER DATA ROWS QUERIES prints latencies and recall for each selectivity, as JSON.
//
// FOLDER is a knowledge base that store_make made of the first ROWS rows of DATA. Recall compares with all rows that
// match, found by reading DATA; a hit counts by its distance, since equal vectors may change places.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "engine/builtin.h"
#include "ragtime/filter.h"
#include "store_data.h"

namespace ragtime {
namespace {

constexpr size_t kLimit = 10;
constexpr size_t kWarmUp = 3;

struct Case {
  const char* name;
  const char* filter;
  std::function<bool(const DocumentFields&)> matches;
};

// One for each type of field, as bench/store_peers.py asks the others.
std::vector<Case> Cases() {
  return {{"0.01%", R"(author = "a0007")", [](const DocumentFields& f) { return f.author == "a0007"; }},
          {"0.1%", "score < 0.001", [](const DocumentFields& f) { return f.score < 0.001; }},
          {"1%", "year = 1950", [](const DocumentFields& f) { return f.year == 1950; }},
          {"10%", "year >= 2016", [](const DocumentFields& f) { return f.year >= 2016; }},
          {"50%", "not draft", [](const DocumentFields& f) { return !f.draft; }}};
}

float Score(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0f);
}

// The share of the nearest matching rows that is among the hits.
double Recall(const StoreData& data, size_t query, const std::function<bool(size_t)>& matches,
              const std::vector<Hit>& hits) {
  const std::vector<size_t> nearest = data.Nearest(query, kLimit, matches);
  if (nearest.empty()) return hits.empty() ? 1 : 0;
  const float worst = Score(data.query(query), data.vector(nearest.back())) - 1e-5f;
  const auto good = std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) {
    const auto row = static_cast<size_t>(hit.node_id - 1);  // store_make gives ids out in the order of rows.
    return row < data.rows() && matches(row) && Score(data.query(query), data.vector(row)) >= worst;
  });
  return static_cast<double>(good) / static_cast<double>(nearest.size());
}

Status Measure(const StoreData& data, const Case& test, size_t queries, const Snapshot& snapshot) {
  const auto matches = [&](size_t row) { return test.matches(data.fields(row / StoreData::kNodesPerDocument)); };
  RAGTIME_ASSIGN_OR_RETURN(const Filter filter, Filter::Parse(test.filter, NodeFields(snapshot.fields())));
  size_t matching = 0;
  for (size_t row = 0; row < data.rows(); ++row) matching += matches(row) ? 1 : 0;
  std::string times;
  double recall = 0;
  for (size_t i = 0; i < queries + kWarmUp; ++i) {
    const VectorQuery query{.vector = data.query(i), .limit = kLimit, .group = "", .filter = filter};
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<Hit> hits, snapshot.SearchVector(Context{}, query));
    // The peers hand out the best hit's text too.
    if (!hits.empty()) {
      RAGTIME_RETURN_IF_ERROR(snapshot.GetNodes(std::span(&hits[0].node_id, 1)).status());
    }
    const double elapsed_ms = stopwatch.ElapsedMs();
    if (i < kWarmUp) continue;
    if (!times.empty()) times += ", ";
    times += std::to_string(elapsed_ms);
    recall += Recall(data, i, matches, hits);
  }
  std::printf("\"%s\": {\"matching\": %zu, \"ms\": [%s], \"recall\": %.6f}", test.name, matching, times.c_str(),
              recall / static_cast<double>(queries));
  return Status();
}

Status Run(const char* folder, const char* data_folder, size_t rows, size_t queries) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(data_folder, rows));
  queries = std::min(queries, data.queries() - kWarmUp);
  Config config;
  config.store.uri = folder;
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
  const char* separator = "{";
  for (const Case& test : Cases()) {
    std::printf("%s", separator);
    RAGTIME_RETURN_IF_ERROR(Measure(data, test, queries, *snapshot));
    separator = ", ";
  }
  std::printf("}\n");
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: store_filter FOLDER DATA ROWS QUERIES\n");
    return 2;
  }
  const ragtime::Status status =
      ragtime::Run(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
