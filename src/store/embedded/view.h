// SPDX-License-Identifier: Apache-2.0
//
// A View is one committed state of an embedded store: its counters, and each of its segments with its deletions. Views
// share what did not change between them.
//
// Threads: a View is immutable and may be shared. Errors: those of Catalog and Segment.
#ifndef RAGTIME_STORE_EMBEDDED_VIEW_H_
#define RAGTIME_STORE_EMBEDDED_VIEW_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/files.h"
#include "catalog/catalog.h"
#include "ragtime/index.h"
#include "ragtime/status.h"
#include "store/batch_check.h"
#include "store/deletions.h"
#include "store/embedded/folder.h"
#include "store/embedded/search_lanes.h"
#include "store/index_set.h"
#include "store/segment.h"

namespace ragtime {

struct SegmentView {
  SegmentRecord record;
  std::shared_ptr<const OpenedFile> file;      // Null for one in the tail.
  std::shared_ptr<const Segment> segment;      // Null before View::MapSegments or MapSegment.
  std::shared_ptr<const Deletions> deletions;  // Null: none.

  RowBitmap excluded() const { return deletions ? deletions->bitmap() : RowBitmap{}; }
  uint64_t live_rows() const { return record.rows - record.deleted_rows; }
};

// What every view of one store is made with.
struct ViewSource {
  Folder folder;
  Metric metric = Metric::kCosine;
  IndexSet indexes;
  std::shared_ptr<SearchLanes> lanes;
};

struct View {
  CatalogState state;
  std::optional<size_t> dimension;  // None before the first node.
  NamedDimensions named;            // Of the keys that were declared.
  std::vector<FieldSpec> fields;    // Declared for documents.
  // By ascending id. A file that is only open when the view is loaded is mapped by whoever needs it first, so that
  // opening takes as long for many segments as for few.
  mutable std::vector<SegmentView> segments;

  // To be called before anything looks into a segment; costs nothing from the second time on.
  Status MapSegments(const ViewSource& source) const;

  const SegmentView* FindSegment(int64_t id) const;  // Null if there is none.
  uint64_t live_rows() const;
  KeywordStatistics keyword_statistics() const;
  // Where the live node is; null segment if there is none.
  struct Place {
    const SegmentView* segment = nullptr;
    uint32_t row = 0;
  };
  Place FindNode(NodeId id) const;

 private:
  struct Mapping {
    std::once_flag once;
    Status status;
  };
  std::shared_ptr<Mapping> mapping_ = std::make_shared<Mapping>();
};

// Opens one segment with its deletions inside a read transaction; `previous` is the same segment as it was before, or
// null. kNotFound where its file is missing. A file is not mapped yet.
Result<SegmentView> LoadSegment(Catalog& catalog, const ViewSource& source, const SegmentRecord& record,
                                const SegmentView* previous);

// Maps the segment's file, if that was not done yet, and compares it with the catalog.
Status MapSegment(const ViewSource& source, std::optional<size_t> dimension, SegmentView& view);

// Reads the committed state in one short read transaction, taking from `previous` (may be null) what is still the same.
Result<std::shared_ptr<const View>> LoadView(Catalog& catalog, const ViewSource& source, const View* previous);

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_VIEW_H_
