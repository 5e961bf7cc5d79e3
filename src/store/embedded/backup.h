// SPDX-License-Identifier: Apache-2.0
//
// CopyFolder makes a copy of a knowledge base that is in use: one committed state of it, checked, on disk, and there
// under its name only when it is whole.
//
// Threads: one thread; other threads and processes may read and write the source meanwhile. Errors: kAlreadyExists
// where the target has something in it; after an error nothing is left there.
#ifndef RAGTIME_STORE_EMBEDDED_BACKUP_H_
#define RAGTIME_STORE_EMBEDDED_BACKUP_H_

#include <cstdint>
#include <filesystem>
#include <functional>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "ragtime/store.h"
#include "store/embedded/view.h"

namespace ragtime {

struct CopyRequest {
  std::filesystem::path target;
  bool link = false;            // Segments are hard links: no space and no time, but one disk for both.
  bool into_empty = false;      // The target may be an empty folder.
  bool new_generation = false;  // Above every one that the source has had or will have.
};

// Says what the copy holds.
Result<StoreStatistics> CopyFolder(const Context& context, const ViewSource& source, const CopyRequest& request);

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_BACKUP_H_
