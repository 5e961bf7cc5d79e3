// SPDX-License-Identifier: Apache-2.0
//
// A SharedCatalog keeps what a knowledge base on a server knows of its files: rows, settings and counters, changed by
// whole commits. It lies beside the nodes on their server (store/remote_catalog) or in a SQL database (catalog/sql/).
//
// Threads: every method may be called concurrently; one process writes at a time (AcquireWrite).
#ifndef RAGTIME_CATALOG_SHARED_CATALOG_H_
#define RAGTIME_CATALOG_SHARED_CATALOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/document.h"
#include "ragtime/status.h"

namespace ragtime {

// Everything but the rows of files. `version` grows by one with every commit; `generation` as in ragtime/store.h.
struct SharedCounters {
  uint64_t version = 0;
  uint64_t generation = 0;
  DocumentId next_document_id = 1;
  NodeId next_node_id = 1;
  friend bool operator==(const SharedCounters&, const SharedCounters&) = default;
};

struct SharedState {
  SharedCounters counters;
  std::map<std::string, std::string> settings;
  std::vector<FileRecord> files;  // By ascending file_path, folders among them.
};

// What one commit changes.
struct SharedChange {
  SharedCounters counters;          // As they are after it; version is one more than before.
  std::vector<DocumentId> removed;  // Rows of files to take out; one that changes is here and in `put`.
  std::vector<FileRecord> put;
  std::map<std::string, std::string> settings;  // To put.
};

class SharedCatalog {
 public:
  virtual ~SharedCatalog() = default;
  SharedCatalog(const SharedCatalog&) = delete;
  SharedCatalog& operator=(const SharedCatalog&) = delete;

  // The counters alone: a cheap look whether something has changed. version 0: nothing was ever committed.
  virtual Result<SharedCounters> ReadCounters(const Context& context) = 0;
  // One consistent state.
  virtual Result<SharedState> ReadAll(const Context& context) = 0;
  // All of `change` or nothing of it, durable when it returns. kAborted where counters.version - 1 is not the present
  // version: somebody else has written.
  virtual Status Apply(const Context& context, const SharedChange& change) = 0;

  // The right to write, waiting at most `timeout_ms`; kFailedPrecondition names the holder. It ends with ReleaseWrite,
  // with the catalog, and some time after the process has died.
  virtual Status AcquireWrite(const Context& context, int64_t timeout_ms) = 0;
  virtual void ReleaseWrite() = 0;

 protected:
  SharedCatalog() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_CATALOG_SHARED_CATALOG_H_
