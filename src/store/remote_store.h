// SPDX-License-Identifier: Apache-2.0
//
// RemoteStore keeps the contract of a Store on the server of a vector database, once for every server: nodes are rows
// of a Collection, and a SharedCatalog says which of them are seen. docs/internals/remote-stores.md tells how.
//
// Threads: as Store. Errors: those of the server, with its name, the operation and the collection.
#ifndef RAGTIME_STORE_REMOTE_STORE_H_
#define RAGTIME_STORE_REMOTE_STORE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "catalog/shared_catalog.h"
#include "ragtime/store.h"
#include "store/collection.h"
#include "store/index_set.h"
#include "store/remote_core.h"

namespace ragtime {

struct RemoteStoreOptions {
  std::shared_ptr<CollectionServer> server;
  std::shared_ptr<SharedCatalog> catalog;  // Null: in the collection `<name>_catalog` of the server.
  std::string name = "ragtime";            // Of the knowledge base: letters, digits and '_', at most 50 bytes.
  std::optional<Metric> metric;            // None: what is recorded, kCosine for a new one.
  std::string index_type = "FLAT";         // These three as CollectionSpec has them.
  std::map<std::string, std::string> index_params;
  std::map<std::string, std::string> search_params;
  IndexSet indexes;                    // `keyword` is needed; vectors are the server's.
  std::filesystem::path state_folder;  // Where the words are kept on this machine; "": in memory only.
};

class RemoteStore final : public Store {
 public:
  // kNotFound where there is no such knowledge base and `create` is false.
  static Result<std::unique_ptr<RemoteStore>> Open(const Context& context, RemoteStoreOptions options, bool create);
  ~RemoteStore() override;

  const StoreTraits& traits() const override { return traits_; }
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override;
  Result<std::optional<std::string>> Setting(std::string_view key) const override;
  Status BeginWrite(int64_t timeout_ms) override;
  void EndWrite() override;
  Result<CommitResult> Commit(const Context& context, WriteBatch batch) override;
  Status Seal(const Context& context) override;
  Status Compact(const Context& context) override { return Seal(context); }
  Result<std::vector<Damage>> Verify(const Context& context) const override;
  // Refused: a knowledge base on a server is copied with `ragtime copy`, or backed up with the server.
  Result<StoreStatistics> Backup(const Context& context, const std::filesystem::path& target, bool link) const override;

 private:
  RemoteStore(RemoteStoreOptions options, std::shared_ptr<RemoteCore> core);
  Status Create(const Context& context);
  Status Sweep(const Context& context);
  Status EraseRetired(const Context& context);
  Result<std::shared_ptr<const RemoteState>> StateToChange(const Context& context, const WriteBatch& batch);
  Result<std::shared_ptr<Collection>> CollectionFor(const Context& context, const RemoteState& state,
                                                    const std::vector<FieldSpec>& columns, size_t dimension);

  const RemoteStoreOptions options_;
  const std::shared_ptr<RemoteCore> core_;
  const StoreTraits traits_{.durable = true, .commit_nodes_max = 65536};

  std::mutex writer_mutex_;  // Guards what follows.
  bool writing_ = false;
  uint64_t version_ = 0;  // Of the state after the last commit of this writer.
  bool unsure_ = false;   // A commit failed half-way: what it left is swept before the next one.
  // Ids below these were given to nodes that may be on the server. An answer that was lost may still be carried out, so
  // that such an id is not given out again.
  DocumentId document_floor_ = 1;
  NodeId node_floor_ = 1;
  // Ranges that the state after `version` no longer has.
  struct Retired {
    uint64_t version = 0;
    NodeRange range;
  };
  std::vector<Retired> retired_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_STORE_H_
