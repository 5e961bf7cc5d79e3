// SPDX-License-Identifier: Apache-2.0
//
// RemoteCatalog is the SharedCatalog that needs no database: a log of commits in a second collection of the server that
// holds the nodes. A commit is one row that makes it count, written after the rows that hold what does not fit into it.
//
// Threads: as SharedCatalog. Errors: those of the server; kDataLoss where the log has gaps.
// Limits: these servers cannot compare and swap. Two writers that both believe to hold the lease see each other's rows
// after writing, and then both withdraw; clocks of machines that write may differ by less than the lease (60 s).
#ifndef RAGTIME_STORE_REMOTE_CATALOG_H_
#define RAGTIME_STORE_REMOTE_CATALOG_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catalog/shared_catalog.h"
#include "store/collection.h"
#include "store/writer_lock.h"

namespace ragtime {

struct RemoteCatalogLimits {
  size_t log_commits_max = 64;  // More, and the state is written anew in one piece.
  size_t log_bytes_max = 4 << 20;
  size_t row_bytes_max = 32 << 10;  // Of one row.
  int64_t lease_ms = 60000;         // A writer that does not renew it is taken as dead.
};

class RemoteCatalog final : public SharedCatalog {
 public:
  // A second process on this machine is kept out by a lock file in `lock_folder`, if one is given.
  RemoteCatalog(std::shared_ptr<CollectionServer> server, std::string collection, std::filesystem::path lock_folder,
                RemoteCatalogLimits limits = {});
  ~RemoteCatalog() override;

  Result<SharedCounters> ReadCounters(const Context& context) override;
  Result<SharedState> ReadAll(const Context& context) override;
  Status Apply(const Context& context, const SharedChange& change) override;
  Status AcquireWrite(const Context& context, int64_t timeout_ms) override;
  void ReleaseWrite() override;

 private:
  // A commit row, or one that says that a checkpoint is whole.
  struct Marker {
    uint64_t sequence = 0;
    uint64_t previous = 0;  // The sequence of the commit before it.
    uint64_t parts = 0;
    SharedCounters counters;
    std::string sum;      // Of the content.
    std::string content;  // Where parts is 0.
    bool is_checkpoint = false;
  };

  Status Open(const Context& context, bool make);
  Result<std::vector<Marker>> ReadMarkers(const Context& context, int64_t after_id) const;
  Result<std::string> ReadContent(const Context& context, const Marker& marker) const;
  Status Update(const Context& context);
  Status Reload(const Context& context);
  Status ApplyMarker(const Context& context, const Marker& marker);
  Status ApplyContent(std::string_view content);
  // Writes a commit behind the head and makes certain that it is the only one there.
  Status Write(const Context& context, const SharedCounters& counters, std::string content);
  Status PutMarker(const Context& context, const Marker& marker, std::string_view content);
  Status CheckAlone(const Context& context, const Marker& marker);
  void Withdraw(const Marker& marker);
  void CheckpointIfLong(const Context& context);
  Status SweepAfterTheDead(const Context& context);
  Status TakeLease(const Context& context, int64_t timeout_ms);
  void Forget();
  Status Damaged(std::string_view what) const;

  const std::shared_ptr<CollectionServer> server_;
  const std::string name_;
  const std::filesystem::path lock_folder_;
  const RemoteCatalogLimits limits_;

  std::mutex mutex_;  // Guards what follows.
  std::shared_ptr<Collection> rows_;
  SharedCounters counters_;
  std::map<std::string, std::string> settings_;
  std::map<DocumentId, FileRecord> files_;
  uint64_t head_ = 0;  // Sequence of the newest commit; 0: none is known.
  uint64_t checkpoint_ = 0;
  size_t log_commits_ = 0;
  size_t log_bytes_ = 0;
  std::vector<int64_t> log_ids_;  // Rows that a checkpoint makes superfluous.

  bool writing_ = false;
  // A commit row may still arrive though its writer was told otherwise: before anything is swept, an empty commit
  // behind the head makes it count for nothing.
  bool unsure_ = false;
  uint64_t next_sequence_ = 1;
  std::set<uint64_t> withdrawn_;  // Sequences of this writer that do not count.
  std::optional<WriterLock> lock_;
  std::string token_;
  std::jthread renewal_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_CATALOG_H_
