// SPDX-License-Identifier: Apache-2.0
//
// EmbeddedStore keeps a knowledge base in one directory: a catalog that changes, and segments that never do. Opening
// maps what is there; docs/internals/store.md tells how commits, sealing and crashes go.
//
// Threads: as Store says. Any number of processes may read while one writes. Ownership: snapshots may outlive the
// store. Errors: kNotFound where there is no knowledge base and none may be made.
#ifndef RAGTIME_STORE_EMBEDDED_EMBEDDED_STORE_H_
#define RAGTIME_STORE_EMBEDDED_EMBEDDED_STORE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/store.h"
#include "store/embedded/embedded_snapshot.h"
#include "store/embedded/writer.h"
#include "store/index_set.h"

namespace ragtime {

class EmbeddedStore : public Store {
 public:
  // config.uri is the directory. Without `create` nothing is made.
  static Result<std::unique_ptr<EmbeddedStore>> Open(const StoreConfig& config, IndexSet indexes, bool create,
                                                     const EmbeddedLimits& limits = {});

  const StoreTraits& traits() const override { return traits_; }
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override;
  Result<std::optional<std::string>> Setting(std::string_view key) const override;
  Status BeginWrite(int64_t timeout_ms) override;
  void EndWrite() override;
  Result<CommitResult> Commit(const Context& context, WriteBatch batch) override;
  Status Seal(const Context& context) override;
  Status Compact(const Context& context) override;
  Status ReplaceVectors(const Context& context, const VectorReplacement& replacement) override;
  Result<std::vector<Damage>> Verify(const Context& context) const override;
  Result<StoreStatistics> Backup(const Context& context, const std::filesystem::path& target, bool link) const override;

  // Makes `target`, which does not exist or is empty, from a backup that is whole. The copy keeps the uuid; its
  // generation is one that the original does not have and will not have, so that no cache can mix the two up.
  static Result<StoreStatistics> Restore(const Context& context, const std::filesystem::path& backup,
                                         const std::filesystem::path& target, IndexSet indexes);

 private:
  EmbeddedStore(std::shared_ptr<const ViewSource> source, const EmbeddedLimits& limits)
      : source_(std::move(source)), limits_(limits), reader_(std::make_shared<CatalogReader>()) {}
  Result<std::shared_ptr<const View>> CurrentView() const;  // reader_->mutex is held.

  const StoreTraits traits_{.durable = true, .named_vectors = true};
  const std::shared_ptr<const ViewSource> source_;
  const EmbeddedLimits limits_;
  const std::shared_ptr<CatalogReader> reader_;
  mutable std::shared_ptr<const View> view_;  // The last one. Guarded by reader_->mutex.
  mutable int64_t view_version_ = 0;          // Catalog::DataVersion of view_. Guarded by reader_->mutex.
  std::mutex writer_mutex_;
  std::unique_ptr<Writer> writer_;  // Between BeginWrite and EndWrite. Guarded by writer_mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_EMBEDDED_STORE_H_
