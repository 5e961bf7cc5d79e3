// SPDX-License-Identifier: Apache-2.0
//
// A RemoteState is what a knowledge base on a server knows of its files at one version: rows by id and by path, the
// settings, and which nodes each document has. Which nodes there are follows from it alone: a row of the collection
// whose id lies in no range of it is not seen.
//
// Threads: immutable. Ownership: rows are shared with the state of the version before.
#ifndef RAGTIME_STORE_REMOTE_STATE_H_
#define RAGTIME_STORE_REMOTE_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/shared_catalog.h"
#include "ragtime/document.h"
#include "ragtime/field.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/file_plan.h"

namespace ragtime {

// Nodes of one commit have ids without gaps, so that those of a document are a range.
struct NodeRange {
  NodeId first = 0;
  uint64_t count = 0;
  friend bool operator==(const NodeRange&, const NodeRange&) = default;
};

// "12+3 40+1", as settings keep them.
std::string EncodeRanges(const std::vector<NodeRange>& ranges);
Result<std::vector<NodeRange>> DecodeRanges(std::string_view text);

class RemoteState : public FileRows {
 public:
  using FilePtr = std::shared_ptr<const FileRecord>;

  // Settings that only RemoteStore reads and writes begin with it.
  static constexpr char kOwnPrefix[] = "_";
  static constexpr char kRetiredSetting[] = "_retired";       // Ranges of nodes that are to be erased.
  static constexpr char kColumnsSetting[] = "_node_columns";  // Those that the collection of nodes was made with.

  static Result<std::shared_ptr<const RemoteState>> Of(SharedState state);
  // As after `change`.
  Result<std::shared_ptr<const RemoteState>> After(const SharedChange& change) const;
  // The settings that record where the nodes of `documents` begin (0: of none any more).
  std::map<std::string, std::string> NodeSettings(const std::map<DocumentId, NodeId>& documents) const;

  const SharedCounters& counters() const { return counters_; }
  std::optional<std::string> Setting(std::string_view key) const;
  Metric metric() const { return metric_; }
  std::optional<size_t> dimension() const { return dimension_; }
  const std::vector<FieldSpec>& fields() const { return fields_; }  // Declared for documents.
  const std::map<std::string, FilePtr, std::less<>>& files() const { return by_path_; }
  uint64_t folders() const { return folders_; }
  uint64_t nodes() const { return nodes_; }  // Of all documents.
  const std::vector<NodeRange>& retired() const { return retired_; }

  FilePtr FindDocument(DocumentId id) const;      // Null where there is none.
  FilePtr FindDocumentOfNode(NodeId node) const;  // Null where the node is not seen.
  NodeRange RangeOf(DocumentId id) const;
  // Of all documents with nodes, ascending: document ids and node ids ascend together.
  const std::map<DocumentId, NodeId>& first_nodes() const { return first_nodes_; }

  Result<std::optional<FileRecord>> Find(DocumentId id) const override;
  Result<std::optional<FileRecord>> Find(std::string_view file_path) const override;
  Result<uint64_t> CountChildren(DocumentId folder) const override;
  Result<std::vector<DocumentId>> Children(DocumentId folder) const override;

 private:
  RemoteState() = default;
  RemoteState(const RemoteState& other);
  Status Put(FileRecord file);
  Status TakeSetting(const std::string& key, const std::string& value);
  Status Finish();

  SharedCounters counters_;
  std::map<std::string, std::string, std::less<>> settings_;
  std::map<std::string, FilePtr, std::less<>> by_path_;
  std::map<DocumentId, FilePtr> by_id_;
  std::map<DocumentId, std::set<DocumentId>> children_;
  std::map<DocumentId, NodeId> first_nodes_;
  std::map<NodeId, DocumentId> document_of_;  // By first node.
  std::vector<FieldSpec> fields_;
  std::vector<NodeRange> retired_;
  std::optional<size_t> dimension_;
  Metric metric_ = Metric::kCosine;
  uint64_t folders_ = 0;
  uint64_t nodes_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_STATE_H_
