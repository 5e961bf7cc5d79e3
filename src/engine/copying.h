// SPDX-License-Identifier: Apache-2.0
//
// CopyStore takes all that one store holds into another, whatever the two are, and embeds nothing.
//
// Threads: runs on the caller's thread. Ownership: borrows the stores. Errors: those of the stores; kAlreadyExists and
// kFailedPrecondition where the target holds something else; kDataLoss where it does not give back what was put in.
// What was committed stays, and the next copy goes on from there.
#ifndef RAGTIME_ENGINE_COPYING_H_
#define RAGTIME_ENGINE_COPYING_H_

#include <cstddef>
#include <cstdint>

#include "ragtime/knowledge_base.h"
#include "ragtime/store.h"

namespace ragtime {

struct CopyLimits {
  // A commit is due at the first of these: what is cut short is repeated from the last one.
  size_t commit_nodes = 8192;
  size_t commit_bytes = size_t{64} << 20;  // Of texts and vectors.
  size_t commit_files = 1024;
};

Result<CopyReport> CopyStore(const Store& from, Store& to, int64_t lock_timeout_ms, const CopyOptions& options,
                             const CopyLimits& limits = {});

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_COPYING_H_
