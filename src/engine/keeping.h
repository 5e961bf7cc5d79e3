// SPDX-License-Identifier: Apache-2.0
//
// What keeps a knowledge base in order beside ingesting: taking files out and giving space back.
//
// Threads: one call at a time on one store. Ownership: borrows the store. Errors: those of the store; kNotFound names
// the paths most like an unknown one.
#ifndef RAGTIME_ENGINE_KEEPING_H_
#define RAGTIME_ENGINE_KEEPING_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/store.h"

namespace ragtime {

struct DeleteRequest {
  std::vector<std::string> paths;
  std::string root;  // What file paths are relative to; "": paths on disk are not understood.
  int64_t lock_timeout_ms = 0;
};

// The row that a user means by a path: by itself, else by where it lies on disk. Null if there is none.
const FileRecord* FindFileRow(const std::vector<FileRecord>& files, const std::string& path, const std::string& root);
// "a.md, b.md": the paths that are most like one that is not there; "" if none is.
std::string PathsLike(const std::string& path, const std::vector<FileRecord>& files, const std::string& root);

Result<DeleteReport> DeletePaths(Store& store, const DeleteRequest& request, const Context& context);
// `settings` are recorded when it is done.
Result<CompactReport> CompactStore(Store& store, int64_t lock_timeout_ms, std::map<std::string, std::string> settings,
                                   const Context& context);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_KEEPING_H_
