// SPDX-License-Identifier: Apache-2.0
//
// KnowledgeBase::Import: puts source, model and store together for ingest/import.
#include <filesystem>

#include "base/str_cat.h"
#include "engine/builtin.h"
#include "engine/recorded.h"
#include "ingest/import/import.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {
namespace {

// A knowledge base without a file: what a refused import has made.
bool IsEmpty(const Config& config) {
  const Result<std::unique_ptr<Store>> store = MakeStore(config, /*create=*/false);
  if (!store.ok()) return false;
  const auto snapshot = (*store)->OpenSnapshot();
  if (!snapshot.ok()) return false;
  const auto files = (*snapshot)->Files();
  return files.ok() && files->empty();
}

}  // namespace

Result<ImportReport> KnowledgeBase::Import(const std::string& from, const Config& to, const ImportOptions& options) {
  RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<ImportSource> source,
                           MakeImportSource(options.context, from, options.map));
  RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Embedder> embedder, MakeEmbedder(to));
  std::error_code error;
  const bool existed = std::filesystem::exists(to.store.uri, error);
  ImportRequest request{.from = from, .map = options.map, .lock_timeout_ms = to.lock_timeout_ms};
  if (IsExplicit(to, "doc_fields")) request.fields = to.doc_fields;
  Result<ImportReport> report = [&]() -> Result<ImportReport> {
    RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, MakeStore(to, /*create=*/true));
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(*store));
    if (recorded) {
      RAGTIME_RETURN_IF_ERROR(CheckWords(*recorded, to));
      RAGTIME_RETURN_IF_ERROR(CheckEmbedder(*recorded, embedder->info()));
    }
    request.settings = Recorded{.model = to.embed.model,
                                .fingerprint = embedder->info().fingerprint,
                                .split_size_tokens = to.split.size_tokens,
                                .split_overlap_tokens = to.split.overlap_tokens,
                                .chinese_words = to.words.chinese}
                           .ToSettings();
    return ImportNodes(request, *source, *store, *embedder, options);
  }();
  if (!report.ok()) {
    if (!existed && to.store.type == "ragtime" && IsEmpty(to)) std::filesystem::remove_all(to.store.uri, error);
    return report.status();
  }
  report->from = from;
  report->model = embedder->info().model;
  return report;
}

}  // namespace ragtime
