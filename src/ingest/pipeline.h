// SPDX-License-Identifier: Apache-2.0
//
// IngestPaths takes new, changed, moved and deleted files below some paths into a store: scan, compare, read, split,
// embed, commit. docs/internals/ingest.md walks through it.
//
// Threads: runs on the caller's thread, which must not be one of the pool's; reading and splitting run on the pool.
// Errors: a file that fails is in the report and in the files table, and the rest goes on. An error of the store or the
// embedder and a cancellation end the ingestion; what was committed stays, and the message says how much that is.
#ifndef RAGTIME_INGEST_PIPELINE_H_
#define RAGTIME_INGEST_PIPELINE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "ingest/node_groups.h"
#include "ragtime/embedder.h"
#include "ragtime/field.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/reader.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

struct IngestLimits {
  uint64_t file_bytes_max = uint64_t{512} << 20;      // A larger file fails.
  uint64_t text_bytes_max = uint64_t{64} << 20;       // A file with more text fails.
  uint64_t in_flight_bytes_max = uint64_t{64} << 20;  // Of files read ahead of the embedder.
  // A commit is due at the first of these: a kill loses no more, and a commit costs an fsync or two.
  size_t commit_nodes = 1024;
  int64_t commit_interval_ms = 2000;
  // Nodes embedded in one call: as many as the embedder does in about commit_interval_ms, within these.
  size_t window_nodes_min = 64;
  size_t window_nodes_max = 512;
};

struct IngestRequest {
  std::vector<std::filesystem::path> paths;  // Folders, taken recursively, or files.
  std::filesystem::path root;                // What file paths are relative to.
  std::filesystem::path kb_folder;           // Never ingested; "": none.
  int64_t lock_timeout_ms = 5000;            // For another writer.
  // Declared by the first commit, if the store has declared others; all files are read again then, and no known text is
  // embedded again. None: those that the store has declared.
  std::optional<std::vector<FieldSpec>> fields;
  // Asked once nobody else can write: whether the embedder still is that of the store.
  std::function<Status()> check;
  std::map<std::string, Embedder*> embedders;   // By the keys that the groups name.
  std::map<std::string, size_t> dimensions;     // Declared together with `settings`.
  std::map<std::string, std::string> settings;  // Put into the store's by the first commit, where it has others.
  IngestLimits limits;
};

// Writes under the store's write lock, held until it returns. Files are committed by ascending path, so that the ids
// that the store gives do not depend on threads. Files that were made by other groups are read again; nodes whose text
// had a vector of its own keep it.
Result<IngestReport> IngestPaths(const IngestRequest& request, Store& store, Embedder& embedder,
                                 const NodeGroups& groups, std::span<const Reader* const> readers, ThreadPool& pool,
                                 const IngestOptions& options = {});

}  // namespace ragtime

#endif  // RAGTIME_INGEST_PIPELINE_H_
