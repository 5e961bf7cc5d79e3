// SPDX-License-Identifier: Apache-2.0
//
// Merging: segments of the tail, small ones and those with many deleted rows are written anew as one file each, and
// swapped for their sources in one transaction. Node ids stay, so that no result changes. Copying holds no lock: what a
// commit deletes meanwhile is deleted from the copy in the transaction that brings it in.
#include <sys/resource.h>

#include <algorithm>
#include <set>

#include "store/embedded/writer.h"

namespace ragtime {
namespace {

// Of the thread in the background: a third of the weight of a thread that somebody waits for. With more the thread
// would starve on a busy machine, and commits with it in the end.
constexpr int kNice = 5;
// How often a wait looks whether its caller has given up.
constexpr std::chrono::milliseconds kCheckInterval{10};

// What the segment holds for a document, of the fields that are still declared with the same type.
Result<Fields> FieldsOf(const Segment& segment, DocumentId document, std::span<const FieldSpec> declared) {
  Fields fields;
  RAGTIME_ASSIGN_OR_RETURN(const FieldColumns* columns, segment.fields());
  if (columns == nullptr) return fields;
  const uint32_t item = segment.FindDocumentIndex(document);
  for (const FieldSpec& spec : declared) {
    RAGTIME_ASSIGN_OR_RETURN(FieldValue value, columns->Value(spec.name, item));
    if (std::holds_alternative<std::monostate>(value) || !HasType(value, spec.type)) continue;
    fields.emplace(spec.name, std::move(value));
  }
  return fields;
}

}  // namespace

bool Writer::TailIsHalfFull() const {
  uint64_t rows = 0;
  uint64_t size_bytes = 0;
  size_t count = 0;
  for (const SegmentView& segment : view_->segments) {
    if (!segment.record.in_tail) continue;
    rows += segment.record.rows;
    size_bytes += segment.record.size_bytes;
    ++count;
  }
  return rows * 2 > limits_.tail_nodes_max || size_bytes * 2 > limits_.tail_size_bytes_max ||
         count * 2 > limits_.tail_segments_max;
}

// Into plans that each end at rows_max.
void Writer::SplitBySize(const MergePlan& together, uint64_t rows_max, std::vector<MergePlan>& merges) {
  uint64_t rows = rows_max;
  for (const SegmentView* segment : together) {
    if (rows >= rows_max) {
      merges.emplace_back();
      rows = 0;
    }
    merges.back().push_back(segment);
    rows += segment->live_rows();
  }
}

uint64_t Writer::CompactedRowsMax() const {
  uint64_t row_bytes = view_->dimension.value_or(0) * sizeof(float);
  for (const auto& [key, dimension] : view_->named) row_bytes += dimension * sizeof(float);
  if (row_bytes == 0) return limits_.merged_rows_max;
  return std::max<uint64_t>(limits_.merged_rows_max, limits_.compacted_vectors_bytes_max / row_bytes);
}

std::vector<Writer::MergePlan> Writer::PlanMerges(MergeEffort effort) const {
  const bool compact = effort == MergeEffort::kCompact;
  const bool take_tail = effort != MergeEffort::kBackground || TailIsHalfFull();
  MergePlan together;  // Tail first, then small ones.
  MergePlan small;
  MergePlan middling;
  std::vector<MergePlan> merges;
  const auto worn = [&](const SegmentView& segment) {
    if (segment.segment->outdated()) return true;
    if (compact) return segment.record.deleted_rows > 0 || segment.segment->has_other_vector_index();
    return static_cast<double>(segment.record.deleted_rows) >
           limits_.deleted_share_max * static_cast<double>(segment.record.rows);
  };
  const uint64_t rows_max = compact ? CompactedRowsMax() : limits_.merged_rows_max;
  const uint64_t small_rows = compact ? rows_max / 2 : limits_.small_segment_rows;
  for (const SegmentView& segment : view_->segments) {
    if (segment.record.in_tail) {
      if (take_tail) together.push_back(&segment);
    } else if (segment.live_rows() < small_rows) {
      small.push_back(&segment);
    } else if (!compact && segment.live_rows() < limits_.merged_rows_max) {
      middling.push_back(&segment);
    } else if (worn(segment)) {
      merges.push_back({&segment});
    }
  }
  // In the background the tail goes first and alone: room in it is what commits wait for.
  if (effort == MergeEffort::kBackground && !together.empty()) return {together};
  // Each size has its own count, so that a row is written again only when it moves up to the next size.
  const auto add = [&](MergePlan& to, const MergePlan& from) {
    const bool all = compact || from.size() + (to.empty() ? 0 : 1) > limits_.small_segments_max;
    for (const SegmentView* segment : from) {
      if (all || worn(*segment)) to.push_back(segment);
    }
  };
  add(together, small);
  SplitBySize(together, rows_max, merges);
  MergePlan next;
  add(next, middling);
  SplitBySize(next, rows_max, merges);
  // One that would only be copied stays.
  std::erase_if(merges, [compact](const MergePlan& plan) {
    return plan.size() == 1 && !plan[0]->record.in_tail && plan[0]->record.deleted_rows == 0 &&
           !plan[0]->segment->outdated() && !(compact && plan[0]->segment->has_other_vector_index());
  });
  return merges;
}

Status Writer::BeginMerges(const Context& context, Lock& lock) {
  hurry_ = true;
  Status status;
  while (merging_ && status.ok()) {
    changed_.wait_for(lock, kCheckInterval);
    status = context.Check();
  }
  hurry_ = false;
  if (status.ok()) merging_ = true;
  return status;
}

void Writer::EndMerges() {
  merging_ = false;
  changed_.notify_all();
}

Status Writer::MergeAll(const Context& context, MergeEffort effort) {
  Lock lock(mutex_);
  RAGTIME_RETURN_IF_ERROR(BeginMerges(context, lock));
  const Status status = [&]() -> Status {
    RAGTIME_RETURN_IF_ERROR(Refresh());
    const std::shared_ptr<const View> view = view_;  // What the plan points into.
    for (const MergePlan& sources : PlanMerges(effort)) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      RAGTIME_RETURN_IF_ERROR(Merge(context, lock, sources, nullptr));
    }
    return Status();
  }();
  EndMerges();
  return status;
}

Status Writer::Compact(const Context& context) {
  RAGTIME_RETURN_IF_ERROR(MergeAll(context, MergeEffort::kCompact));
  const Lock lock(mutex_);
  RAGTIME_RETURN_IF_ERROR(catalog_->Shrink());
  return catalog_->Checkpoint();
}

Status Writer::Merge(const Context& context, Lock& lock, const MergePlan& sources, Pacer* pacer) {
  const int64_t id = TakeSegmentId();
  const size_t dimension = view_->dimension.value_or(0);
  const std::vector<FieldSpec> fields = view_->fields;
  lock.unlock();
  Result<Merged> merged = WriteMerged(context, id, dimension, fields, sources, pacer);
  lock.lock();
  if (!merged.ok()) return merged.status();
  return SwapIn(sources, *merged);
}

Result<Writer::Merged> Writer::WriteMerged(const Context& context, int64_t id, size_t dimension,
                                           const std::vector<FieldSpec>& fields, const MergePlan& sources, Pacer* pacer,
                                           const VectorReplacement* replacement) const {
  struct Row {
    NodeId id = 0;
    size_t source = 0;
    uint32_t row = 0;
  };
  std::vector<Row> rows;
  for (size_t i = 0; i < sources.size(); ++i) {
    const RowBitmap deleted = sources[i]->excluded();
    for (uint32_t row = 0; row < sources[i]->segment->rows(); ++row) {
      if (!deleted.Contains(row)) rows.push_back({sources[i]->segment->node_id(row), i, row});
    }
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.id < b.id; });

  Merged merged;
  SegmentBuilder builder(static_cast<uint64_t>(id), dimension, source_->metric, source_->indexes, fields);
  std::vector<TextBlockCache> caches(sources.size());
  uint64_t copied_bytes = 0;
  DocumentId document = 0;
  for (const Row& row : rows) {
    if (builder.rows() % 64 == 0) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      if (pacer != nullptr) RAGTIME_RETURN_IF_ERROR(pacer->Add(std::exchange(copied_bytes, 0)));
    }
    const Segment& segment = *sources[row.source]->segment;
    RAGTIME_ASSIGN_OR_RETURN(const Node node, segment.ReadNode(row.row, caches[row.source]));
    const std::map<std::string, std::vector<float>> named = segment.named_vectors(row.row);
    if (replacement == nullptr) {
      RAGTIME_RETURN_IF_ERROR(builder.Add(node, segment.vector(row.row), named));
    } else {
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vector, replacement->vector(node));
      if (vector.size() != dimension) return InternalError("a new vector has another dimension than the others");
      RAGTIME_RETURN_IF_ERROR(builder.Add(node, vector, named));
    }
    if (node.document_id != document) {
      document = node.document_id;
      RAGTIME_ASSIGN_OR_RETURN(Fields values, FieldsOf(segment, document, fields));
      builder.SetFields(std::move(values));
    }
    copied_bytes += node.text.size() + segment.vector(row.row).size_bytes();
    for (const auto& [key, vector] : named) copied_bytes += vector.size() * sizeof(float);
    merged.node_ids.push_back(row.id);
  }
  if (builder.rows() == 0) return merged;
  merged.record = SegmentRecord{.id = id,
                                .rows = builder.rows(),
                                .first_node = builder.first_node(),
                                .last_node = builder.last_node(),
                                .tokens = builder.tokens()};
  RAGTIME_ASSIGN_OR_RETURN(const SegmentParts parts, builder.Finish(context));
  merged.record->size_bytes = parts.size_bytes(kFileAlignment);
  WriteProgress progress;
  if (pacer != nullptr) progress = [pacer](uint64_t bytes) { return pacer->Add(bytes); };
  RAGTIME_RETURN_IF_ERROR(source_->folder.WriteSegment(id, parts, progress));
  return merged;
}

// Rows that were live when they were copied and are no more.
Status Writer::AddLateDeletions(const MergePlan& sources, Merged& merged, Deletions& deletions) const {
  for (const SegmentView* source : sources) {
    const SegmentView* now = view_->FindSegment(source->record.id);
    if (now != nullptr && now->record.deletions_commit == source->record.deletions_commit) continue;
    RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, source->segment->keyword_index());
    for (uint32_t row = 0; row < source->segment->rows(); ++row) {
      // A segment whose last row is deleted goes at once.
      const bool live = now != nullptr && !now->excluded().Contains(row);
      if (live || source->excluded().Contains(row)) continue;
      const auto found =
          std::lower_bound(merged.node_ids.begin(), merged.node_ids.end(), source->segment->node_id(row));
      deletions.Add(static_cast<uint32_t>(found - merged.node_ids.begin()));
      RAGTIME_ASSIGN_OR_RETURN(const uint32_t length, index->Length(row));
      merged.record->deleted_tokens += length;
    }
  }
  merged.record->deleted_rows = deletions.count();
  if (deletions.count() > 0) merged.record->deletions_commit = view_->state.commit_number;
  return Status();
}

Status Writer::SwapIn(const MergePlan& sources, Merged& merged) {
  RAGTIME_RETURN_IF_ERROR(Refresh());
  Deletions deletions(merged.record ? static_cast<uint32_t>(merged.record->rows) : 0);
  if (merged.record) RAGTIME_RETURN_IF_ERROR(AddLateDeletions(sources, merged, deletions));
  std::vector<SegmentRecord> gone;
  RAGTIME_ASSIGN_OR_RETURN(auto transaction, catalog_->BeginWrite());
  RAGTIME_ASSIGN_OR_RETURN(CatalogState state, catalog_->ReadState());
  for (const SegmentView* source : sources) {
    RAGTIME_RETURN_IF_ERROR(catalog_->RemoveSegment(source->record.id));
    gone.push_back(source->record);
  }
  std::vector<std::byte> bitmap;  // Bound, not copied: it must live until the statement has run.
  if (merged.record && deletions.count() == merged.record->rows) {
    gone.push_back(*merged.record);
  } else if (merged.record) {
    RAGTIME_RETURN_IF_ERROR(catalog_->PutSegment(*merged.record));
    if (deletions.count() > 0) {
      RAGTIME_ASSIGN_OR_RETURN(bitmap, deletions.Serialize());
      RAGTIME_RETURN_IF_ERROR(catalog_->PutDeletions(merged.record->id, bitmap));
    }
  }
  state.next_segment_id = next_segment_id_;
  RAGTIME_RETURN_IF_ERROR(catalog_->WriteState(state));
  RAGTIME_RETURN_IF_ERROR(transaction.Commit());
  RemoveFiles(gone);
  return Status();
}

// After a commit. What PlanMerges finds is asked by the thread itself, so that the commit need not wait for it.
void Writer::WakeBackground() {
  background_wanted_ = true;
  if (!background_.joinable()) background_ = std::jthread([this](const std::stop_token& stop) { RunBackground(stop); });
  changed_.notify_all();
}

void Writer::RunBackground(const std::stop_token& stop) {
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // Of this thread alone, on Linux.
  const Context context{.stop = stop};
  Lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return background_wanted_ && !merging_; })) {
    background_wanted_ = false;
    if (!Refresh().ok()) continue;
    const std::shared_ptr<const View> view = view_;  // What the plan points into.
    const std::vector<MergePlan> plans = PlanMerges(MergeEffort::kBackground);
    if (plans.empty()) continue;
    merging_ = true;
    Pacer pacer(limits_.background_bytes_per_s, stop, hurry_);
    // The view may have changed when one is done, and so the rest is planned anew. After an error the next commit is
    // waited for.
    if (Merge(context, lock, plans.front(), &pacer).ok()) background_wanted_ = true;
    EndMerges();
  }
}

}  // namespace ragtime
