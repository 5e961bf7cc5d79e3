// SPDX-License-Identifier: Apache-2.0
//
// FindChanges compares what was scanned with what the store knows: which files are new, changed, moved, gone or as
// before.
#ifndef RAGTIME_INGEST_CHANGES_H_
#define RAGTIME_INGEST_CHANGES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "ingest/fields.h"
#include "ingest/scan.h"
#include "ragtime/context.h"
#include "ragtime/document.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

struct FileToRead {
  ScannedFile file;
  std::optional<FileRecord> known;  // The row of this path, if there is one.
};

struct Changes {
  std::vector<FileToRead> to_read;  // New, changed, and those that failed before; by ascending file_path.
  std::vector<DocumentWrite>
      row_updates;  // Moved files, and those of which only the time changed; by ascending file_path.
  std::vector<DocumentId> erased;
  uint64_t moved = 0;
  uint64_t unchanged = 0;
};

// A file whose size and time are those of its row, and whose time is well before the row's, is
// taken as unchanged without reading it; every other is told by the hash of its content. Files below folders that could
// not be read, and outside of what was scanned, stay as they are. A file of which `fields` finds another meta_hash than
// its row has is changed; if it moved, too, it is in row_updates and, as the row will be then, in to_read.
Result<Changes> FindChanges(const Context& context, const ScanResult& scan, const std::vector<FileRecord>& known,
                            const FieldReader& fields, uint64_t file_bytes_max, ThreadPool& pool);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_CHANGES_H_
