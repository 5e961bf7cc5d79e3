// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/view.h"

#include <algorithm>
#include <charconv>

#include "base/str_cat.h"
#include "store/batch_check.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

// A merge takes longer than reading a manifest, so that a second one in a row hits the same reader rarely.
constexpr int kAttemptsMax = 50;
constexpr char kRemedy[] = "restore the knowledge base from a copy, or ingest the documents into a new one";

Result<std::shared_ptr<const Segment>> OpenTailImage(Catalog& catalog, const ViewSource& source,
                                                     const SegmentRecord& record) {
  SegmentImage image(0);
  RAGTIME_RETURN_IF_ERROR(catalog.ReadTailImage(record.id, [&image](size_t size_bytes) {
    image = SegmentImage(size_bytes);
    return image.bytes();
  }));
  const std::string name = StrCat(source.folder.catalog().string(), ", tail ", record.id);
  return Segment::OpenImage(std::move(image), name, static_cast<uint64_t>(record.id), source.metric, source.indexes);
}

Result<std::shared_ptr<const View>> LoadOnce(Catalog& catalog, const ViewSource& source, const View* previous) {
  RAGTIME_ASSIGN_OR_RETURN(const auto transaction, catalog.BeginRead());
  auto view = std::make_shared<View>();
  RAGTIME_ASSIGN_OR_RETURN(view->state, catalog.ReadState());
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> dimension, catalog.ReadSetting("dimension"));
  if (dimension) {
    size_t number = 0;
    std::from_chars(dimension->data(), dimension->data() + dimension->size(), number);
    view->dimension = number;
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> named, catalog.ReadSetting(kNamedDimensionsSetting));
  RAGTIME_ASSIGN_OR_RETURN(view->named, DecodeDimensions(named.value_or("")));
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> fields, catalog.ReadSetting(kFieldsSetting));
  auto specs = DecodeFieldSpecs(fields.value_or(""));
  if (!specs.ok()) return specs.status().Annotate(source.folder.catalog().string());
  view->fields = *std::move(specs);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<SegmentRecord> records, catalog.ReadSegments());
  view->segments.reserve(records.size());
  for (const SegmentRecord& record : records) {
    RAGTIME_ASSIGN_OR_RETURN(SegmentView segment, LoadSegment(catalog, source, record,
                                                              previous ? previous->FindSegment(record.id) : nullptr));
    view->segments.push_back(std::move(segment));
  }
  return std::shared_ptr<const View>(std::move(view));
}

}  // namespace

const SegmentView* View::FindSegment(int64_t id) const {
  const auto found =
      std::lower_bound(segments.begin(), segments.end(), id,
                       [](const SegmentView& segment, int64_t wanted) { return segment.record.id < wanted; });
  return found != segments.end() && found->record.id == id ? &*found : nullptr;
}

uint64_t View::live_rows() const {
  uint64_t rows = 0;
  for (const SegmentView& segment : segments) rows += segment.live_rows();
  return rows;
}

KeywordStatistics View::keyword_statistics() const {
  KeywordStatistics statistics;
  for (const SegmentView& segment : segments) {
    statistics.nodes += segment.live_rows();
    statistics.tokens += segment.record.tokens - segment.record.deleted_tokens;
  }
  return statistics;
}

View::Place View::FindNode(NodeId id) const {
  for (const SegmentView& segment : segments) {
    if (id < segment.record.first_node || id > segment.record.last_node) continue;
    const std::optional<uint32_t> row = segment.segment->FindNode(id);
    if (row && !segment.excluded().Contains(*row)) return {&segment, *row};
  }
  return {};
}

Result<SegmentView> LoadSegment(Catalog& catalog, const ViewSource& source, const SegmentRecord& record,
                                const SegmentView* previous) {
  SegmentView view{.record = record};
  if (previous != nullptr) {
    view.file = previous->file;
    view.segment = previous->segment;
  } else if (record.in_tail) {
    RAGTIME_ASSIGN_OR_RETURN(view.segment, OpenTailImage(catalog, source, record));
  } else {
    RAGTIME_ASSIGN_OR_RETURN(OpenedFile file, OpenedFile::Open(source.folder.segment(record.id)));
    view.file = std::make_shared<const OpenedFile>(std::move(file));
  }
  if (record.deletions_commit == 0 && record.deleted_rows == 0 && record.deleted_tokens == 0) return view;
  if (previous != nullptr && previous->record.deletions_commit == record.deletions_commit) {
    view.deletions = previous->deletions;
    return view;
  }
  RAGTIME_RETURN_IF_ERROR(catalog.ReadDeletions(record.id, [&](std::span<const std::byte> bytes) -> Status {
    auto deletions = Deletions::Parse(bytes, static_cast<uint32_t>(record.rows));
    if (!deletions.ok()) return deletions.status().Annotate(source.folder.catalog().string());
    view.deletions = std::make_shared<const Deletions>(*std::move(deletions));
    return Status();
  }));
  if (view.deletions->count() != record.deleted_rows || record.deleted_tokens > record.tokens) {
    return DataLossError(StrCat("the catalog ", source.folder.catalog().string(),
                                " counts the deleted rows of segment ", record.id, " wrongly"),
                         kRemedy);
  }
  return view;
}

Status MapSegment(const ViewSource& source, std::optional<size_t> dimension, SegmentView& view) {
  const SegmentRecord& record = view.record;
  if (view.segment == nullptr) {
    RAGTIME_ASSIGN_OR_RETURN(MappedFile file, view.file->Map());
    RAGTIME_ASSIGN_OR_RETURN(view.segment,
                             Segment::OpenMapped(std::move(file), view.file, source.folder.segment(record.id).string(),
                                                 static_cast<uint64_t>(record.id), source.metric, source.indexes));
  }
  const Segment& segment = *view.segment;
  if (segment.rows() != record.rows) {
    return DataLossError(
        StrCat("the segment ", segment.name(), " has ", segment.rows(), " rows, and the catalog says ", record.rows),
        kRemedy);
  }
  if (segment.dimension() != dimension.value_or(0)) {
    return DataLossError(StrCat("the segment ", segment.name(), " has dimension ", segment.dimension(),
                                ", and the catalog says ", dimension.value_or(0)),
                         kRemedy);
  }
  return Status();
}

Status View::MapSegments(const ViewSource& source) const {
  std::call_once(mapping_->once, [&] {
    for (SegmentView& segment : segments) {
      mapping_->status = MapSegment(source, dimension, segment);
      if (!mapping_->status.ok()) return;
    }
  });
  return mapping_->status;
}

Result<std::shared_ptr<const View>> LoadView(Catalog& catalog, const ViewSource& source, const View* previous) {
  // Its segments are looked at below. What cannot be mapped shows when it is needed.
  if (previous != nullptr) (void)previous->MapSegments(source);
  for (int attempt = 0;; ++attempt) {
    RAGTIME_ASSIGN_OR_RETURN(const int64_t version, catalog.DataVersion());
    auto view = LoadOnce(catalog, source, previous);
    if (view.ok() || view.status().code() != StatusCode::kNotFound) return view;
    // A writer may merge segments and remove the old files between our reading the manifest and our opening them. Then
    // it has committed, and the manifest is another one.
    RAGTIME_ASSIGN_OR_RETURN(const int64_t version_now, catalog.DataVersion());
    if (version_now != version && attempt < kAttemptsMax) continue;
    return DataLossError(StrCat("a segment of the knowledge base is missing: ", view.status().message()), kRemedy);
  }
}

}  // namespace ragtime
