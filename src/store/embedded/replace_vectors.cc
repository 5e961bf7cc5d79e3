// SPDX-License-Identifier: Apache-2.0
//
// Exchanging the vectors of all nodes, for another model: every segment is written anew as a merge would, with vectors
// that the caller gives, and one transaction swaps all of them with what is recorded of the model. A crash before it
// leaves files that nobody names.
#include "base/str_cat.h"
#include "store/batch_check.h"
#include "store/embedded/writer.h"

namespace ragtime {

std::vector<Writer::MergePlan> Writer::PlanAll() const {
  std::vector<MergePlan> plans;
  uint64_t rows = limits_.merged_rows_max;
  for (const SegmentView& segment : view_->segments) {
    if (rows >= limits_.merged_rows_max) {
      plans.emplace_back();
      rows = 0;
    }
    plans.back().push_back(&segment);
    rows += segment.live_rows();
  }
  return plans;
}

Status Writer::ReplaceVectors(const Context& context, const VectorReplacement& replacement) {
  Lock lock(mutex_);
  RAGTIME_RETURN_IF_ERROR(BeginMerges(context, lock));
  const Status status = [&]() -> Status {
    RAGTIME_RETURN_IF_ERROR(Refresh());
    const std::shared_ptr<const View> view = view_;  // What the plans point into.
    std::vector<Merged> all;
    for (const MergePlan& sources : PlanAll()) {
      RAGTIME_ASSIGN_OR_RETURN(Merged merged, WriteMerged(context, TakeSegmentId(), replacement.dimension, view->fields,
                                                          sources, nullptr, &replacement));
      all.push_back(std::move(merged));
    }
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(auto transaction, catalog_->BeginWrite());
    RAGTIME_ASSIGN_OR_RETURN(CatalogState state, catalog_->ReadState());
    std::vector<SegmentRecord> gone;
    for (const SegmentView& segment : view->segments) {
      RAGTIME_RETURN_IF_ERROR(catalog_->RemoveSegment(segment.record.id));
      gone.push_back(segment.record);
    }
    for (const Merged& merged : all) {
      if (merged.record) RAGTIME_RETURN_IF_ERROR(catalog_->PutSegment(*merged.record));
    }
    for (const auto& [key, value] : replacement.settings) {
      if (IsReservedSetting(key)) return InvalidArgumentError(StrCat("the setting ", key, " is the store's own"));
      RAGTIME_RETURN_IF_ERROR(catalog_->PutSetting(key, value));
    }
    RAGTIME_RETURN_IF_ERROR(catalog_->PutSetting("dimension", StrCat(replacement.dimension)));
    ++state.generation;
    ++state.commit_number;
    state.next_segment_id = next_segment_id_;
    RAGTIME_RETURN_IF_ERROR(catalog_->WriteState(state));
    RAGTIME_RETURN_IF_ERROR(transaction.Commit());
    RemoveFiles(gone);
    return Status();
  }();
  EndMerges();
  return status;
}

}  // namespace ragtime
