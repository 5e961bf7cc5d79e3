// SPDX-License-Identifier: Apache-2.0
//
// A Writer holds the right to write one knowledge base and does what changes it: commits, and merging, for which it has
// a thread of its own.
//
// Threads: one thread at a time. Ownership: holds the lock and its own connection until destruction, which ends a merge
// in the background. Errors: what fails has no effect; files that it left are swept by the next Writer. A merge in the
// background that fails shows when a commit finds the tail full.
#ifndef RAGTIME_STORE_EMBEDDED_WRITER_H_
#define RAGTIME_STORE_EMBEDDED_WRITER_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "catalog/catalog.h"
#include "ragtime/context.h"
#include "ragtime/store.h"
#include "store/embedded/pacer.h"
#include "store/embedded/search_lanes.h"
#include "store/embedded/view.h"
#include "store/file_plan.h"
#include "store/writer_lock.h"

namespace ragtime {

// When what is committed is moved. Tests make them small.
struct EmbeddedLimits {
  size_t tail_nodes_max = 4096;
  size_t tail_size_bytes_max = size_t{8} << 20;
  size_t tail_segments_max = 64;  // Each commit in the tail is searched on its own.
  // Sealed segments below it are merged once there are more than small_segments_max of them; so are those from it to
  // merged_rows_max.
  size_t small_segment_rows = 8192;
  size_t small_segments_max = 8;
  size_t merged_rows_max = 65536;  // Merging ends a new segment at this size: its vectors are in memory meanwhile.
  uint64_t lane_rows = SearchLanes::kLeastRows;  // Segments of fewer rows are searched without a thread of their own.
  // Compact goes on to as many bytes of vectors, if that is more rows: a search costs a walk over each segment's graph.
  uint64_t compacted_vectors_bytes_max = uint64_t{384} << 20;
  double deleted_share_max = 0.2;  // A segment with more deleted rows is written anew.
  // Merge in a thread of the writer once the tail is half full; without, a commit that finds the tail full seals it.
  bool background = true;
  // Read and written by a merge in the background; 0: no limit. With 8 MiB/s it falls behind commits at 13 MiB/s, and
  // they wait; from 16 to 64 MiB/s searches beside it differ by less than they vary (bench/store_merge.cc).
  uint64_t background_bytes_per_s = uint64_t{32} << 20;
};

// How much of what could be merged is.
enum class MergeEffort {
  kBackground,  // The tail if it is half full, and what Seal takes besides.
  kSeal,        // The whole tail, small segments if there are many, those with many deleted rows.
  kCompact,     // Everything that becomes fewer or smaller.
};

class Writer {
 public:
  static Result<std::unique_ptr<Writer>> Begin(std::shared_ptr<const ViewSource> source, const EmbeddedLimits& limits,
                                               int64_t timeout_ms);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  Result<CommitResult> Commit(const Context& context, WriteBatch& batch);
  Status Seal(const Context& context) { return MergeAll(context, MergeEffort::kSeal); }
  // Reclaims every deleted row, leaves few segments, and gives free pages of the catalog back.
  Status Compact(const Context& context);
  // Writes every segment anew with other vectors and swaps them all in one transaction.
  Status ReplaceVectors(const Context& context, const VectorReplacement& replacement);

 private:
  using Lock = std::unique_lock<std::mutex>;
  using MergePlan = std::vector<const SegmentView*>;
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
  // What a merge has written and not yet put in the place of its sources.
  struct Merged {
    std::vector<NodeId> node_ids;         // By row.
    std::optional<SegmentRecord> record;  // None: no row is left.
  };

  Status SweepAndTrim();
  Status Refresh();
  int64_t TakeSegmentId();
  Result<std::optional<NewSegment>> BuildSegment(const Context& context, WriteBatch& batch, const FileChanges& changes,
                                                 size_t dimension);
  Status PlaceSegment(const Context& context, Lock& lock, NewSegment& segment);
  // Whether the tail stays below `growth` times its limits with it.
  bool FitsTail(const SegmentRecord& record, uint64_t growth) const;
  Result<std::vector<Shrunk>> FindDeletions(std::span<const DocumentId> documents, CommitNumber commit) const;
  Status DeleteRows(const SegmentView& segment, DocumentRows rows, Shrunk& shrunk) const;
  Status WriteDeletions(std::span<const Shrunk> shrunk);
  Status WriteFiles(const FileChanges& changes, CommitNumber commit, int64_t now_ms);
  void RemoveFiles(std::span<const SegmentRecord> gone) const;

  bool TailIsHalfFull() const;
  static void SplitBySize(const MergePlan& together, uint64_t rows_max, std::vector<MergePlan>& merges);
  uint64_t CompactedRowsMax() const;  // Where Compact ends a new segment.
  std::vector<MergePlan> PlanMerges(MergeEffort effort) const;
  Status MergeAll(const Context& context, MergeEffort effort);
  // Waits until no merge is under way, and keeps others from beginning until EndMerges.
  Status BeginMerges(const Context& context, Lock& lock);
  void EndMerges();
  // Gives the lock back while it copies, so that commits go on. `pacer` may be null.
  Status Merge(const Context& context, Lock& lock, const MergePlan& sources, Pacer* pacer);
  Result<Merged> WriteMerged(const Context& context, int64_t id, size_t dimension, const std::vector<FieldSpec>& fields,
                             const MergePlan& sources, Pacer* pacer,
                             const VectorReplacement* replacement = nullptr) const;
  std::vector<MergePlan> PlanAll() const;
  Status AddLateDeletions(const MergePlan& sources, Merged& merged, Deletions& deletions) const;
  Status SwapIn(const MergePlan& sources, Merged& merged);
  void WakeBackground();
  void RunBackground(const std::stop_token& stop);

  const std::shared_ptr<const ViewSource> source_;
  const EmbeddedLimits limits_;
  WriterLock lock_;  // Before the catalog, so that it is given back after the catalog is closed.

  std::mutex mutex_;
  std::condition_variable_any changed_;  // Of the two flags below.
  bool merging_ = false;                 // Guarded by mutex_.
  bool background_wanted_ = false;       // Guarded by mutex_.
  std::atomic<bool> hurry_ = false;      // Somebody waits for the merge in the background.
  std::unique_ptr<Catalog> catalog_;     // Guarded by mutex_.
  std::shared_ptr<const View> view_;     // Of the last Refresh. Guarded by mutex_.
  int64_t next_segment_id_ =
      0;                     // Above every id that this writer took, also for commits that failed. Guarded by mutex_.
  std::jthread background_;  // Begun when it is first needed. Last: it ends before what it uses.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_WRITER_H_
