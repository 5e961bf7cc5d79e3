// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/embedded_snapshot.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <system_error>
#include <tuple>

#include "base/count_bits.h"
#include "base/str_cat.h"
#include "store/batch_check.h"
#include "store/embedded/segment_search.h"
#include "store/hits.h"
#include "store/phrase_search.h"
#include "store/query_terms.h"
#include "store/row_filter.h"

namespace ragtime {
namespace {

// Below this share of its rows, a segment's matches are handed to the index one by one: reading the exact vectors of a
// 16th of the rows costs about what a pass over the codes of all of them does (bench/store_filter.cc).
constexpr uint64_t kListedShare = 16;

// What a search looks at in one segment: rows that are live, of the group, and match the filter.
class Selection {
 public:
  static Result<Selection> Of(const SegmentView& view, const std::string& group, const Filter& filter,
                              SegmentFilter& matches) {
    Selection selection;
    selection.excluded_ = view.excluded();
    std::span<const uint64_t> outside;
    if (!group.empty()) {
      RAGTIME_ASSIGN_OR_RETURN(outside, view.segment->RowsOutside(group));
    }
    if (outside.empty() && filter.matches_all()) return selection;
    if (filter.matches_all() && view.deletions == nullptr) {
      selection.excluded_ = {outside};
      return selection;
    }
    RowWords words((size_t{view.segment->rows()} + 63) / 64);
    if (filter.matches_all()) {
      SetRows(words, 0, view.segment->rows());
    } else {
      RAGTIME_ASSIGN_OR_RETURN(words, matches.RowsOf(*view.segment));
    }
    for (size_t i = 0; i < outside.size(); ++i) words[i] &= ~outside[i];
    if (view.deletions != nullptr) {
      const std::span<const uint64_t> deleted = view.deletions->words();
      for (size_t i = 0; i < words.size(); ++i) words[i] &= ~deleted[i];
    }
    selection.Take(std::move(words), view.segment->rows());
    return selection;
  }

  bool empty() const { return count_ == 0; }
  RowSelection rows() const {
    return listed_ ? RowSelection(excluded_, std::span<const uint32_t>(*listed_)) : RowSelection(excluded_);
  }

 private:
  void Take(RowWords selected, uint32_t rows) {
    count_ = CountBits(selected);
    if (count_ <= rows / kListedShare) {
      listed_.emplace();
      listed_->reserve(count_);
      ForEachRow(selected, [this](uint32_t row) { listed_->push_back(row); });
    }
    words_ = std::move(selected);
    for (uint64_t& word : words_) word = ~word;
    excluded_ = {words_};
  }

  uint64_t count_ = UINT64_MAX;  // Not counted where nothing is left out but deletions or another group.
  RowWords words_;               // Moving keeps the elements where they are, and so excluded_ valid.
  RowBitmap excluded_;
  std::optional<std::vector<uint32_t>> listed_;
};

// Says in which segment an index found damage.
template <typename T>
Result<T> In(const SegmentView& segment, Result<T> result) {
  if (result.ok() || result.status().code() != StatusCode::kDataLoss) return result;
  if (result.status().message().find(segment.segment->name()) != std::string::npos) return result;
  return result.status().Annotate(StrCat("the segment ", segment.segment->name()));
}

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

// A segment, and what of it a vector search looks at.
struct Part {
  const SegmentView* segment;
  Selection selection;
};

// The best of the parts that are named, one after another.
Result<std::vector<Hit>> SearchParts(const Context& context, const VectorQuery& query, std::span<const float> vector,
                                     const std::vector<Part>& parts, std::span<const size_t> indices) {
  std::vector<Hit> hits;
  VectorSearchParameters parameters = query.parameters;
  for (const size_t index : indices) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    const SegmentView& segment = *parts[index].segment;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RowHit> found,
                             In(segment, SearchVectors(context, *segment.segment, query.key, vector, query.limit,
                                                       parts[index].selection.rows(), parameters)));
    RAGTIME_RETURN_IF_ERROR(AddHits(segment, found, hits));
    KeepBest(hits, query.limit);
    // What the next segments hold must be as good.
    if (hits.size() == query.limit) parameters.score_min = std::max(parameters.score_min, hits.back().score);
  }
  return hits;
}

}  // namespace

Result<StoreStatistics> EmbeddedSnapshot::Statistics() const {
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  StoreStatistics statistics;
  statistics.files = view_->state.files;
  statistics.folders = view_->state.folders;
  statistics.nodes = view_->live_rows();
  for (const SegmentView& segment : view_->segments) {
    statistics.deleted_nodes += segment.record.deleted_rows;
    const std::string_view index = segment.segment->vector_index_name();
    if (!index.empty()) statistics.vector_index_rows[std::string(index)] += segment.record.rows;
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

Result<std::vector<std::optional<FileRecord>>> EmbeddedSnapshot::FindFiles(std::span<const DocumentId> ids) const {
  const std::lock_guard lock(reader_->mutex);
  return reader_->catalog->FindFiles(ids, view_->state.commit_number);
}

Result<std::vector<std::optional<Node>>> EmbeddedSnapshot::GetNodes(std::span<const NodeId> ids) const {
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
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
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  std::vector<NewNode> nodes;
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_ASSIGN_OR_RETURN(const DocumentRows document, segment.segment->FindDocument(id));
    TextBlockCache cache;
    for (uint32_t i = 0; i < document.row_count; ++i) {
      const uint32_t row = document.first_row + i;
      if (segment.excluded().Contains(row)) continue;
      RAGTIME_ASSIGN_OR_RETURN(Node node, segment.segment->ReadNode(row, cache));
      const std::span<const float> vector = segment.segment->vector(row);
      nodes.push_back({.node = std::move(node),
                       .vector = {vector.begin(), vector.end()},
                       .named = segment.segment->named_vectors(row)});
    }
  }
  return nodes;
}

Result<std::vector<DocumentId>> EmbeddedSnapshot::FindDocuments(const FilterNode& leaf) const {
  const std::lock_guard lock(reader_->mutex);
  return reader_->catalog->FindDocuments(leaf, view_->state.commit_number);
}

// The live rows of a segment that match.
Result<RowWords> EmbeddedSnapshot::MatchingRows(const SegmentView& segment, SegmentFilter& matches) const {
  RAGTIME_ASSIGN_OR_RETURN(RowWords words, In(segment, matches.RowsOf(*segment.segment)));
  if (segment.deletions != nullptr) {
    const std::span<const uint64_t> deleted = segment.deletions->words();
    for (size_t i = 0; i < words.size(); ++i) words[i] &= ~deleted[i];
  }
  return words;
}

Result<uint64_t> EmbeddedSnapshot::CountNodes(const Context& context, const Filter& filter) const {
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  if (filter.matches_all()) return view_->live_rows();
  uint64_t count = 0;
  SegmentFilter matches(filter, [this](const FilterNode& leaf) { return FindDocuments(leaf); });
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const RowWords words, MatchingRows(segment, matches));
    count += CountBits(words);
  }
  return count;
}

Status EmbeddedSnapshot::VisitNodes(const Context& context, const Filter& filter,
                                    const std::function<bool(const NodeRow&)>& visit) const {
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  // Merging leaves segments whose ids interleave, so the least id of all comes next.
  struct Rest {
    const Segment* segment;
    std::vector<uint32_t> rows;
    size_t next = 0;
    NodeId id() const { return segment->node_id(rows[next]); }
  };
  std::vector<Rest> rests;
  SegmentFilter matches(filter, [this](const FilterNode& leaf) { return FindDocuments(leaf); });
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const RowWords words, MatchingRows(segment, matches));
    Rest rest{.segment = segment.segment.get()};
    ForEachRow(words, [&rest](uint32_t row) { rest.rows.push_back(row); });
    if (!rest.rows.empty()) rests.push_back(std::move(rest));
  }
  const auto later = [](const Rest& a, const Rest& b) { return a.id() > b.id(); };
  std::make_heap(rests.begin(), rests.end(), later);
  for (size_t visited = 0; !rests.empty(); ++visited) {
    if (visited % 4096 == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
    std::pop_heap(rests.begin(), rests.end(), later);
    Rest& rest = rests.back();
    RAGTIME_ASSIGN_OR_RETURN(const NodeRow row, rest.segment->ReadRow(rest.rows[rest.next]));
    if (!visit(row)) return Status();
    if (++rest.next == rest.rows.size()) {
      rests.pop_back();
    } else {
      std::push_heap(rests.begin(), rests.end(), later);
    }
  }
  return Status();
}

Result<std::vector<Hit>> EmbeddedSnapshot::SearchVector(const Context& context, const VectorQuery& query) const {
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  std::vector<Hit> hits;
  RAGTIME_ASSIGN_OR_RETURN(const size_t dimension, DimensionFor(query, view_->dimension, view_->named));
  if (dimension == 0 || query.limit == 0) return hits;
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vector, CheckQueryVector(query.vector, source_->metric, dimension));
  SegmentFilter matches(query.filter, [this](const FilterNode& leaf) { return FindDocuments(leaf); });
  std::vector<Part> parts;
  std::vector<uint64_t> rows;
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(Selection selection,
                             In(segment, Selection::Of(segment, query.group, query.filter, matches)));
    if (selection.empty()) continue;
    parts.push_back({&segment, std::move(selection)});
    rows.push_back(segment.record.rows);
  }
  const std::vector<std::vector<size_t>> lanes = source_->lanes->Of(rows);
  std::vector<Result<std::vector<Hit>>> found(lanes.size(), std::vector<Hit>());
  source_->lanes->Run(lanes.size(),
                      [&](size_t lane) { found[lane] = SearchParts(context, query, vector, parts, lanes[lane]); });
  for (Result<std::vector<Hit>>& of_lane : found) {
    RAGTIME_RETURN_IF_ERROR(of_lane.status());
    hits.insert(hits.end(), of_lane->begin(), of_lane->end());
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
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, In(segment, index->CountRows(term.term, segment.excluded())));
      term.nodes += count;
    }
    RAGTIME_RETURN_IF_ERROR(context.Check());
  }
  std::erase_if(terms, [](const WeightedTerm& term) { return term.nodes == 0; });
  return terms;
}

Result<std::vector<Hit>> EmbeddedSnapshot::SearchKeyword(const Context& context, const KeywordQuery& query) const {
  RAGTIME_RETURN_IF_ERROR(view_->MapSegments(*source_));
  std::vector<Hit> hits;
  RAGTIME_ASSIGN_OR_RETURN(std::vector<WeightedTerm> terms,
                           CountTerms(context, QueryTerms(query, source_->indexes.chinese.get())));
  if (terms.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(terms, CountTerms(context, WiderQueryTerms(query.text)));
  }
  if (terms.empty() || query.limit == 0) return hits;
  const std::vector<Phrase> phrases = QueryPhrases(query);
  const KeywordStatistics statistics = view_->keyword_statistics();
  SegmentFilter matches(query.filter, [this](const FilterNode& leaf) { return FindDocuments(leaf); });
  for (const SegmentView& segment : view_->segments) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const Selection selection,
                             In(segment, Selection::Of(segment, query.group, query.filter, matches)));
    if (selection.empty()) continue;
    RowSelection rows = selection.rows();
    if (hits.size() >= query.limit) rows.least_score = hits.back().score;
    RAGTIME_ASSIGN_OR_RETURN(
        const std::vector<RowHit> found,
        In(segment, SearchWords(context, *segment.segment, terms, phrases, statistics, query.limit, rows)));
    RAGTIME_RETURN_IF_ERROR(AddHits(segment, found, hits));
    KeepBest(hits, query.limit);
  }
  return hits;
}

}  // namespace ragtime
