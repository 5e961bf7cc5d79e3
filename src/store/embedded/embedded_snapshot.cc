// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/embedded_snapshot.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <system_error>
#include <tuple>

#include "base/str_cat.h"
#include "store/batch_check.h"
#include "store/hits.h"
#include "store/query_terms.h"

namespace ragtime {
namespace {

// What a search leaves out of one segment: deleted rows, and with a group those of other groups.
class Excluded {
 public:
  static Result<Excluded> Of(const SegmentView& segment, const std::string& group) {
    Excluded excluded;
    excluded.bitmap_ = segment.excluded();
    if (group.empty()) return excluded;
    RAGTIME_ASSIGN_OR_RETURN(const std::span<const uint64_t> outside, segment.segment->RowsOutside(group));
    if (outside.empty()) return excluded;
    if (segment.deletions == nullptr) {
      excluded.bitmap_ = {outside};
      return excluded;
    }
    const std::span<const uint64_t> deleted = segment.deletions->words();
    excluded.words_.resize(outside.size());
    for (size_t i = 0; i < outside.size(); ++i) excluded.words_[i] = outside[i] | deleted[i];
    excluded.bitmap_ = {excluded.words_};
    return excluded;
  }
  RowBitmap bitmap() const { return bitmap_; }

 private:
  std::vector<uint64_t> words_;  // Moving keeps the elements where they are, and so bitmap_ valid.
  RowBitmap bitmap_;
};

Status AddHits(const SegmentView& segment, std::span<const RowHit> found, std::vector<Hit>& hits) {
  for (const RowHit& hit : found) {
    // Bodies are not checked at open. What shows here must not reach a comparison, where NaN is undefined behaviour.
    if (hit.row >= segment.segment->rows() || std::isnan(hit.score)) {
      return DataLossError(StrCat("an index of the segment ", segment.segment->name(), " is damaged"),
                           "restore the knowledge base from a copy, or ingest the documents into a new one");
    }
    hits.push_back({.node_id = segment.segment->node_id(hit.row), .score = hit.score});
  }
  return Status();
}

}  // namespace

Result<StoreStatistics> EmbeddedSnapshot::Statistics() const {
  StoreStatistics statistics;
  statistics.files = view_->state.files;
  statistics.folders = view_->state.folders;
  statistics.nodes = view_->live_rows();
  for (const SegmentView& segment : view_->segments) {
    statistics.deleted_nodes += segment.record.deleted_rows;
    if (segment.record.in_tail) {
      statistics.tail_nodes += segment.live_rows();
    } else {
      ++statistics.segments;
      statistics.size_bytes += segment.record.size_bytes;
    }
  }
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(source_->folder.catalog().string() + suffix, error);
    if (!error) statistics.size_bytes += size;
  }
  return statistics;
}

Result<std::vector<FileRecord>> EmbeddedSnapshot::Files() const {
  const std::lock_guard lock(reader_->mutex);
  return reader_->catalog->ReadFiles(view_->state.commit_number);
}

Result<std::optional<FileRecord>> EmbeddedSnapshot::FindFile(DocumentId id) const {
  const std::lock_guard lock(reader_->mutex);
  return reader_->catalog->FindFile(id, view_->state.commit_number);
}

Result<std::optional<FileRecord>> EmbeddedSnapshot::FindFile(std::string_view file_path) const {
  const std::lock_guard lock(reader_->mutex);
  return reader_->catalog->FindFile(file_path, view_->state.commit_number);
}

Result<std::vector<std::optional<Node>>> EmbeddedSnapshot::GetNodes(std::span<const NodeId> ids) const {
  struct Wanted {
    View::Place place;
    size_t index = 0;
  };
  std::vector<Wanted> wanted;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (const View::Place place = view_->FindNode(ids[i]); place.segment != nullptr) wanted.push_back({place, i});
  }
  // Rows that share a block of texts come one after the other, so that each block is decompressed once.
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    return std::tie(a.place.segment->record.id, a.place.row) < std::tie(b.place.segment->record.id, b.place.row);
  });
  std::vector<std::optional<Node>> nodes(ids.size());
  const SegmentView* segment = nullptr;
  TextBlockCache cache;
  for (const Wanted& one : wanted) {
    if (one.place.segment != segment) cache.block.reset();
    segment = one.place.segment;
    RAGTIME_ASSIGN_OR_RETURN(nodes[one.index], segment->segment->ReadNode(one.place.row, cache));
  }
  return nodes;
}

Result<std::vector<NewNode>> EmbeddedSnapshot::NodesOf(DocumentId id) const {
  std::vector<NewNode> nodes;
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_ASSIGN_OR_RETURN(const DocumentRows document, segment.segment->FindDocument(id));
    TextBlockCache cache;
    for (uint32_t i = 0; i < document.row_count; ++i) {
      const uint32_t row = document.first_row + i;
      if (segment.excluded().Contains(row)) continue;
      RAGTIME_ASSIGN_OR_RETURN(Node node, segment.segment->ReadNode(row, cache));
      const std::span<const float> vector = segment.segment->vector(row);
      nodes.push_back({.node = std::move(node), .vector = {vector.begin(), vector.end()}});
    }
  }
  return nodes;
}

Result<std::vector<Hit>> EmbeddedSnapshot::SearchVector(const Context& context, const VectorQuery& query) const {
  std::vector<Hit> hits;
  if (view_->dimension.value_or(0) == 0 || query.limit == 0) return hits;
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vector,
                           CheckQueryVector(query.vector, source_->metric, *view_->dimension));
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const VectorIndex* index, segment.segment->vector_index());
    RAGTIME_ASSIGN_OR_RETURN(const Excluded excluded, Excluded::Of(segment, query.group));
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RowHit> found,
                             index->Search(context, vector, query.limit, excluded.bitmap()));
    RAGTIME_RETURN_IF_ERROR(AddHits(segment, found, hits));
  }
  KeepBest(hits, query.limit);
  return hits;
}

// Sets the counts of the terms over all segments and drops those that no live node has.
Result<std::vector<WeightedTerm>> EmbeddedSnapshot::CountTerms(const Context& context,
                                                               std::vector<WeightedTerm> terms) const {
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, segment.segment->keyword_index());
    for (WeightedTerm& term : terms) {
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, index->CountRows(term.term, segment.excluded()));
      term.nodes += count;
    }
    RAGTIME_RETURN_IF_ERROR(context.Check());
  }
  std::erase_if(terms, [](const WeightedTerm& term) { return term.nodes == 0; });
  return terms;
}

Result<std::vector<Hit>> EmbeddedSnapshot::SearchKeyword(const Context& context, const KeywordQuery& query) const {
  std::vector<Hit> hits;
  RAGTIME_ASSIGN_OR_RETURN(std::vector<WeightedTerm> terms, CountTerms(context, QueryTerms(query.text)));
  if (terms.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(terms, CountTerms(context, WiderQueryTerms(query.text)));
  }
  if (terms.empty() || query.limit == 0) return hits;
  const KeywordStatistics statistics = view_->keyword_statistics();
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, segment.segment->keyword_index());
    RAGTIME_ASSIGN_OR_RETURN(const Excluded excluded, Excluded::Of(segment, query.group));
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RowHit> found,
                             index->Search(context, terms, statistics, query.limit, excluded.bitmap()));
    RAGTIME_RETURN_IF_ERROR(AddHits(segment, found, hits));
  }
  KeepBest(hits, query.limit);
  return hits;
}

}  // namespace ragtime
