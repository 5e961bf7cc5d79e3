// SPDX-License-Identifier: Apache-2.0
//
// Sealing: segments of the tail, small ones and those with many deleted rows are written anew as one file each, and
// swapped for their sources in one transaction. Node ids stay, so that no result changes.
#include <algorithm>
#include <tuple>

#include "store/embedded/writer.h"

namespace ragtime {

std::vector<std::vector<const SegmentView*>> Writer::PlanMerges() const {
  std::vector<const SegmentView*> together;  // Tail first, then small ones.
  std::vector<const SegmentView*> small;
  std::vector<std::vector<const SegmentView*>> merges;
  const auto many_deleted = [this](const SegmentView& segment) {
    return static_cast<double>(segment.record.deleted_rows) >
           limits_.deleted_share_max * static_cast<double>(segment.record.rows);
  };
  for (const SegmentView& segment : view_->segments) {
    if (segment.record.in_tail) {
      together.push_back(&segment);
    } else if (segment.record.rows < limits_.small_segment_rows) {
      small.push_back(&segment);
    } else if (many_deleted(segment)) {
      merges.push_back({&segment});
    }
  }
  const bool merge_all = small.size() + (together.empty() ? 0 : 1) > limits_.small_segments_max;
  for (const SegmentView* segment : small) {
    if (merge_all || many_deleted(*segment)) together.push_back(segment);
  }
  uint64_t rows = limits_.merged_rows_max;
  for (const SegmentView* segment : together) {
    if (rows >= limits_.merged_rows_max) {
      merges.emplace_back();
      rows = 0;
    }
    merges.back().push_back(segment);
    rows += segment->live_rows();
  }
  return merges;
}

Status Writer::Seal(const Context& context) {
  RAGTIME_RETURN_IF_ERROR(Refresh());
  const std::shared_ptr<const View> view = view_;  // What the plan points into.
  for (const auto& sources : PlanMerges()) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_RETURN_IF_ERROR(Merge(context, sources));
  }
  return Status();
}

Status Writer::Merge(const Context& context, std::span<const SegmentView* const> sources) {
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

  const int64_t id = TakeSegmentId();
  SegmentBuilder builder(static_cast<uint64_t>(id), view_->dimension.value_or(0), source_->metric, source_->indexes);
  std::vector<TextBlockCache> caches(sources.size());
  for (const Row& row : rows) {
    if (builder.rows() % 1024 == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
    const Segment& segment = *sources[row.source]->segment;
    RAGTIME_ASSIGN_OR_RETURN(const Node node, segment.ReadNode(row.row, caches[row.source]));
    RAGTIME_RETURN_IF_ERROR(builder.Add(node, segment.vector(row.row)));
  }
  std::optional<SegmentRecord> merged;
  if (builder.rows() > 0) {
    merged = SegmentRecord{.id = id,
                           .rows = builder.rows(),
                           .first_node = builder.first_node(),
                           .last_node = builder.last_node(),
                           .tokens = builder.tokens()};
    RAGTIME_ASSIGN_OR_RETURN(const SegmentParts parts, builder.Finish(context));
    merged->size_bytes = parts.size_bytes(kFileAlignment);
    RAGTIME_RETURN_IF_ERROR(source_->folder.WriteSegment(id, parts));
  }

  RAGTIME_ASSIGN_OR_RETURN(auto transaction, catalog_->BeginWrite());
  RAGTIME_ASSIGN_OR_RETURN(CatalogState state, catalog_->ReadState());
  std::vector<SegmentRecord> gone;
  for (const SegmentView* source : sources) {
    RAGTIME_RETURN_IF_ERROR(catalog_->RemoveSegment(source->record.id));
    gone.push_back(source->record);
  }
  if (merged) RAGTIME_RETURN_IF_ERROR(catalog_->PutSegment(*merged));
  state.next_segment_id = next_segment_id_;
  RAGTIME_RETURN_IF_ERROR(catalog_->WriteState(state));
  RAGTIME_RETURN_IF_ERROR(transaction.Commit());
  RemoveFiles(gone);
  return Status();
}

}  // namespace ragtime
