// SPDX-License-Identifier: Apache-2.0
//
// What opening a knowledge base costs in a fresh process: open FOLDER prints microseconds, page faults and bytes read.
//
// Page faults come from getrusage, bytes from /proc/self/io: counts of the kernel, beside our own clock.
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "base/stopwatch.h"
#include "ragtime/knowledge_base.h"

namespace {

struct Counts {
  long faults = 0;
  unsigned long long bytes_read = 0;
};

Counts Count() {
  Counts counts;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  counts.faults = usage.ru_minflt + usage.ru_majflt;
  std::ifstream io("/proc/self/io");
  std::string key;
  unsigned long long value = 0;
  while (io >> key >> value) {
    if (key == "rchar:") counts.bytes_read = value;
  }
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: open FOLDER\n");
    return 2;
  }
  ragtime::Config config;
  config.store.uri = argv[1];
  config.threads = 1;
  Count();  // Once before, so that counting itself is paid for.
  const Counts before = Count();
  const ragtime::Stopwatch stopwatch;
  const auto knowledge_base = ragtime::KnowledgeBase::Open(config, /*must_exist=*/true);
  if (!knowledge_base.ok()) {
    std::fprintf(stderr, "%s\n", knowledge_base.status().ToString().c_str());
    return 1;
  }
  const double open_ms = stopwatch.ElapsedMs();
  const Counts after = Count();
  std::printf("{\"open_us\": %.0f, \"page_faults\": %ld, \"bytes_read\": %llu}\n", open_ms * 1000,
              after.faults - before.faults, after.bytes_read - before.bytes_read);
}
