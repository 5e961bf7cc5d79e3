// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/segment_search.h"

#include <algorithm>
#include <cstdint>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// Below this share of a column, what is selected of it is handed to the index one by one, as of all rows.
constexpr uint32_t kListedShare = 16;

// A selection of rows as one of places in a column.
struct PlaceSelection {
  std::vector<uint64_t> excluded;
  std::vector<uint32_t> listed;
  bool few = false;
  RowSelection places() const {
    return few ? RowSelection(RowBitmap{excluded}, std::span<const uint32_t>(listed))
               : RowSelection(RowBitmap{excluded});
  }
};

PlaceSelection PlacesOf(const NamedColumn& column, const RowSelection& rows) {
  PlaceSelection selection;
  selection.excluded.resize((size_t{column.count} + 63) / 64);
  for (uint32_t place = 0; place < column.count; ++place) {
    if (rows.excluded.Contains(column.row(place))) {
      selection.excluded[place / 64] |= uint64_t{1} << (place % 64);
    } else if (selection.listed.size() <= column.count / kListedShare) {
      selection.listed.push_back(place);
    }
  }
  selection.few = selection.listed.size() <= column.count / kListedShare;
  return selection;
}

}  // namespace

Result<std::vector<RowHit>> SearchVectors(const Context& context, const Segment& segment, const std::string& key,
                                          std::span<const float> vector, size_t limit, const RowSelection& selection,
                                          const VectorSearchParameters& parameters) {
  if (key.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(const VectorIndex* index, segment.vector_index());
    return index->Search(context, vector, limit, selection, parameters);
  }
  const NamedColumn* const column = segment.FindNamed(key);
  if (column == nullptr) return std::vector<RowHit>();
  const auto damaged = [&](std::string_view why) {
    return DataLossError(StrCat("the segment ", segment.name(), " is damaged: the vectors ", key, " ", why),
                         "restore the knowledge base from a copy, or ingest the documents into a new one");
  };
  if (column->dimension != vector.size()) return damaged("have another dimension than the catalog says");
  RAGTIME_ASSIGN_OR_RETURN(const VectorIndex* index, segment.named_index(*column));
  const PlaceSelection places = PlacesOf(*column, selection);
  if (places.few && places.listed.empty()) return std::vector<RowHit>();
  RAGTIME_ASSIGN_OR_RETURN(std::vector<RowHit> hits,
                           index->Search(context, vector, limit, places.places(), parameters));
  for (RowHit& hit : hits) {
    if (hit.row >= column->count) return damaged("have an index of others");
    hit.row = column->row(hit.row);
  }
  return hits;
}

}  // namespace ragtime
