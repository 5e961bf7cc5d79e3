// SPDX-License-Identifier: Apache-2.0
#include "chroma_answer_targets.h"

#include <algorithm>
#include <cmath>

#include "fuzzed_collection.h"
#include "require.h"
#include "store/chroma/chroma_rows.h"

namespace ragtime {
namespace {

template <typename T>
bool Taken(const Result<T>& result) {
  if (!result.ok()) {
    Require(result.status().code() == StatusCode::kUnavailable && !result.status().remedy().empty());
  }
  return result.ok();
}

bool TakeRows(const Json& answer, bool with_vectors) {
  const CollectionSpec spec = FuzzedCollection();
  const auto rows = ChromaRowsOf(spec, answer, with_vectors);
  if (!Taken(rows)) return false;
  for (const CollectionRow& row : *rows) {
    Require(row.id > 0 && row.vector.size() == (with_vectors ? spec.dimension : 0));
    Require(std::all_of(row.vector.begin(), row.vector.end(), [](float value) { return std::isfinite(value); }));
    for (const auto& [name, value] : row.columns) {
      Require(std::any_of(spec.columns.begin(), spec.columns.end(),
                          [&](const FieldSpec& column) { return column.name == name && HasType(value, column.type); }));
    }
    Require(!ChromaMetadataOf(spec, row).Dump().empty());
  }
  return !rows->empty();
}

bool TakeHits(const Json& answer) {
  bool taken = false;
  for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
    CollectionSpec spec = FuzzedCollection();
    spec.metric = metric;
    const auto hits = ChromaHitsOf(spec, answer);
    if (!Taken(hits)) continue;
    for (const CollectionHit& hit : *hits) Require(hit.id > 0 && !std::isnan(hit.score));
    Require(std::is_sorted(hits->begin(), hits->end(),
                           [](const CollectionHit& a, const CollectionHit& b) { return a.score > b.score; }));
    taken |= !hits->empty();
  }
  return taken;
}

}  // namespace

bool UseAsChromaAnswer(std::string_view text) {
  const Result<Json> answer = Json::Parse(text);
  if (!answer.ok()) return false;
  const bool rows = TakeRows(*answer, false);
  const bool rows_with_vectors = TakeRows(*answer, true);
  Require(rows || !rows_with_vectors);
  const auto ids = ChromaIdsOf(*answer);
  if (Taken(ids)) Require(std::all_of(ids->begin(), ids->end(), [](int64_t id) { return id > 0; }));
  const bool count = Taken(ChromaCountOf(*answer));
  const bool hits = TakeHits(*answer);
  return rows || hits || count;
}

}  // namespace ragtime
