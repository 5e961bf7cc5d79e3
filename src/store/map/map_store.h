// SPDX-License-Identifier: Apache-2.0
//
// MapStore keeps a knowledge base in the memory of one process, for experiments and tests: plain maps, a full scan of
// the vectors and an inverted index. With a map file it is saved by Seal, and by EndWrite where a commit came after
// that; an error that EndWrite cannot answer comes with the next BeginWrite. Of two processes with one file, the one
// that saves last wins.
//
// Threads: as Store says. Ownership: snapshots may outlive the store. Errors: those of the contract only.
#ifndef RAGTIME_STORE_MAP_MAP_STORE_H_
#define RAGTIME_STORE_MAP_MAP_STORE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/store.h"
#include "store/map/map_state.h"

namespace ragtime {

class MapStore : public Store {
 public:
  // Of config.uri, if that names a map file: what was saved there is loaded, and kept there from now on. kNotFound
  // where it is missing and none may be made.
  static Result<std::unique_ptr<MapStore>> Open(const StoreConfig& config,
                                                std::shared_ptr<const FieldColumnsType> columns, bool create,
                                                std::shared_ptr<const ChineseDictionary> chinese = nullptr);
  // True for "NAME.ragmap": any other uri of a map store means nothing.
  static bool IsMapFile(std::string_view uri);

  // In memory only. `columns` makes the columns of documents' fields; null: documents have none. `chinese` finds the
  // words of Chinese; null: characters and pairs.
  MapStore(const StoreConfig& config, std::shared_ptr<const FieldColumnsType> columns,
           std::shared_ptr<const ChineseDictionary> chinese = nullptr);

  ~MapStore() override { EndWrite(); }

  const StoreTraits& traits() const override { return traits_; }
  Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const override;
  Result<std::optional<std::string>> Setting(std::string_view key) const override;
  Status BeginWrite(int64_t timeout_ms) override;
  void EndWrite() override;
  Result<CommitResult> Commit(const Context& context, WriteBatch batch) override;
  Status Seal(const Context& context) override;
  Status Compact(const Context& context) override { return Seal(context); }
  Result<std::vector<Damage>> Verify(const Context&) const override { return std::vector<Damage>(); }
  Result<StoreStatistics> Backup(const Context& context, const std::filesystem::path& target, bool link) const override;

 private:
  const StoreTraits traits_{.durable = false, .named_vectors = true};
  const std::shared_ptr<MapState> state_;
  Status SaveIfChanged();  // writer_mutex_ is held.

  std::filesystem::path file_;  // Empty: kept in memory only.
  std::mutex writer_mutex_;
  bool writing_ = false;  // Guarded by writer_mutex_.
  bool changed_ = false;  // Since it was saved. Guarded by writer_mutex_.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MAP_MAP_STORE_H_
