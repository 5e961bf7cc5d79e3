// SPDX-License-Identifier: Apache-2.0
//
// What a fresh process pays until it has its first hit: store_open FOLDER QUERIES NUMBER
// SPAWNED_NS [WORDS] prints one JSON line.
//
// QUERIES is a file of 384-d float vectors, NUMBER the one to ask with; with WORDS the question is asked by keyword
// instead. SPAWNED_NS is the monotonic clock when the process was started. A hit is ten ids with scores and the text of
// the best one. Page faults and memory are the kernel's own counts (getrusage, /proc/self/status), bytes read those of
// read(2) (/proc/self/io), beside our own clock.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/stopwatch.h"
#include "engine/builtin.h"
#include "store_data.h"

namespace ragtime {
namespace {

long long ProcValue(const char* file, const std::string& wanted) {
  std::ifstream lines(file);
  std::string key;
  long long value = 0;
  std::string rest;
  while (lines >> key) {
    if (key == wanted && lines >> value) return value;
    std::getline(lines, rest);
  }
  return 0;
}

struct Counts {
  long faults = 0;
  long long bytes_read = 0;
};

Counts Count() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {usage.ru_minflt + usage.ru_majflt, ProcValue("/proc/self/io", "rchar:")};
}

Result<std::vector<Hit>> Search(const Snapshot& snapshot, std::span<const float> vector, const char* words) {
  if (words != nullptr) return snapshot.SearchKeyword(Context{}, {.text = words, .limit = 10, .group = ""});
  return snapshot.SearchVector(Context{}, {.vector = vector, .limit = 10, .group = ""});
}

Status Run(const char* folder, const char* queries, size_t number, double start_ms, const char* words) {
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile vectors, MappedFile::Open(queries));
  const auto* first = reinterpret_cast<const float*>(vectors.bytes().data()) + number * StoreData::kDimension;
  const std::vector<float> query(first, first + StoreData::kDimension);
  Config config;
  config.store.uri = folder;
  Count();  // Once before, so that counting itself is paid for.
  const Counts before = Count();
  const Stopwatch stopwatch;
  RAGTIME_ASSIGN_OR_RETURN(const auto store, MakeStore(config, /*create=*/false));
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store->OpenSnapshot());
  const double open_ms = stopwatch.ElapsedMs();
  const Counts opened = Count();
  const Stopwatch searching;
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Hit> hits, Search(*snapshot, query, words));
  if (hits.empty()) return NotFoundError("the question has no hit");
  const double search_ms = searching.ElapsedMs();
  RAGTIME_ASSIGN_OR_RETURN(const auto nodes, snapshot->GetNodes(std::span(&hits[0].node_id, 1)));
  const double hit_ms = searching.ElapsedMs();
  const Counts after = Count();
  const long long anonymous_kib = ProcValue("/proc/self/status", "RssAnon:");
  const long long mapped_kib = ProcValue("/proc/self/status", "RssFile:");
  const Stopwatch again;
  RAGTIME_RETURN_IF_ERROR(Search(*snapshot, query, words).status());
  std::printf(
      "{\"start_ms\": %.3f, \"import_ms\": 0, \"open_ms\": %.3f, \"hit_ms\": %.3f, \"search_ms\": %.3f, "
      "\"second_ms\": %.3f, ",
      start_ms, open_ms, hit_ms, search_ms, again.ElapsedMs());
  std::printf(
      "\"open_faults\": %ld, \"open_bytes_read\": %lld, \"hit_faults\": %ld, \"hit_bytes_read\": %lld, "
      "\"anonymous_kib\": %lld, \"mapped_kib\": %lld, \"hits\": [",
      opened.faults - before.faults, opened.bytes_read - before.bytes_read, after.faults - opened.faults,
      after.bytes_read - opened.bytes_read, anonymous_kib, mapped_kib);
  for (size_t i = 0; i < hits.size(); ++i) {
    std::printf("%s%lld", i == 0 ? "" : ", ", static_cast<long long>(hits[i].node_id));
  }
  std::printf("], \"text\": \"%s\"}\n", nodes[0]->text.substr(0, nodes[0]->text.find(' ')).c_str());
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  const auto entered = std::chrono::steady_clock::now().time_since_epoch();
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "usage: store_open FOLDER QUERIES NUMBER SPAWNED_NS [WORDS]\n");
    return 2;
  }
  const std::chrono::nanoseconds spawned(std::strtoll(argv[4], nullptr, 10));
  const double start_ms = std::chrono::duration<double, std::milli>(entered - spawned).count();
  const ragtime::Status status =
      ragtime::Run(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10), start_ms, argc == 6 ? argv[5] : nullptr);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
