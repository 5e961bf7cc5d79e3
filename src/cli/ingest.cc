// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>
#include <string>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

unsigned long long Count(uint64_t value) { return value; }

double Milliseconds(const Timings& timings, const std::string& stage) {
  const auto found = timings.find(stage);
  return found == timings.end() ? 0 : found->second;
}

// " (2 docx, 1 pdf)": of what types the files are that nothing reads.
std::string SkippedInWords(const std::map<std::string, uint64_t>& types) {
  std::string words;
  for (const auto& [type, files] : types) {
    words += (words.empty() ? " (" : ", ") + std::to_string(files) + " " + (type.empty() ? "without an ending" : type);
  }
  return words.empty() ? words : words + ")";
}

void PrintReport(const IngestReport& report) {
  std::printf("%llu new, %llu changed, %llu moved, %llu deleted, %llu unchanged, %llu skipped%s, %zu failed\n",
              Count(report.files_added), Count(report.files_changed), Count(report.files_moved),
              Count(report.files_deleted), Count(report.files_unchanged), Count(report.files_skipped),
              SkippedInWords(report.skipped_types).c_str(), report.failed.size());
  std::printf("%s from %s in %s", Counted(report.nodes_added, "node").c_str(), SizeInWords(report.source_bytes).c_str(),
              TimeInWords(Milliseconds(report.timings_ms, "total")).c_str());
  if (report.nodes_reused > 0) std::printf(" (%llu vectors reused)", Count(report.nodes_reused));
  std::printf("\n");
}

}  // namespace

int RunIngest(const Options& options, const Context& context) {
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  std::vector<std::filesystem::path> paths(options.paths.begin(), options.paths.end());
  if (paths.empty() && !config->dataset_path.empty()) paths.push_back(config->dataset_path);
  if (paths.empty()) {
    return Fail(options, InvalidArgumentError("no path to ingest is given",
                                              "name folders or files, or set dataset_path in the configuration"));
  }
  auto knowledge_base = KnowledgeBase::Open(*config);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());

  IngestOptions ingest_options{.context = context};
  Result<IngestReport> report = [&] {
    ProgressPrinter printer;
    ingest_options.on_progress = [&](const IngestProgress& progress) { printer.Show(progress); };
    return (*knowledge_base)->Ingest(paths, ingest_options);
  }();
  if (!report.ok()) return Fail(options, report.status());

  for (const FailedFile& failed : report->failed) {
    std::fprintf(stderr, "failed: %s: %s\n", failed.file.c_str(), failed.status.message().c_str());
    if (!failed.status.remedy().empty()) std::fprintf(stderr, "  remedy: %s\n", failed.status.remedy().c_str());
  }
  Show(options, report, IngestJson, PrintReport);
  return report->failed.empty() ? 0 : 1;
}

}  // namespace ragtime::cli
