// SPDX-License-Identifier: Apache-2.0
//
// A Writer holds the right to write one knowledge base and does what changes it: commits and sealing.
//
// Threads: one thread at a time. Ownership: holds the lock and its own connection until destruction. Errors: what fails
// has no effect; files that it left are swept by the next Writer.
#ifndef RAGTIME_STORE_EMBEDDED_WRITER_H_
#define RAGTIME_STORE_EMBEDDED_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "catalog/catalog.h"
#include "ragtime/context.h"
#include "ragtime/store.h"
#include "store/embedded/view.h"
#include "store/embedded/writer_lock.h"
#include "store/file_plan.h"

namespace ragtime {

// When what is committed is moved. Tests make them small.
struct EmbeddedLimits {
  size_t tail_nodes_max = 4096;
  size_t tail_size_bytes_max = size_t{8} << 20;
  size_t tail_segments_max = 64;     // Each commit in the tail is searched on its own.
  size_t small_segment_rows = 8192;  // Sealed segments below it are merged once there are more than small_segments_max.
  size_t small_segments_max = 8;
  size_t merged_rows_max = 65536;  // Merging ends a new segment at this size: its vectors are in memory meanwhile.
  double deleted_share_max = 0.2;  // A segment with more deleted rows is written anew.
};

class Writer {
 public:
  static Result<std::unique_ptr<Writer>> Begin(std::shared_ptr<const ViewSource> source, const EmbeddedLimits& limits,
                                               int64_t timeout_ms);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  Result<CommitResult> Commit(const Context& context, WriteBatch& batch);
  Status Seal(const Context& context);

 private:
  // A segment with rows that a commit deletes.
  struct Shrunk {
    SegmentRecord record;
    Deletions deletions;
  };
  struct NewSegment {
    SegmentRecord record;
    SegmentParts parts;
  };

  Writer(std::shared_ptr<const ViewSource> source, const EmbeddedLimits& limits, WriterLock lock)
      : source_(std::move(source)), limits_(limits), lock_(std::move(lock)) {}
  Status SweepAndTrim();
  Status Refresh();
  int64_t TakeSegmentId();
  Result<std::optional<NewSegment>> BuildSegment(const Context& context, WriteBatch& batch, const FileChanges& changes,
                                                 size_t dimension);
  Status PlaceSegment(const Context& context, NewSegment& segment);
  bool FitsTail(const SegmentRecord& record) const;
  Result<std::vector<Shrunk>> FindDeletions(std::span<const DocumentId> documents, CommitNumber commit) const;
  Status DeleteRows(const SegmentView& segment, DocumentRows rows, Shrunk& shrunk) const;
  Status WriteDeletions(std::span<const Shrunk> shrunk);
  Status WriteFiles(const FileChanges& changes, CommitNumber commit, int64_t now_ms);
  void RemoveFiles(std::span<const SegmentRecord> gone) const;

  std::vector<std::vector<const SegmentView*>> PlanMerges() const;
  Status Merge(const Context& context, std::span<const SegmentView* const> sources);

  const std::shared_ptr<const ViewSource> source_;
  const EmbeddedLimits limits_;
  WriterLock lock_;  // Before the catalog, so that it is given back after the catalog is closed.
  std::unique_ptr<Catalog> catalog_;
  std::shared_ptr<const View> view_;  // Of the last Refresh.
  int64_t next_segment_id_ = 0;       // Above every id that this writer took, also for commits that failed.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_WRITER_H_
