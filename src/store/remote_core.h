// SPDX-License-Identifier: Apache-2.0
//
// RemoteCore is what a RemoteStore and its snapshots share: the server, the newest state that is known, which older
// ones are still read, and the words kept on this machine.
//
// Threads: every method may be called concurrently. Ownership: shared, so that a snapshot outlives its store.
#ifndef RAGTIME_STORE_REMOTE_CORE_H_
#define RAGTIME_STORE_REMOTE_CORE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "catalog/shared_catalog.h"
#include "ragtime/context.h"
#include "ragtime/status.h"
#include "store/collection.h"
#include "store/index_set.h"
#include "store/remote_state.h"
#include "store/word_replica.h"

namespace ragtime {

class RemoteCore {
 public:
  // `spec` is that of the collection of nodes; its dimension, metric and columns come from the state.
  RemoteCore(std::shared_ptr<CollectionServer> server, std::shared_ptr<SharedCatalog> catalog, CollectionSpec spec,
             IndexSet indexes, std::filesystem::path state_folder);

  CollectionServer& server() const { return *server_; }
  SharedCatalog& catalog() const { return *catalog_; }

  // The state of now. kDataLoss where the server has an older one than was seen before.
  Result<std::shared_ptr<const RemoteState>> Refresh(const Context& context);
  // What was known last, without asking the server. Null before the first Refresh.
  std::shared_ptr<const RemoteState> known() const;
  void Publish(std::shared_ptr<const RemoteState> state);

  // The nodes as the state records them; null where nothing was ever stored. It is never made here.
  Result<std::shared_ptr<Collection>> Nodes(const Context& context, const RemoteState& state);
  // Makes it. What lies there without being recorded goes first.
  Result<std::shared_ptr<Collection>> MakeNodes(const Context& context, const std::vector<FieldSpec>& columns,
                                                Metric metric, size_t dimension);

  // The state of now, for a snapshot of this process: nodes of its version are not erased before Release.
  Result<std::shared_ptr<const RemoteState>> RefreshAndHold(const Context& context);
  void Release(uint64_t version);
  // None where no snapshot is open.
  std::optional<uint64_t> OldestHeld() const;

  WordReplica& words() { return words_; }

 private:
  CollectionSpec SpecOf(const std::vector<FieldSpec>& columns, Metric metric, size_t dimension) const;

  const std::shared_ptr<CollectionServer> server_;
  const std::shared_ptr<SharedCatalog> catalog_;
  const CollectionSpec spec_;
  WordReplica words_;

  mutable std::mutex mutex_;
  std::shared_ptr<const RemoteState> known_;
  std::shared_ptr<Collection> nodes_;
  std::multiset<uint64_t> held_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_CORE_H_
