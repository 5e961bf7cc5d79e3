// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/writer.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/str_cat.h"
#include "base/unix_time.h"
#include "store/batch_check.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

// While a merge is under way the tail may grow so far beyond its limits before a commit waits for it. Without, one
// commit in a hundred took 230 to 660 ms (bench/store_merge.cc, on a machine with twice as much to do as it has cores).
constexpr uint64_t kTailGrowthMax = 4;

// How long a snapshot may be kept and still read the files of its commit.
constexpr int64_t kHistoryMs = int64_t{60} * 60 * 1000;

class CatalogRows : public FileRows {
 public:
  explicit CatalogRows(Catalog& catalog) : catalog_(catalog) {}
  Result<std::optional<FileRecord>> Find(DocumentId id) const override { return catalog_.FindFile(id); }
  Result<std::optional<FileRecord>> Find(std::string_view path) const override { return catalog_.FindFile(path); }
  Result<uint64_t> CountChildren(DocumentId folder) const override { return catalog_.CountChildren(folder); }
  Result<std::vector<DocumentId>> Children(DocumentId folder) const override { return catalog_.Children(folder); }

 private:
  Catalog& catalog_;
};

}  // namespace

Result<std::unique_ptr<Writer>> Writer::Begin(std::shared_ptr<const ViewSource> source, const EmbeddedLimits& limits,
                                              int64_t timeout_ms) {
  RAGTIME_ASSIGN_OR_RETURN(WriterLock lock, WriterLock::Take(source->folder.lock(), timeout_ms));
  std::unique_ptr<Writer> writer(new Writer(std::move(source), limits, std::move(lock)));
  RAGTIME_ASSIGN_OR_RETURN(writer->catalog_, Catalog::Open(writer->source_->folder.catalog(), Access::kWrite));
  RAGTIME_RETURN_IF_ERROR(writer->SweepAndTrim());
  return writer;
}

Writer::~Writer() {
  background_.request_stop();
  if (background_.joinable()) background_.join();
  if (catalog_ == nullptr) return;
  // The tail's pages go back, and an empty log lets the next reader open without replaying it. Where a reader stands in
  // the way or the disk is full, the next writer does it.
  (void)catalog_->Shrink();
  (void)catalog_->Checkpoint();
}

Status Writer::SweepAndTrim() {
  RAGTIME_ASSIGN_OR_RETURN(auto transaction, catalog_->BeginWrite());
  RAGTIME_ASSIGN_OR_RETURN(CatalogState state, catalog_->ReadState());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<SegmentRecord> records, catalog_->ReadSegments());
  std::set<int64_t> known;
  for (const SegmentRecord& record : records) {
    if (!record.in_tail) known.insert(record.id);
  }
  RAGTIME_RETURN_IF_ERROR(source_->folder.Sweep(known));
  RAGTIME_ASSIGN_OR_RETURN(const CommitNumber start,
                           catalog_->TrimHistory(UnixTimeMs() - kHistoryMs, state.history_start));
  if (start == state.history_start) return Status();  // The transaction ends without having written.
  state.history_start = start;
  RAGTIME_RETURN_IF_ERROR(catalog_->WriteState(state));
  return transaction.Commit();
}

Status Writer::Refresh() {
  RAGTIME_ASSIGN_OR_RETURN(view_, LoadView(*catalog_, *source_, view_.get()));
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  next_segment_id_ = std::max(next_segment_id_, view_->state.next_segment_id);
  return Status();
}

// An id is not given out again after a commit that failed: if the log was written and only its fsync failed, a crash
// may bring that commit back, and its file must still be the one that it names.
int64_t Writer::TakeSegmentId() { return next_segment_id_++; }

Result<CommitResult> Writer::Commit(const Context& context, WriteBatch& batch) {
  Lock lock(mutex_);
  RAGTIME_RETURN_IF_ERROR(Refresh());
  NamedDimensions named = view_->named;
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<size_t> dimension,
                           CheckBatch(batch, source_->metric, view_->dimension, view_->fields, named));
  const int64_t now_ms = UnixTimeMs();
  RAGTIME_ASSIGN_OR_RETURN(const FileChanges changes,
                           PlanFiles(CatalogRows(*catalog_), batch, view_->state.next_document_id, now_ms));
  RAGTIME_ASSIGN_OR_RETURN(std::optional<NewSegment> segment,
                           BuildSegment(context, batch, changes, dimension.value_or(0)));
  if (segment) RAGTIME_RETURN_IF_ERROR(PlaceSegment(context, lock, *segment));

  CatalogState state = view_->state;
  ++state.commit_number;
  if (changes.changes_results || (batch.fields && *batch.fields != view_->fields)) ++state.generation;
  state.next_document_id = changes.next_document_id;
  if (segment) state.next_node_id = segment->record.last_node + 1;
  state.next_segment_id = next_segment_id_;
  state.files = static_cast<uint64_t>(static_cast<int64_t>(state.files) + changes.files_added);
  state.folders = static_cast<uint64_t>(static_cast<int64_t>(state.folders) + changes.folders_added);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Shrunk> shrunk, FindDeletions(changes.cleared, state.commit_number));
  RAGTIME_RETURN_IF_ERROR(context.Check());

  RAGTIME_ASSIGN_OR_RETURN(auto transaction, catalog_->BeginWrite());
  RAGTIME_RETURN_IF_ERROR(WriteFiles(changes, state.commit_number, now_ms));
  RAGTIME_RETURN_IF_ERROR(WriteDeletions(shrunk));
  std::vector<std::byte> image;  // Bound, not copied: it must live until the statement has run.
  if (segment) {
    RAGTIME_RETURN_IF_ERROR(catalog_->PutSegment(segment->record));
    if (segment->record.in_tail) {
      image = segment->parts.ToImage();
      RAGTIME_RETURN_IF_ERROR(catalog_->PutTailImage(segment->record.id, image));
    }
  }
  if (batch.fields) RAGTIME_RETURN_IF_ERROR(catalog_->PutSetting(kFieldsSetting, EncodeFieldSpecs(*batch.fields)));
  for (const auto& [key, value] : batch.settings) RAGTIME_RETURN_IF_ERROR(catalog_->PutSetting(key, value));
  if (dimension != view_->dimension) RAGTIME_RETURN_IF_ERROR(catalog_->PutSetting("dimension", StrCat(*dimension)));
  if (named != view_->named) {
    RAGTIME_RETURN_IF_ERROR(catalog_->PutSetting(kNamedDimensionsSetting, EncodeDimensions(named)));
  }
  RAGTIME_RETURN_IF_ERROR(catalog_->WriteState(state));
  RAGTIME_RETURN_IF_ERROR(transaction.Commit());

  std::vector<SegmentRecord> gone;
  for (const Shrunk& one : shrunk) {
    if (one.record.deleted_rows == one.record.rows) gone.push_back(one.record);
  }
  RemoveFiles(gone);
  const bool sealed = segment && !segment->record.in_tail;
  // Of the view before this commit: one commit late for the tail, and no further read of the manifest.
  if (limits_.background && (sealed || !shrunk.empty() || !PlanMerges(MergeEffort::kBackground).empty())) {
    WakeBackground();
  }
  return CommitResult{.generation = state.generation, .document_ids = changes.document_ids};
}

Result<std::optional<Writer::NewSegment>> Writer::BuildSegment(const Context& context, WriteBatch& batch,
                                                               const FileChanges& changes, size_t dimension) {
  std::optional<NewSegment> segment;
  const int64_t id = TakeSegmentId();
  SegmentBuilder builder(static_cast<uint64_t>(id), dimension, source_->metric, source_->indexes,
                         batch.fields.value_or(view_->fields));
  NodeId next_node_id = view_->state.next_node_id;
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    for (NewNode& node : batch.documents[i].nodes) {
      node.node.id = next_node_id++;
      node.node.document_id = changes.document_ids[i];
      RAGTIME_RETURN_IF_ERROR(builder.Add(node.node, node.vector, node.named));
    }
    if (!batch.documents[i].nodes.empty()) builder.SetFields(batch.documents[i].file.fields);
  }
  if (builder.rows() == 0) return segment;
  SegmentRecord record{.id = id,
                       .rows = builder.rows(),
                       .first_node = builder.first_node(),
                       .last_node = builder.last_node(),
                       .tokens = builder.tokens()};
  RAGTIME_ASSIGN_OR_RETURN(SegmentParts parts, builder.Finish(context));
  segment = NewSegment{.record = record, .parts = std::move(parts)};
  return segment;
}

bool Writer::FitsTail(const SegmentRecord& record, uint64_t growth) const {
  uint64_t rows = record.rows;
  uint64_t size_bytes = record.size_bytes;
  size_t count = 1;
  for (const SegmentView& segment : view_->segments) {
    if (!segment.record.in_tail) continue;
    rows += segment.record.rows;
    size_bytes += segment.record.size_bytes;
    ++count;
  }
  return rows <= growth * limits_.tail_nodes_max && size_bytes <= growth * limits_.tail_size_bytes_max &&
         count <= growth * limits_.tail_segments_max;
}

// Decides between tail and file. A file is on disk, whole, before the transaction that names it.
Status Writer::PlaceSegment(const Context& context, Lock& lock, NewSegment& segment) {
  SegmentRecord& record = segment.record;
  record.size_bytes = segment.parts.size_bytes(kImageAlignment);
  record.in_tail = record.rows <= limits_.tail_nodes_max && record.size_bytes <= limits_.tail_size_bytes_max;
  if (!record.in_tail) {
    record.size_bytes = segment.parts.size_bytes(kFileAlignment);
    return source_->folder.WriteSegment(record.id, segment.parts);
  }
  if (FitsTail(record, merging_ || background_wanted_ ? kTailGrowthMax : 1)) return Status();
  // The merge in the background is far behind, or has failed: then its error shows here.
  RAGTIME_RETURN_IF_ERROR(BeginMerges(context, lock));
  Status sealed = Refresh();
  if (sealed.ok() && !FitsTail(record, 1)) {
    const std::shared_ptr<const View> view = view_;  // What the plan points into.
    for (const MergePlan& sources : PlanMerges(MergeEffort::kSeal)) {
      if (sealed.ok()) sealed = Merge(context, lock, sources, nullptr);
    }
  }
  EndMerges();
  RAGTIME_RETURN_IF_ERROR(sealed);
  return Refresh();
}

Result<std::vector<Writer::Shrunk>> Writer::FindDeletions(std::span<const DocumentId> documents,
                                                          CommitNumber commit) const {
  std::vector<Shrunk> all;
  if (documents.empty()) return all;
  for (const SegmentView& segment : view_->segments) {
    std::optional<Shrunk> shrunk;
    for (const DocumentId document : documents) {
      RAGTIME_ASSIGN_OR_RETURN(const DocumentRows rows, segment.segment->FindDocument(document));
      if (rows.row_count == 0) continue;
      if (!shrunk) {
        shrunk = Shrunk{.record = segment.record,
                        .deletions = segment.deletions ? *segment.deletions : Deletions(segment.segment->rows())};
      }
      RAGTIME_RETURN_IF_ERROR(DeleteRows(segment, rows, *shrunk));
    }
    if (!shrunk || shrunk->record.deleted_rows == segment.record.deleted_rows) continue;
    shrunk->record.deletions_commit = commit;
    all.push_back(*std::move(shrunk));
  }
  return all;
}

Status Writer::DeleteRows(const SegmentView& segment, DocumentRows rows, Shrunk& shrunk) const {
  RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, segment.segment->keyword_index());
  for (uint32_t row = rows.first_row; row < rows.first_row + rows.row_count; ++row) {
    if (!shrunk.deletions.Add(row)) continue;
    RAGTIME_ASSIGN_OR_RETURN(const uint32_t length, index->Length(row));
    ++shrunk.record.deleted_rows;
    shrunk.record.deleted_tokens += length;
  }
  return Status();
}

Status Writer::WriteDeletions(std::span<const Shrunk> shrunk) {
  for (const Shrunk& one : shrunk) {
    if (one.record.deleted_rows == one.record.rows) {
      RAGTIME_RETURN_IF_ERROR(catalog_->RemoveSegment(one.record.id));
      continue;
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::byte> bitmap, one.deletions.Serialize());
    RAGTIME_RETURN_IF_ERROR(catalog_->PutSegment(one.record));
    RAGTIME_RETURN_IF_ERROR(catalog_->PutDeletions(one.record.id, bitmap));
  }
  return Status();
}

Status Writer::WriteFiles(const FileChanges& changes, CommitNumber commit, int64_t now_ms) {
  for (const DocumentId id : changes.removed) RAGTIME_RETURN_IF_ERROR(catalog_->RemoveFile(id, commit, now_ms));
  for (const FileRecord& file : changes.put) RAGTIME_RETURN_IF_ERROR(catalog_->PutFile(file, commit));
  return Status();
}

// After the transaction that no longer names them; what cannot be removed now is swept by the next writer.
void Writer::RemoveFiles(std::span<const SegmentRecord> gone) const {
  for (const SegmentRecord& record : gone) {
    if (!record.in_tail) (void)source_->folder.RemoveSegment(record.id);
  }
}

}  // namespace ragtime
