// SPDX-License-Identifier: Apache-2.0
//
// A knowledge base is opened, follows what other processes write, tells what it holds and is kept in order.
#include "engine/local_knowledge_base.h"

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "engine/embedders.h"
#include "engine/keeping.h"
#include "query/table.h"
#include "store/batch_check.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

}  // namespace

Status LocalKnowledgeBase::OpenStore() {
  const Stopwatch stopwatch;
  std::lock_guard lock(mutex_);
  Result<std::unique_ptr<Store>> store = MakeStore(config_, /*create=*/false);
  if (!store.ok()) return store.status();
  RAGTIME_RETURN_IF_ERROR(Adopt(*std::move(store)));
  open_ms_ = stopwatch.ElapsedMs();
  return Status();
}

Status LocalKnowledgeBase::Adopt(std::unique_ptr<Store> store) {
  RAGTIME_ASSIGN_OR_RETURN(recorded_, ReadRecorded(*store));
  const std::string words = config_.words.chinese;
  if (recorded_) {
    RAGTIME_RETURN_IF_ERROR(ApplyRecorded(*recorded_, config_));
    RAGTIME_ASSIGN_OR_RETURN(tuning_, ReadTuning(*store, recorded_->fingerprint));
  }
  RAGTIME_RETURN_IF_ERROR(ResolveEmbedKeys(config_));
  if (config_.words.chinese != words) {
    // The store cuts questions as its texts were cut.
    store.reset();
    RAGTIME_ASSIGN_OR_RETURN(store, MakeStore(config_, /*create=*/false));
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> metric, store->Setting("metric"));
  metric_ = ParseMetric(metric.value_or("")).value_or(Metric::kCosine);
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> uuid, store->Setting("uuid"));
  uuid_ = uuid.value_or("");
  configuration_.clear();
  store_ = std::move(store);
  return Status();
}

std::shared_ptr<Store> LocalKnowledgeBase::GetStore() const {
  std::lock_guard lock(mutex_);
  return store_;
}

Result<std::shared_ptr<const Snapshot>> LocalKnowledgeBase::GetSnapshot() const {
  const std::shared_ptr<Store> store = GetStore();
  if (!store) {
    return NotFoundError(StrCat("there is no knowledge base at ", config_.store.uri),
                         "run ragtime ingest PATH --kb DIR first");
  }
  return store->OpenSnapshot();
}

Result<std::shared_ptr<const Snapshot>> LocalKnowledgeBase::GetFollowedSnapshot() {
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(auto snapshot, GetSnapshot());
    {
      std::lock_guard lock(mutex_);
      if (snapshot->generation() == followed_generation_) return snapshot;
      RAGTIME_ASSIGN_OR_RETURN(std::optional<Recorded> recorded, ReadRecorded(*store_));
      if (recorded && recorded_ &&
          (recorded->fingerprint != recorded_->fingerprint || recorded->embedders != recorded_->embedders)) {
        RAGTIME_RETURN_IF_ERROR(ApplyRecorded(*recorded, config_));
        embedder_.reset();
        keyed_.clear();
        configuration_.clear();
      }
      if (recorded) {
        RAGTIME_RETURN_IF_ERROR(TakeTuning(ReadTuning(*store_, recorded->fingerprint)));
        recorded_ = std::move(recorded);
      }
      followed_generation_ = snapshot->generation();
    }
    // What was read is of this state or a later one; in a moment without commits it is of this one.
    RAGTIME_ASSIGN_OR_RETURN(const auto now, GetSnapshot());
    if (now->generation() == snapshot->generation()) return now;
  }
}

Status LocalKnowledgeBase::RegisterSimilarity(const std::string& name, Similarity similarity) {
  std::lock_guard lock(mutex_);
  return AddSimilarity(name, std::move(similarity), similarities_);
}

Result<TableResult> LocalKnowledgeBase::Query(const TableRequest& request) {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
  return QueryTable(*snapshot, request);
}

Result<std::vector<FileRecord>> LocalKnowledgeBase::Files() {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
  return snapshot->Files();
}

Result<KnowledgeBaseStatistics> LocalKnowledgeBase::Statistics() {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
  KnowledgeBaseStatistics statistics;
  RAGTIME_ASSIGN_OR_RETURN(statistics.store, snapshot->Statistics());
  statistics.generation = snapshot->generation();
  const std::shared_ptr<Store> store = GetStore();
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> uuid, store->Setting("uuid"));
  statistics.uuid = uuid.value_or("");
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> dimension, store->Setting("dimension"));
  statistics.dimension = dimension ? std::strtoull(dimension->c_str(), nullptr, 10) : 0;
  if (caches_.results) {
    statistics.cache = caches_.results->name();
    statistics.cache_counts = caches_.results->Statistics();
  }
  if (caches_.guard) statistics.cache_condition = caches_.guard->condition();
  std::lock_guard lock(mutex_);
  statistics.tuning = tuning_;
  if (recorded_) {
    statistics.model = recorded_->model;
    statistics.root = recorded_->root;
    statistics.embedders = recorded_->embedders;
  }
  return statistics;
}

Result<DeleteReport> LocalKnowledgeBase::Delete(const std::vector<std::string>& paths, const Context& context) {
  std::lock_guard one_at_a_time(ingest_mutex_);
  RAGTIME_RETURN_IF_ERROR(GetSnapshot().status());
  const std::string root = [this] {
    std::lock_guard lock(mutex_);
    return recorded_ ? recorded_->root : std::string();
  }();
  return DeletePaths(*GetStore(), {.paths = paths, .root = root, .lock_timeout_ms = config_.lock_timeout_ms}, context);
}

Result<CompactReport> LocalKnowledgeBase::Compact(const Context& context) {
  std::lock_guard one_at_a_time(ingest_mutex_);
  RAGTIME_RETURN_IF_ERROR(GetSnapshot().status());
  std::map<std::string, std::string> settings;
  {
    std::lock_guard lock(mutex_);
    if (recorded_ && recorded_->chinese_words != config_.words.chinese) {
      recorded_->chinese_words = config_.words.chinese;
      settings = recorded_->ToSettings();
    }
  }
  return CompactStore(*GetStore(), config_.lock_timeout_ms, std::move(settings), context);
}

Result<VerifyReport> LocalKnowledgeBase::Verify(const Context& context) {
  const std::shared_ptr<Store> store = GetStore();
  if (!store) return GetSnapshot().status();
  VerifyReport report;
  RAGTIME_ASSIGN_OR_RETURN(report.damages, store->Verify(context));
  // A damaged one may have no snapshot; what is wrong is in the report then.
  if (const auto snapshot = store->OpenSnapshot(); snapshot.ok()) {
    RAGTIME_ASSIGN_OR_RETURN(report.store, (*snapshot)->Statistics());
  }
  return report;
}

Result<BackupReport> LocalKnowledgeBase::Backup(const fs::path& target, bool link, const Context& context) {
  const Stopwatch stopwatch;
  RAGTIME_RETURN_IF_ERROR(GetSnapshot().status());
  BackupReport report{.path = target.string()};
  RAGTIME_ASSIGN_OR_RETURN(report.store, GetStore()->Backup(context, target, link));
  report.total_ms = stopwatch.ElapsedMs();
  return report;
}

Result<BackupReport> KnowledgeBase::Restore(const fs::path& backup, const Config& config, const Context& context) {
  const Stopwatch stopwatch;
  BackupReport report{.path = config.store.uri};
  RAGTIME_ASSIGN_OR_RETURN(report.store, RestoreStore(config, backup, context));
  report.total_ms = stopwatch.ElapsedMs();
  return report;
}

Result<std::unique_ptr<KnowledgeBase>> KnowledgeBase::Open(const Config& config, bool must_exist) {
  RAGTIME_ASSIGN_OR_RETURN(Caches caches, MakeCaches(config));
  auto knowledge_base = std::make_unique<LocalKnowledgeBase>(config, std::move(caches));
  const Status status = knowledge_base->OpenStore();
  if (!status.ok() && (must_exist || status.code() != StatusCode::kNotFound)) return status;
  return Result<std::unique_ptr<KnowledgeBase>>(std::move(knowledge_base));
}

}  // namespace ragtime
