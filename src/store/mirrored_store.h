// SPDX-License-Identifier: Apache-2.0
//
// MirroredStore is another store, whose table of files and settings it also writes to a SharedCatalog after each
// commit, one way: for other programs to read. It never delays or fails a commit.
//
// Threads: as Store says; a thread of its own writes the mirror between BeginWrite and EndWrite. Ownership: owns the
// store. Errors: those of the store; why the mirror is behind is asked by MirrorStatus.
#ifndef RAGTIME_STORE_MIRRORED_STORE_H_
#define RAGTIME_STORE_MIRRORED_STORE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "catalog/shared_catalog.h"
#include "ragtime/store.h"

namespace ragtime {

class MirroredStore : public Store {
 public:
  // Opens the catalog of that name, which is the uuid of the store.
  using OpenCatalog =
      std::function<Result<std::unique_ptr<SharedCatalog>>(const Context& context, const std::string& name)>;

  // `settings` are the keys that are mirrored.
  MirroredStore(std::unique_ptr<Store> store, OpenCatalog open, std::vector<std::string> settings);
  ~MirroredStore() override;

  // OK where the mirror holds what the last EndWrite left, or nothing was written yet.
  Status MirrorStatus() const;

  const StoreTraits& traits() const override { return store_->traits(); }
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override { return store_->OpenSnapshot(); }
  Result<std::optional<std::string>> Setting(std::string_view key) const override { return store_->Setting(key); }
  Status BeginWrite(int64_t timeout_ms) override;
  // Waits for the mirror a few seconds at most; what is missing then is made up by the next write.
  void EndWrite() override;
  Result<CommitResult> Commit(const Context& context, WriteBatch batch) override;
  Status Seal(const Context& context) override { return store_->Seal(context); }
  Status Compact(const Context& context) override { return store_->Compact(context); }
  Status ReplaceVectors(const Context& context, const VectorReplacement& replacement) override;
  Result<std::vector<Damage>> Verify(const Context& context) const override { return store_->Verify(context); }
  Result<StoreStatistics> Backup(const Context& context, const std::filesystem::path& target,
                                 bool link) const override {
    return store_->Backup(context, target, link);
  }

 private:
  void Run(const std::stop_token& stop);
  Status Synchronize(const Context& context);
  // What the catalog lacks: a change of version + 1.
  Result<SharedChange> Difference() const;

  const std::unique_ptr<Store> store_;
  const OpenCatalog open_;
  const std::vector<std::string> setting_keys_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t wanted_ = 0;   // Commits so far. Guarded by mutex_.
  uint64_t tried_ = 0;    // Those that the mirror holds, or that it failed on. Guarded by mutex_.
  Status status_;         // Of the last attempt. Guarded by mutex_.
  bool writing_ = false;  // Guarded by mutex_.

  // Of the thread alone.
  std::unique_ptr<SharedCatalog> catalog_;
  bool known_ = false;  // What follows is what the catalog holds.
  SharedCounters counters_;
  std::map<std::string, std::string> settings_;
  std::map<DocumentId, FileRecord> files_;

  std::jthread thread_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MIRRORED_STORE_H_
