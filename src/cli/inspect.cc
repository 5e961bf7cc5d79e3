// SPDX-License-Identifier: Apache-2.0
//
// `ragtime files` and `ragtime stats`: what is in a knowledge base.
#include <algorithm>
#include <cstdio>
#include <map>

#include "cli/options.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

void PrintFile(const FileRecord& file, const std::string& indent, const std::string& name) {
  std::printf("%s%-7s %6llu nodes %10s  %s\n", indent.c_str(), std::string(FileStatusName(file.status)).c_str(),
              static_cast<unsigned long long>(file.nodes), SizeInWords(file.file_size).c_str(), name.c_str());
  if (!file.error.empty()) std::printf("%s        %s\n", indent.c_str(), file.error.c_str());
}

void PrintFolder(const FileRecord& folder, const FolderTotals& below, const std::string& indent) {
  std::printf("%s%s/  %s, %s, %s", indent.c_str(), folder.file_name.c_str(), Counted(below.files, "file").c_str(),
              Counted(below.nodes, "node").c_str(), SizeInWords(below.size_bytes).c_str());
  if (below.failed > 0) std::printf(", %llu failed", static_cast<unsigned long long>(below.failed));
  std::printf("\n");
}

void PrintTree(const std::multimap<DocumentId, const FileRecord*>& children,
               const std::map<DocumentId, FolderTotals>& totals, DocumentId parent, const std::string& indent) {
  const auto [begin, end] = children.equal_range(parent);
  std::vector<const FileRecord*> rows;
  for (auto it = begin; it != end; ++it) rows.push_back(it->second);
  std::sort(rows.begin(), rows.end(),
            [](const FileRecord* a, const FileRecord* b) { return a->file_name < b->file_name; });
  for (const FileRecord* row : rows) {
    if (row->is_dir) {
      PrintFolder(*row, totals.at(row->id), indent);
      PrintTree(children, totals, row->id, indent + "  ");
    } else {
      PrintFile(*row, indent, row->file_name);
    }
  }
}

void PrintFiles(const std::vector<FileRecord>& files, bool as_tree) {
  if (as_tree) {
    std::multimap<DocumentId, const FileRecord*> children;
    for (const FileRecord& file : files) children.emplace(file.parent_id.value_or(0), &file);
    PrintTree(children, TotalsOfFolders(files), 0, "");
    return;
  }
  for (const FileRecord& file : files) {
    if (!file.is_dir) PrintFile(file, "", file.file_path);
  }
}

void PrintStatistics(const KnowledgeBaseStatistics& statistics) {
  const StoreStatistics& store = statistics.store;
  auto count = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("uuid        %s\n", statistics.uuid.c_str());
  std::printf("generation  %llu\n", count(statistics.generation));
  std::printf("root        %s\n", statistics.root.c_str());
  std::printf("model       %s (%zu dimensions)\n", statistics.model.c_str(), statistics.dimension);
  for (const auto& [key, record] : statistics.embedders) {
    std::printf("embedder    %s: %s (%zu dimensions)\n", key.c_str(), record.model.c_str(), record.dimension);
  }
  std::printf("files       %llu in %s\n", count(store.files), Counted(store.folders, "folder").c_str());
  std::printf("nodes       %llu (%llu deleted, not reclaimed; %llu in the tail)\n", count(store.nodes),
              count(store.deleted_nodes), count(store.tail_nodes));
  std::printf("segments    %llu\n", count(store.segments));
  for (const auto& [type, rows] : store.vector_index_rows) {
    std::printf("index       %s of %llu rows\n", type.c_str(), count(rows));
  }
  if (statistics.tuning) {
    const VectorTuning& tuning = *statistics.tuning;
    std::printf(
        "tuned       ef %u finds %.4f of the nearest %zu (wanted %g), measured %s with %zu questions over %llu nodes\n",
        tuning.ef, tuning.recall, tuning.depth, tuning.recall_wanted, IsoTime(tuning.time_ms).c_str(), tuning.questions,
        count(tuning.nodes));
    if (IsOutgrown(statistics))
      std::printf("            the knowledge base has changed much since: run ragtime tune again\n");
  }
  std::printf("size        %s\n", SizeInWords(store.size_bytes).c_str());
  if (!statistics.cache.empty()) {
    const CacheStatistics& cache = statistics.cache_counts;
    std::printf("cache       %s (%llu hits, %llu misses by this process)\n", statistics.cache.c_str(),
                count(cache.hits), count(cache.misses));
  }
}

}  // namespace

int RunFiles(const Options& options) {
  return ShowOf(
      options, [](KnowledgeBase& kb) { return kb.Files(); }, FilesJson,
      [&](const std::vector<FileRecord>& files) { PrintFiles(files, options.tree); });
}

int RunStats(const Options& options) {
  return ShowOf(options, [](KnowledgeBase& kb) { return kb.Statistics(); }, StatisticsJson, PrintStatistics);
}

}  // namespace ragtime::cli
