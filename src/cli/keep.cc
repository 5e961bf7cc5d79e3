// SPDX-License-Identifier: Apache-2.0
//
// `ragtime delete`, `compact`, `verify`, `backup` and `restore`: what keeps a knowledge base in order.
#include <cstdio>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

constexpr size_t kPathsShown = 20;

void PrintDeleted(const DeleteReport& report) {
  std::printf("deleted %s, %s, %s\n", Counted(report.files, "file").c_str(), Counted(report.folders, "folder").c_str(),
              Counted(report.nodes, "node").c_str());
  for (size_t i = 0; i < report.file_paths.size() && i < kPathsShown; ++i) {
    std::printf("  %s\n", report.file_paths[i].c_str());
  }
  if (report.file_paths.size() > kPathsShown) std::printf("  and %zu more\n", report.file_paths.size() - kPathsShown);
  std::printf("What still lies in the folder of documents comes back with the next ragtime ingest.\n");
}

void PrintCompacted(const CompactReport& report) {
  const auto line = [](const char* name, const StoreStatistics& store) {
    std::printf("%s  %10s  %s, %s in the tail, %s\n", name, SizeInWords(store.size_bytes).c_str(),
                Counted(store.segments, "segment").c_str(), Counted(store.tail_nodes, "node").c_str(),
                Counted(store.deleted_nodes, "deleted node").c_str());
  };
  line("before", report.before);
  line("after ", report.after);
}

void PrintCopied(const BackupReport& report) {
  std::printf("%s: %s, %s, %s in %s, checked\n", report.path.c_str(), Counted(report.store.files, "file").c_str(),
              Counted(report.store.nodes, "node").c_str(), SizeInWords(report.store.size_bytes).c_str(),
              TimeInWords(report.total_ms).c_str());
}

}  // namespace

int RunDelete(const Options& options, const Context& context) {
  return ShowOf(
      options, [&](KnowledgeBase& kb) { return kb.Delete(options.deleted_paths, context); }, DeleteJson, PrintDeleted);
}

int RunCompact(const Options& options, const Context& context) {
  return ShowOf(options, [&](KnowledgeBase& kb) { return kb.Compact(context); }, CompactJson, PrintCompacted);
}

int RunVerify(const Options& options, const Context& context) {
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  auto knowledge_base = KnowledgeBase::Open(*config, /*must_exist=*/true);
  Result<VerifyReport> report = [&]() -> Result<VerifyReport> {
    if (!knowledge_base.ok()) return knowledge_base.status();
    return (*knowledge_base)->Verify(context);
  }();
  if (!report.ok()) {
    if (report.status().code() != StatusCode::kDataLoss) return Fail(options, report.status());
    // It cannot even be opened: that is what verify finds.
    report = VerifyReport{.damages = {{config->store.uri + "/catalog.sqlite", report.status().message()}}};
  }
  if (options.json) {
    PrintJson(VerifyJson(*report));
  } else {
    for (const Damage& damage : report->damages) {
      std::printf("%s: %s\n", damage.file.c_str(), damage.message.c_str());
    }
    if (report->damages.empty()) {
      std::printf("whole: %s, %s, %s, %s\n", Counted(report->store.files, "file").c_str(),
                  Counted(report->store.nodes, "node").c_str(), Counted(report->store.segments, "segment").c_str(),
                  SizeInWords(report->store.size_bytes).c_str());
    } else {
      std::printf("%s\n  remedy: restore a backup, or ingest the documents into a new knowledge base\n",
                  Counted(report->damages.size(), "finding").c_str());
    }
  }
  return report->damages.empty() ? 0 : 1;
}

int RunBackup(const Options& options, const Context& context) {
  return ShowOf(
      options, [&](KnowledgeBase& kb) { return kb.Backup(options.copy_path, options.link, context); }, BackupJson,
      PrintCopied);
}

int RunRestore(const Options& options, const Context& context) {
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  return Show(options, KnowledgeBase::Restore(options.copy_path, *config, context), BackupJson, PrintCopied);
}

}  // namespace ragtime::cli
