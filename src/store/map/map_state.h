// SPDX-License-Identifier: Apache-2.0
//
// MapState is everything a MapStore holds. Rows are never changed: each says by which commit it came and by which it
// went, so that a snapshot is the number of a commit.
//
// Threads: `mutex` is held shared to read and exclusive to change. Ownership: shared by the store and its snapshots.
#ifndef RAGTIME_STORE_MAP_MAP_STATE_H_
#define RAGTIME_STORE_MAP_MAP_STATE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "ragtime/store.h"
#include "store/batch_check.h"
#include "store/file_plan.h"
#include "store/map/map_file.h"
#include "text/chinese_dictionary.h"

namespace ragtime {

struct Lifetime {
  static constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();
  uint64_t since = 0;
  uint64_t until = kForever;
  bool Holds(uint64_t commit) const { return since <= commit && commit < until; }
};

struct MapRow {
  NewNode node;
  uint32_t tokens = 0;
  uint32_t fields_item = 0;  // Of MapState::columns, shared by the nodes that came with it.
  Lifetime life;
};

struct MapFile {
  FileRecord record;
  Lifetime life;
};

struct Posting {
  uint32_t row = 0;
  uint32_t count = 0;
};

// What was true after a commit.
struct MapTotals {
  uint64_t generation = 0;
  uint64_t files = 0;
  uint64_t folders = 0;
  KeywordStatistics keyword;  // nodes are the live ones.
};

struct MapState {
  MapState(Metric metric_of_store, Bm25Parameters parameters, std::shared_ptr<const FieldColumnsType> type,
           std::shared_ptr<const ChineseDictionary> dictionary)
      : metric(metric_of_store), bm25(parameters), columns_type(std::move(type)), chinese(std::move(dictionary)) {}

  const Metric metric;
  const Bm25Parameters bm25;
  const std::shared_ptr<const FieldColumnsType> columns_type;  // Null: documents have no fields.
  const std::shared_ptr<const ChineseDictionary> chinese;      // Null: characters and pairs.

  mutable std::shared_mutex mutex;
  std::vector<MapRow> rows;  // By ascending node id.
  std::unordered_map<std::string, std::vector<Posting>> postings;
  std::unordered_map<DocumentId, std::vector<uint32_t>> rows_of;
  std::map<DocumentId, std::vector<MapFile>> files;                // Oldest first.
  std::map<std::string, std::set<DocumentId>, std::less<>> paths;  // Every document that ever had the path.
  std::map<DocumentId, std::set<DocumentId>> children;             // Of now.
  std::map<std::string, std::string, std::less<>> settings;
  std::map<uint64_t, MapTotals> totals = {{0, {}}};  // By commit.
  std::multiset<uint64_t> snapshots;                 // Commits that snapshots still read.
  std::vector<FieldSpec> fields;                     // Declared for documents.
  std::unique_ptr<MutableFieldColumns> columns;      // Null where none are declared.
  uint32_t next_fields_item = 0;
  std::optional<size_t> dimension;
  NamedDimensions named;  // Of the keys that were declared; kept in settings, too.
  uint64_t commit = 0;
  DocumentId next_document_id = 1;
  NodeId next_node_id = 1;

  std::optional<FileRecord> FindFile(DocumentId id, uint64_t at) const;
  std::optional<FileRecord> FindFile(std::string_view path, uint64_t at) const;

  // Puts a checked batch in, as the next commit.
  void Apply(WriteBatch& batch, const FileChanges& changes, std::optional<size_t> new_dimension,
             NamedDimensions new_named);
  // What lives now, to be kept; and the reverse, on a new state. `mutex` must be held.
  MapContents Save() const;
  void Load(MapContents contents);
  // Forgets what no snapshot can see any more.
  void Reclaim();
  uint64_t size_bytes() const;

 private:
  void RemoveNodes(DocumentId document, KeywordStatistics& keyword);
  void AddNode(NewNode node, uint32_t fields_item, KeywordStatistics& keyword);
  // Declares `declared` and takes over what rows that are kept have of it; items are numbered anew.
  void RemakeColumns(std::vector<FieldSpec> declared);
  void RemoveFile(DocumentId id);
  void PutFile(const FileRecord& record);
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_MAP_MAP_STATE_H_
