// SPDX-License-Identifier: Apache-2.0
#include "store/mirrored_store.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <stop_token>
#include <utility>

namespace ragtime {
namespace {

// How long the end of writing waits for a mirror that is slow or away.
constexpr std::chrono::seconds kFlushTimeout(10);
// Another process may have written the mirror meanwhile; it is read again then.
constexpr int kAttempts = 3;

}  // namespace

MirroredStore::MirroredStore(std::unique_ptr<Store> store, OpenCatalog open, std::vector<std::string> settings)
    : store_(std::move(store)), open_(std::move(open)), setting_keys_(std::move(settings)) {}

MirroredStore::~MirroredStore() { EndWrite(); }

Status MirroredStore::MirrorStatus() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

Status MirroredStore::BeginWrite(int64_t timeout_ms) {
  RAGTIME_RETURN_IF_ERROR(store_->BeginWrite(timeout_ms));
  const std::lock_guard lock(mutex_);
  if (writing_) return Status();
  writing_ = true;
  ++wanted_;  // What an earlier writer could not tell the mirror.
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  return Status();
}

Result<CommitResult> MirroredStore::Commit(const Context& context, WriteBatch batch) {
  Result<CommitResult> result = store_->Commit(context, std::move(batch));
  if (result.ok()) {
    const std::lock_guard lock(mutex_);
    ++wanted_;
    changed_.notify_all();
  }
  return result;
}

Status MirroredStore::ReplaceVectors(const Context& context, const VectorReplacement& replacement) {
  RAGTIME_RETURN_IF_ERROR(store_->ReplaceVectors(context, replacement));
  const std::lock_guard lock(mutex_);
  ++wanted_;
  changed_.notify_all();
  return Status();
}

void MirroredStore::EndWrite() {
  store_->EndWrite();  // The next writer need not wait for the mirror.
  {
    std::unique_lock lock(mutex_);
    if (!writing_) return;
    writing_ = false;
    changed_.notify_all();
    const bool done = changed_.wait_for(lock, kFlushTimeout, [this] { return tried_ == wanted_; });
    if (!done && status_.ok()) {
      status_ = DeadlineExceededError("the mirror of the table of files was not done in time",
                                      "it is made up by the next write");
    }
  }
  thread_.request_stop();
  thread_.join();
}

void MirroredStore::Run(const std::stop_token& stop) {
  std::stop_callback wake(stop, [this] {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  });
  const Context context{.stop = stop};
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop.stop_requested() || tried_ != wanted_; });
    if (stop.stop_requested()) return;
    const uint64_t commits = wanted_;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    Status status;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      status = Synchronize(context);
      known_ = status.ok();
      if (status.code() != StatusCode::kAborted) break;
    }
    const auto took = std::chrono::steady_clock::now() - start;
    lock.lock();
    if (!stop.stop_requested() || status.ok()) status_ = status;
    tried_ = commits;
    changed_.notify_all();
    // Many commits in a row are told as one, at no more than half of the time.
    changed_.wait_for(lock, took, [&] { return stop.stop_requested() || !writing_; });
  }
}

Status MirroredStore::Synchronize(const Context& context) {
  if (!catalog_) {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> uuid, store_->Setting("uuid"));
    RAGTIME_ASSIGN_OR_RETURN(catalog_, open_(context, uuid.value_or("")));
  }
  if (!known_) {
    RAGTIME_ASSIGN_OR_RETURN(SharedState state, catalog_->ReadAll(context));
    counters_ = state.counters;
    settings_ = std::move(state.settings);
    files_.clear();
    for (FileRecord& file : state.files) {
      const DocumentId id = file.id;
      files_.emplace(id, std::move(file));
    }
  }
  RAGTIME_ASSIGN_OR_RETURN(SharedChange change, Difference());
  const bool same = change.removed.empty() && change.put.empty() && change.settings.empty() &&
                    change.counters.generation == counters_.generation;
  if (same) return Status();
  RAGTIME_RETURN_IF_ERROR(catalog_->Apply(context, change));
  counters_ = change.counters;
  for (const DocumentId id : change.removed) files_.erase(id);
  for (FileRecord& file : change.put) {
    const DocumentId id = file.id;
    files_.insert_or_assign(id, std::move(file));
  }
  for (auto& [key, value] : change.settings) settings_[key] = std::move(value);
  return Status();
}

Result<SharedChange> MirroredStore::Difference() const {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store_->OpenSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(std::vector<FileRecord> files, snapshot->Files());
  SharedChange change;
  change.counters = counters_;
  ++change.counters.version;
  change.counters.generation = snapshot->generation();
  std::map<DocumentId, bool> present;
  for (FileRecord& file : files) {
    present[file.id] = true;
    change.counters.next_document_id = std::max(change.counters.next_document_id, file.id + 1);
    const auto mirrored = files_.find(file.id);
    if (mirrored != files_.end() && mirrored->second == file) continue;
    if (mirrored != files_.end()) change.removed.push_back(file.id);
    change.put.push_back(std::move(file));
  }
  for (const auto& [id, file] : files_) {
    if (!present.contains(id)) change.removed.push_back(id);
  }
  for (const std::string& key : setting_keys_) {
    RAGTIME_ASSIGN_OR_RETURN(std::optional<std::string> value, store_->Setting(key));
    if (!value) continue;
    const auto mirrored = settings_.find(key);
    if (mirrored == settings_.end() || mirrored->second != *value) change.settings[key] = *std::move(value);
  }
  return change;
}

}  // namespace ragtime
