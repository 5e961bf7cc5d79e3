// SPDX-License-Identifier: Apache-2.0
#include "query/fuse/rrf.h"

#include <algorithm>
#include <unordered_map>

namespace ragtime {

std::vector<FusedHit> FuseByRank(std::span<const RouteHits> routes, double k,
                                 const std::map<std::string, double>& weights) {
  std::unordered_map<NodeId, FusedHit> by_id;
  // Addition of doubles depends on its order: routes are summed up by name, so that their order in `routes` does not
  // show.
  std::vector<const RouteHits*> ordered;
  for (const RouteHits& route : routes) ordered.push_back(&route);
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->route < b->route; });
  for (const RouteHits* route : ordered) {
    const auto named = weights.find(route->route);
    const double weight = named == weights.end() ? 1.0 : named->second;
    for (size_t i = 0; i < route->hits.size(); ++i) {
      const Hit& hit = route->hits[i];
      FusedHit& fused = by_id[hit.node_id];
      fused.node_id = hit.node_id;
      if (!fused.scores.emplace(route->route, hit.score).second) continue;
      fused.score += weight / (k + static_cast<double>(i + 1));
    }
  }
  std::vector<FusedHit> result;
  result.reserve(by_id.size());
  for (auto& [id, hit] : by_id) result.push_back(std::move(hit));
  std::sort(result.begin(), result.end(), [](const FusedHit& a, const FusedHit& b) {
    return a.score != b.score ? a.score > b.score : a.node_id < b.node_id;
  });
  return result;
}

}  // namespace ragtime
