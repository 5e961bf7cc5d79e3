// SPDX-License-Identifier: Apache-2.0
//
// `ragtime copy`: a knowledge base moves to another store.
#include <cstdio>

#include "cli/options.h"
#include "cli/terminal.h"
#include "engine/store_address.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

unsigned long long Count(uint64_t value) { return value; }

void PrintCopy(const CopyReport& report) {
  std::printf("%s -> %s\n", report.from.c_str(), report.to.c_str());
  std::printf("%llu files copied with %llu nodes, %llu were there already, %llu removed\n", Count(report.files_copied),
              Count(report.nodes_copied), Count(report.files_reused), Count(report.files_removed));
  std::printf("both sides hold %llu files, %llu nodes, checksum %s; %s in %s\n", Count(report.files),
              Count(report.nodes), report.checksum.c_str(), SizeInWords(report.store.size_bytes).c_str(),
              TimeInWords(report.timings_ms.at("total")).c_str());
}

}  // namespace

int RunCopy(const Options& options, const Context& context) {
  const auto base = ResolveConfig(options);
  if (!base.ok()) return Fail(options, base.status());
  const auto from = ResolveStoreAddress(options.copy_from, *base);
  if (!from.ok()) return Fail(options, from.status());
  const auto to = ResolveStoreAddress(options.copy_to, *base);
  if (!to.ok()) return Fail(options, to.status());
  Result<CopyReport> report = [&] {
    ProgressPrinter printer;
    return KnowledgeBase::Copy(*from, *to, {.context = context, .on_progress = [&](const IngestProgress& progress) {
                                              printer.Show(progress);
                                            }});
  }();
  if (!report.ok()) return Fail(options, report.status());
  if (options.json) {
    std::printf("%s\n", CopyJson(*report).Dump().c_str());
  } else {
    PrintCopy(*report);
  }
  return 0;
}

}  // namespace ragtime::cli
