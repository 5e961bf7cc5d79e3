// SPDX-License-Identifier: Apache-2.0
//
// MemoryCollections is a server of collections in memory that fails when it is told to: before a call was carried out,
// after it (the answer is lost), or in the middle. What it holds outlives the stores that use it.
//
// Threads: every method may be called concurrently.
#ifndef RAGTIME_TESTS_TESTING_MEMORY_COLLECTIONS_H_
#define RAGTIME_TESTS_TESTING_MEMORY_COLLECTIONS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "store/collection.h"

namespace ragtime {

enum class Fault {
  kNone,
  kBefore,  // Nothing was done.
  kHalf,    // Some of the rows were put or erased.
  kAfter,   // All of it was done; the answer is lost.
};

class MemoryCollections final : public CollectionServer {
 public:
  // `call` counts from 0; `operation` is "put", "erase", "get", "scan", "count", "search", "open", "exists", "drop".
  using Faults = std::function<Fault(uint64_t call, std::string_view operation, std::string_view collection)>;

  std::string_view name() const override { return "memory"; }
  Result<std::string> Version(const Context& context) override;
  Result<bool> Exists(const Context& context, std::string_view collection) override;
  Result<std::shared_ptr<Collection>> OpenOrMake(const Context& context, const CollectionSpec& spec) override;
  Status Drop(const Context& context, std::string_view collection) override;

  void SetFaults(Faults faults);
  uint64_t calls() const;  // So far.
  void LoseEverything();   // As a server that comes back empty.
  std::vector<int64_t> IdsOf(const std::string& collection) const;
  // Changes the text of a row, or whatever it likes of it, behind the back of every store.
  void Damage(const std::string& collection, int64_t id);
  void Change(const std::string& collection, int64_t id, const std::function<void(CollectionRow& row)>& change);
  // Of what a filter may not hold; by default `like`, `contains` and `is null`.
  void SetUntranslated(std::function<bool(const FilterNode& leaf)> untranslated);
  // A search finds no row whose id is a multiple of it; 0: all.
  void SetMissedBySearch(int64_t multiple);

 private:
  class MemoryCollection;
  struct Data {
    CollectionSpec spec;
    std::map<int64_t, CollectionRow> rows;
    bool dropped = false;
  };

  Fault Next(std::string_view operation, std::string_view collection);
  static Status Failed(std::string_view operation, std::string_view collection);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Data>, std::less<>> collections_;
  Faults faults_;
  std::function<bool(const FilterNode& leaf)> untranslated_;
  int64_t missed_multiple_ = 0;
  uint64_t calls_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_MEMORY_COLLECTIONS_H_
