// SPDX-License-Identifier: Apache-2.0
//
// Ingestion into one knowledge base: its store, splitter, node groups and embedders are put together for ingest/.
#include "engine/local_knowledge_base.h"

#include <algorithm>

#include "base/str_cat.h"
#include "engine/embedders.h"
#include "engine/models.h"
#include "ingest/node_groups.h"
#include "ingest/pipeline.h"
#include "ingest/read/readers.h"
#include "ingest/split/kept_replies.h"
#include "ingest/split/sentence_splitter.h"
#include "store/mirrored_store.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// The folder that file paths are relative to: the one folder that is ingested first, or what several paths share.
fs::path RootOf(const std::vector<fs::path>& paths) {
  std::error_code error;
  fs::path root;
  for (const fs::path& path : paths) {
    fs::path folder = fs::weakly_canonical(fs::absolute(path, error), error);
    if (!fs::is_directory(folder, error)) folder = folder.parent_path();
    if (root.empty()) {
      root = folder;
      continue;
    }
    fs::path shared;
    for (auto a = root.begin(), b = folder.begin(); a != root.end() && b != folder.end() && *a == *b; ++a, ++b)
      shared /= *a;
    root = shared;
  }
  return root;
}

void WarnOfMirror(const Store& store, std::vector<Warning>& warnings) {
  const auto* mirrored = dynamic_cast<const MirroredStore*>(&store);
  if (mirrored == nullptr) return;
  const Status status = mirrored->MirrorStatus();
  if (status.ok()) return;
  warnings.push_back({"mirror",
                      {},
                      StrCat("the mirror at catalog.uri is behind: ", status.message(), "; ", status.remedy(),
                             "; it is made up by the next write")});
}

Status CheckPaths(const std::vector<fs::path>& paths) {
  if (paths.empty()) return InvalidArgumentError("no path to ingest is given", "name folders or files");
  for (const fs::path& path : paths) {
    std::error_code error;
    if (!fs::exists(path, error))
      return NotFoundError(StrCat("there is no file or folder ", path.string()), "check the path");
  }
  return Status();
}

}  // namespace

Result<IngestReport> LocalKnowledgeBase::Ingest(const std::vector<fs::path>& paths, const IngestOptions& options) {
  std::lock_guard one_at_a_time(ingest_mutex_);
  RAGTIME_RETURN_IF_ERROR(CheckPaths(paths));
  if (GetStore() != nullptr) RAGTIME_RETURN_IF_ERROR(GetFollowedSnapshot().status());
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Embedder> embedder, GetEmbedder());
  {
    std::lock_guard lock(mutex_);
    RAGTIME_RETURN_IF_ERROR(ResolveEmbedKeys(config_));
  }
  const bool existed = GetStore() != nullptr;
  Result<IngestReport> report = IngestInto(paths, *embedder, options);
  if (!report.ok() && !existed) RemoveIfEmpty();
  return report;
}

Status LocalKnowledgeBase::CreateStore(const std::vector<fs::path>& paths, const EmbedderInfo& info) {
  std::lock_guard lock(mutex_);
  if (!store_) {
    RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, MakeStore(config_, /*create=*/true));
    RAGTIME_RETURN_IF_ERROR(Adopt(std::move(store)));
  }
  if (recorded_) {
    RAGTIME_RETURN_IF_ERROR(CheckWords(*recorded_, config_));
    return CheckEmbedder(*recorded_, info);
  }
  const Recorded recorded{.root = RootOf(paths).string(),
                          .model = config_.embed.model,
                          .fingerprint = info.fingerprint,
                          .split_size_tokens = config_.split.size_tokens,
                          .split_overlap_tokens = config_.split.overlap_tokens,
                          .node_groups = config_.node_groups,
                          .chinese_words = config_.words.chinese};
  RAGTIME_RETURN_IF_ERROR(store_->BeginWrite(config_.lock_timeout_ms));
  // Another process may have made it while this one waited.
  Result<std::optional<Recorded>> now = ReadRecorded(*store_);
  Status status = now.status();
  if (now.ok() && *now) {
    recorded_ = *std::move(now);
    status = ApplyRecorded(*recorded_, config_);
    if (status.ok()) status = CheckEmbedder(*recorded_, info);
  } else if (now.ok()) {
    WriteBatch batch;
    batch.settings = recorded.ToSettings();
    status = store_->Commit(Context{}, std::move(batch)).status();
    if (status.ok()) recorded_ = recorded;
  }
  store_->EndWrite();
  return status;
}

Result<IngestReport> LocalKnowledgeBase::IngestInto(const std::vector<fs::path>& paths, Embedder& embedder,
                                                    const IngestOptions& options) {
  {
    std::lock_guard lock(mutex_);
    MarkEmbeddedGroups(config_);
  }
  RAGTIME_RETURN_IF_ERROR(CreateStore(paths, embedder.info()));
  const std::shared_ptr<Store> store = GetStore();
  const TokenCounter count_tokens = [&embedder](std::string_view text) { return embedder.CountTokens(text); };
  const SentenceSplitter splitter(config_.split.size_tokens, config_.split.overlap_tokens, count_tokens);
  const std::vector<std::unique_ptr<Reader>> owned = BuiltinReaders();
  std::vector<const Reader*> readers;
  readers.reserve(owned.size());
  for (const std::unique_ptr<Reader>& reader : owned) readers.push_back(reader.get());
  IngestRequest request;
  request.paths = paths;
  request.root = recorded_->root;
  request.kb_folder = FolderOf(config_);
  request.lock_timeout_ms = config_.lock_timeout_ms;
  request.check = [&]() -> Status {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(*store));
    return recorded ? CheckEmbedder(*recorded, embedder.info()) : Status();
  };
  if (!config_.doc_fields.empty() || IsExplicit(config_, "doc_fields")) request.fields = config_.doc_fields;
  std::vector<NodeGroupConfig> groups;
  {
    // What the store records from the first commit on.
    std::lock_guard lock(mutex_);
    MarkEmbeddedGroups(config_);
    groups = config_.node_groups;
    if (groups != recorded_->node_groups) request.settings = NodeGroupSettings(groups);
  }
  std::vector<std::shared_ptr<Embedder>> keyed;
  RAGTIME_RETURN_IF_ERROR(AddKeyedEmbedders(groups, keyed, request));
  NodeGroups made(splitter);
  if (!groups.empty()) {
    NodeGroupsOptions making{.count_tokens = count_tokens,
                             .size_tokens = config_.split.size_tokens,
                             .overlap_tokens = config_.split.overlap_tokens};
    if (std::any_of(groups.begin(), groups.end(), [](const auto& group) { return group.writer == "llm"; })) {
      Result<std::shared_ptr<Generator>> writer = GetGenerator();
      making.writer_status = writer.status();
      if (writer.ok()) {
        const fs::path folder = FolderOf(config_);
        making.writer =
            std::make_shared<KeptReplies>(*std::move(writer), (folder.empty() ? CacheFolder() : folder) / "written");
      }
    }
    made = NodeGroups(groups, std::move(making));
  }
  Result<IngestReport> report = IngestPaths(request, *store, embedder, made, readers, pool_, options);
  if (report.ok()) {
    WarnOfMirror(*store, report->warnings);
    WarnOfEmbedder(&embedder, report->warnings);
    for (const auto& other : keyed) WarnOfEmbedder(other.get(), report->warnings);
  }
  // Also where it failed later on: the settings say what the first commit put there.
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> now, ReadRecorded(*store));
  std::lock_guard lock(mutex_);
  if (now) {
    recorded_->node_groups = now->node_groups;
    recorded_->embedders = now->embedders;
    configuration_.clear();
  }
  return report;
}

// Those that `groups` name, and what the knowledge base will record of them. `keyed` keeps them.
Status LocalKnowledgeBase::AddKeyedEmbedders(const std::vector<NodeGroupConfig>& groups,
                                             std::vector<std::shared_ptr<Embedder>>& keyed, IngestRequest& request) {
  std::map<std::string, EmbedderRecord> records;
  {
    std::lock_guard lock(mutex_);
    records = recorded_->embedders;
  }
  const std::map<std::string, EmbedderRecord> before = records;
  for (const std::string& key : EmbedKeysOf(groups)) {
    RAGTIME_ASSIGN_OR_RETURN(keyed.emplace_back(), GetKeyedEmbedder(key));
    const EmbedderInfo& info = keyed.back()->info();
    request.embedders[key] = keyed.back().get();
    std::lock_guard lock(mutex_);
    records.try_emplace(key, EmbedderRecord{.model = config_.embedders.at(key).model,
                                            .fingerprint = info.fingerprint,
                                            .dimension = info.dimension});
  }
  if (records == before) return Status();
  request.settings.merge(EmbedderSettings(records));
  for (const auto& [key, record] : records) request.dimensions[key] = record.dimension;
  return Status();
}

void LocalKnowledgeBase::RemoveIfEmpty() {
  std::lock_guard lock(mutex_);
  if (!store_) return;
  const auto snapshot = store_->OpenSnapshot();
  if (!snapshot.ok()) return;
  const auto files = (*snapshot)->Files();
  if (!files.ok() || !files->empty()) return;
  store_.reset();
  recorded_.reset();
  if (config_.store.type != "ragtime") return;
  std::error_code error;
  for (const char* name : {"catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "LOCK", "segments"}) {
    fs::remove(fs::path(config_.store.uri) / name, error);  // Never a folder with something in it.
  }
  fs::remove(config_.store.uri, error);
}

}  // namespace ragtime
