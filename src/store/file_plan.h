// SPDX-License-Identifier: Apache-2.0
//
// FilePlan works out what a WriteBatch does to the files table: which rows go, which come, which documents lose their
// nodes, and every new id. It changes nothing itself, so that both stores apply one plan in their own way.
//
// Threads: one thread. Ownership: borrows the FileRows. Errors: kInvalidArgument, kNotFound and kFailedPrecondition
// name the path; those of FileRows are passed on.
#ifndef RAGTIME_STORE_FILE_PLAN_H_
#define RAGTIME_STORE_FILE_PLAN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// The files table as it is before the batch.
class FileRows {
 public:
  virtual ~FileRows() = default;
  FileRows(const FileRows&) = delete;
  FileRows& operator=(const FileRows&) = delete;
  virtual Result<std::optional<FileRecord>> Find(DocumentId id) const = 0;
  virtual Result<std::optional<FileRecord>> Find(std::string_view file_path) const = 0;
  virtual Result<uint64_t> CountChildren(DocumentId folder) const = 0;
  virtual Result<std::vector<DocumentId>> Children(DocumentId folder) const = 0;

 protected:
  FileRows() = default;
};

struct FileChanges {
  std::vector<DocumentId> removed;       // Rows to take out; a row that changes is here and in `put`.
  std::vector<FileRecord> put;           // Rows to put in after that.
  std::vector<DocumentId> cleared;       // Documents whose nodes are deleted.
  std::vector<DocumentId> document_ids;  // Of batch.documents, in their order.
  DocumentId next_document_id = 1;
  int64_t files_added = 0;  // Negative where more go than come. Without folders.
  int64_t folders_added = 0;
  bool changes_results = false;  // A node comes or goes, or a file with nodes gets another path, type or encoding.
};

Result<FileChanges> PlanFiles(const FileRows& rows, const WriteBatch& batch, DocumentId next_document_id,
                              int64_t now_ms);

}  // namespace ragtime

#endif  // RAGTIME_STORE_FILE_PLAN_H_
