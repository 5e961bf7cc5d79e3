// SPDX-License-Identifier: Apache-2.0
//
// ExplainMissing says at which stage, and at which rank, the nodes of one file were lost on the way to the hits of a
// question.
//
// Threads: may be called concurrently. Errors: those of SearchNodes. It searches several times, so it takes longer than
// a search.
#ifndef RAGTIME_QUERY_WHY_NOT_H_
#define RAGTIME_QUERY_WHY_NOT_H_

#include <memory>

#include "base/thread_pool.h"
#include "query/search.h"
#include "ragtime/document.h"
#include "ragtime/embedder.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// `file` is the file's row in the snapshot. Everything of the report but `file` is filled in.
Result<WhyNotReport> ExplainMissing(const SearchOptions& options, const FileRecord& file,
                                    std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<Embedder> embedder,
                                    ThreadPool& pool);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_WHY_NOT_H_
