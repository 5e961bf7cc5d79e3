// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/embedded_store.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <system_error>

#include "base/str_cat.h"
#include "catalog/upgrade.h"
#include "ragtime/version.h"
#include "store/batch_check.h"
#include "store/embedded/backup.h"
#include "store/embedded/verify.h"

namespace ragtime {
namespace {

// How long making a knowledge base waits for another process that makes the same one.
constexpr int64_t kCreateTimeoutMs = 5000;

// Version 4 of RFC 4122.
std::string RandomUuid() {
  std::random_device random;
  std::array<uint32_t, 4> words{};
  for (uint32_t& word : words) word = random();
  words[1] = (words[1] & 0xFFFF0FFFu) | 0x00004000u;
  words[2] = (words[2] & 0x3FFFFFFFu) | 0x80000000u;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%04x%08x", words[0], words[1] >> 16, words[1] & 0xFFFF,
                words[2] >> 16, words[2] & 0xFFFF, words[3]);
  return text.data();
}

Result<bool> Exists(const std::filesystem::path& path) {
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (error) return ErrnoError(error.value(), StrCat("looking for ", path.string()));
  return exists;
}

Status CreateKnowledgeBase(const Folder& folder, Metric metric) {
  RAGTIME_RETURN_IF_ERROR(folder.Create());
  RAGTIME_ASSIGN_OR_RETURN(const WriterLock lock, WriterLock::Take(folder.lock(), kCreateTimeoutMs));
  RAGTIME_ASSIGN_OR_RETURN(const bool exists, Exists(folder.catalog()));
  if (exists) return Status();  // Another process was faster.
  const std::map<std::string, std::string> settings = {{"uuid", RandomUuid()},
                                                       {"metric", std::string(MetricName(metric))}};
  return Catalog::Create(folder.catalog(), settings);
}

// Whoever comes first does it; the others wait and find it done.
Status Upgrade(const Folder& folder) {
  const Result<WriterLock> lock = WriterLock::Take(folder.lock(), kCreateTimeoutMs);
  if (!lock.ok()) {
    return lock.status()
        .Annotate("the knowledge base is of an older format and must be upgraded")
        .WithRemedy("open it once as a user who may write to it");
  }
  return UpgradeCatalog(folder.catalog(), CatalogSteps());
}

Status NotWriting() {
  return FailedPreconditionError("the store was not opened for writing", "call BeginWrite before Commit and Seal");
}

}  // namespace

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(const StoreConfig& config, IndexSet indexes, bool create,
                                                           const EmbeddedLimits& limits) {
  if (config.uri.empty()) {
    return InvalidArgumentError("no directory of a knowledge base was given",
                                "give one by --kb or store_conf.kwargs.uri");
  }
  const Folder folder(config.uri);
  RAGTIME_ASSIGN_OR_RETURN(const bool exists, Exists(folder.catalog()));
  if (!exists && !create) {
    return NotFoundError(StrCat("there is no knowledge base in ", config.uri),
                         "run ragtime ingest to make one, or check --kb");
  }
  if (!exists) RAGTIME_RETURN_IF_ERROR(CreateKnowledgeBase(folder, config.metric.value_or(Metric::kCosine)));
  RAGTIME_ASSIGN_OR_RETURN(auto catalog, Catalog::Open(folder.catalog(), Access::kRead));
  if (catalog->format_version() < kFormatVersion) {
    catalog.reset();
    RAGTIME_RETURN_IF_ERROR(Upgrade(folder));
    RAGTIME_ASSIGN_OR_RETURN(catalog, Catalog::Open(folder.catalog(), Access::kRead));
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> recorded, catalog->ReadSetting("metric"));
  const std::optional<Metric> metric = ParseMetric(recorded.value_or(""));
  if (!metric) {
    return DataLossError(
        StrCat("the knowledge base ", config.uri, " records the metric \"", recorded.value_or(""), "\""),
        "use the version of Ragtime that made it, or ingest into a new knowledge base");
  }
  if (config.metric && *config.metric != *metric) {
    return FailedPreconditionError(
        StrCat("the knowledge base ", config.uri, " was made for metric_type ", *recorded, ", not ",
               MetricName(*config.metric)),
        StrCat("set index_kwargs.metric_type to ", *recorded, ", or ingest into a new knowledge base"));
  }
  auto source = std::make_shared<ViewSource>(
      ViewSource{.folder = folder,
                 .metric = *metric,
                 .indexes = std::move(indexes),
                 .lanes = std::make_shared<SearchLanes>(config.search_threads, limits.lane_rows)});
  std::unique_ptr<EmbeddedStore> store(new EmbeddedStore(std::move(source), limits));
  store->reader_->catalog = std::move(catalog);
  return store;
}

Result<std::shared_ptr<const View>> EmbeddedStore::CurrentView() const {
  // Asked before reading: what commits in between is seen next time.
  RAGTIME_ASSIGN_OR_RETURN(const int64_t version, reader_->catalog->DataVersion());
  if (view_ != nullptr && version == view_version_) return view_;
  RAGTIME_ASSIGN_OR_RETURN(view_, LoadView(*reader_->catalog, *source_, view_.get()));
  view_version_ = version;
  return view_;
}

Result<std::shared_ptr<const Snapshot>> EmbeddedStore::OpenSnapshot() const {
  const std::lock_guard lock(reader_->mutex);
  RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<const View> view, CurrentView());
  return std::shared_ptr<const Snapshot>(std::make_shared<EmbeddedSnapshot>(std::move(view), reader_, source_));
}

Result<std::optional<std::string>> EmbeddedStore::Setting(std::string_view key) const {
  const std::lock_guard lock(reader_->mutex);
  return reader_->catalog->ReadSetting(key);
}

Status EmbeddedStore::BeginWrite(int64_t timeout_ms) {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ != nullptr) return Status();
  RAGTIME_ASSIGN_OR_RETURN(writer_, Writer::Begin(source_, limits_, timeout_ms));
  return Status();
}

void EmbeddedStore::EndWrite() {
  const std::lock_guard lock(writer_mutex_);
  writer_.reset();
}

Result<CommitResult> EmbeddedStore::Commit(const Context& context, WriteBatch batch) {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ == nullptr) return NotWriting();
  RAGTIME_RETURN_IF_ERROR(context.Check());
  return writer_->Commit(context, batch);
}

Status EmbeddedStore::Seal(const Context& context) {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ == nullptr) return NotWriting();
  return writer_->Seal(context);
}

Status EmbeddedStore::Compact(const Context& context) {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ == nullptr) return NotWriting();
  return writer_->Compact(context);
}

Status EmbeddedStore::ReplaceVectors(const Context& context, const VectorReplacement& replacement) {
  const std::lock_guard lock(writer_mutex_);
  if (writer_ == nullptr) return NotWriting();
  return writer_->ReplaceVectors(context, replacement);
}

Result<std::vector<Damage>> EmbeddedStore::Verify(const Context& context) const {
  return VerifyFolder(context, *source_);
}

Result<StoreStatistics> EmbeddedStore::Backup(const Context& context, const std::filesystem::path& target,
                                              bool link) const {
  return CopyFolder(context, *source_, {.target = target, .link = link});
}

Result<StoreStatistics> EmbeddedStore::Restore(const Context& context, const std::filesystem::path& backup,
                                               const std::filesystem::path& target, IndexSet indexes) {
  RAGTIME_ASSIGN_OR_RETURN(const auto store, Open({.uri = backup.string()}, std::move(indexes), /*create=*/false));
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Damage> damages, store->Verify(context));
  if (!damages.empty()) {
    return DataLossError(StrCat("the backup ", backup.string(), " is damaged: ", damages.front().message),
                         "restore another backup");
  }
  return CopyFolder(context, *store->source_, {.target = target, .into_empty = true, .new_generation = true});
}

}  // namespace ragtime
