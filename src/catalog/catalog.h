// SPDX-License-Identifier: Apache-2.0
//
// The Catalog is the one mutable file of a knowledge base: settings, files, which segments hold the nodes, which rows
// of them are deleted, and the images of the segments that are not sealed yet. docs/formats/catalog.md lists the
// tables.
//
// Threads: one thread at a time. Ownership: a Transaction borrows its Catalog. Errors name the file and the remedy; an
// error inside a write transaction leaves the catalog as it was before.
#ifndef RAGTIME_CATALOG_CATALOG_H_
#define RAGTIME_CATALOG_CATALOG_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/connection.h"
#include "ragtime/document.h"
#include "ragtime/filter.h"
#include "ragtime/node.h"
#include "ragtime/status.h"

namespace ragtime {

// What a file row of the past is read by: the number of the commit whose state is wanted.
using CommitNumber = uint64_t;

struct CatalogState {
  uint64_t generation = 0;
  CommitNumber commit_number = 0;
  DocumentId next_document_id = 1;
  NodeId next_node_id = 1;
  int64_t next_segment_id = 1;
  uint64_t files = 0;  // Without folders.
  uint64_t folders = 0;
  CommitNumber history_start = 0;  // File rows as of earlier commits are gone.
  friend bool operator==(const CatalogState&, const CatalogState&) = default;
};

struct SegmentRecord {
  int64_t id = 0;
  bool in_tail = false;  // Its image is in the catalog, not in a file.
  uint64_t rows = 0;
  NodeId first_node = 0;
  NodeId last_node = 0;
  uint64_t tokens = 0;  // Of all rows, deleted ones too.
  uint64_t size_bytes = 0;
  uint64_t deleted_rows = 0;
  uint64_t deleted_tokens = 0;
  CommitNumber deletions_commit = 0;  // The commit that last deleted rows of it; 0: none did.
  friend bool operator==(const SegmentRecord&, const SegmentRecord&) = default;
};

class Catalog {
 public:
  class Transaction {
   public:
    Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();  // Rolls back what was not committed.
    Status Commit();

   private:
    friend class Catalog;
    explicit Transaction(Connection* connection) : connection_(connection) {}
    Connection* connection_;  // Null after Commit.
  };

  // Makes `file`, whole or not at all, with these settings and the format version.
  static Status Create(const std::filesystem::path& file, const std::map<std::string, std::string>& settings);
  static Result<std::unique_ptr<Catalog>> Open(const std::filesystem::path& file, Access access);

  // Below kFormatVersion: UpgradeCatalog comes before anything else.
  int format_version() const { return format_version_; }

  // Everything read inside one transaction is of one state.
  Result<Transaction> BeginRead();
  Result<Transaction> BeginWrite();

  // Another number than last time: some other connection has committed.
  Result<int64_t> DataVersion();
  Result<CatalogState> ReadState();
  Result<std::vector<SegmentRecord>> ReadSegments();  // By ascending id.
  // Fills what `room` gives for so many bytes. kDataLoss where there are none.
  Status ReadTailImage(int64_t segment_id, const std::function<std::span<std::byte>(size_t size_bytes)>& room);
  // The bytes are valid during the call only. kDataLoss where there are none.
  Status ReadDeletions(int64_t segment_id, const std::function<Status(std::span<const std::byte>)>& use);
  Result<std::optional<std::string>> ReadSetting(std::string_view key);

  // Rows as of a commit; kAborted if it is older than the history that is kept.
  Result<std::optional<FileRecord>> FindFile(DocumentId id, CommitNumber commit);
  Result<std::optional<FileRecord>> FindFile(std::string_view file_path, CommitNumber commit);
  // In one transaction, which takes longer to begin and to end than a row takes to find.
  Result<std::vector<std::optional<FileRecord>>> FindFiles(std::span<const DocumentId> ids, CommitNumber commit);
  Result<std::vector<FileRecord>> ReadFiles(CommitNumber commit);  // By ascending file_path.

  // The documents (no folders) for whose column of FileFields `leaf` holds, ascending.
  Result<std::vector<DocumentId>> FindDocuments(const FilterNode& leaf, CommitNumber commit);

  // The rows of now.
  Result<std::optional<FileRecord>> FindFile(DocumentId id);
  Result<std::optional<FileRecord>> FindFile(std::string_view file_path);
  Result<uint64_t> CountChildren(DocumentId folder);
  Result<std::vector<DocumentId>> Children(DocumentId folder);

  // The rest needs a write transaction.
  Status WriteState(const CatalogState& state);
  Status PutSetting(std::string_view key, std::string_view value);
  // Puts a new row, made by `commit`. Rows that it replaces must have been removed.
  Status PutFile(const FileRecord& record, CommitNumber commit);
  // Moves the row into the history, where snapshots of before `commit` find it.
  Status RemoveFile(DocumentId id, CommitNumber commit, int64_t now_ms);
  Status PutSegment(const SegmentRecord& record);  // Replaces the row of that id.
  Status PutTailImage(int64_t segment_id, std::span<const std::byte> image);
  Status RemoveSegment(int64_t segment_id);  // With its image and deletions.
  Status PutDeletions(int64_t segment_id, std::span<const std::byte> bitmap);
  // Forgets file rows that were removed before `before_ms`; returns the new history_start.
  Result<CommitNumber> TrimHistory(int64_t before_ms, CommitNumber history_start);

  // Gives the pages that nothing uses any more back to the file system, with the next Checkpoint.
  Status Shrink();
  // Moves the log into the file and empties it, as far as readers allow.
  Status Checkpoint();
  // Makes `file` a catalog of the same state: that of the read transaction, if there is one.
  Status CopyTo(const std::filesystem::path& file);
  // SQLite's own check of every page and index, and rows that refer to nothing, in sentences: seconds for a large
  // catalog.
  Result<std::vector<std::string>> FindDamage();

 private:
  Catalog(std::filesystem::path file, std::unique_ptr<Connection> connection)
      : file_(std::move(file)), connection_(std::move(connection)) {}
  Status CheckFormat();
  Status CheckHistory(CommitNumber commit);

  std::filesystem::path file_;
  std::unique_ptr<Connection> connection_;
  int format_version_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_CATALOG_H_
