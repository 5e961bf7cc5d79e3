// SPDX-License-Identifier: Apache-2.0
//
// The one order that every store answers in: best first, equal scores by ascending id.
#ifndef RAGTIME_STORE_HITS_H_
#define RAGTIME_STORE_HITS_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "ragtime/store.h"
#include "store/collection.h"

namespace ragtime {

// At most `limit` remain. No score may be NaN.
inline void KeepBest(std::vector<Hit>& hits, size_t limit) {
  const auto better = [](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.node_id < b.node_id;
  };
  const size_t kept = std::min(limit, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(kept), hits.end(), better);
  hits.resize(kept);
}

// No score may be NaN.
inline void SortBestFirst(std::vector<CollectionHit>& hits) {
  std::sort(hits.begin(), hits.end(), [](const CollectionHit& a, const CollectionHit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
}

}  // namespace ragtime

#endif  // RAGTIME_STORE_HITS_H_
