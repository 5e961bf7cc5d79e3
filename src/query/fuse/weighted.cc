// SPDX-License-Identifier: Apache-2.0
#include "query/fuse/weighted.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace ragtime {
namespace {

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  double Stretch(double score) const {
    if (!std::isfinite(score)) return 0;
    return high > low ? (score - low) / (high - low) : 1;
  }
};

Range RangeOf(const std::vector<Hit>& hits) {
  Range range;
  for (const Hit& hit : hits) {
    if (!std::isfinite(hit.score)) continue;
    range.low = std::min<double>(range.low, hit.score);
    range.high = std::max<double>(range.high, hit.score);
  }
  return range;
}

}  // namespace

std::vector<FusedHit> FuseByWeight(std::span<const RouteHits> routes, const std::map<std::string, double>& weights) {
  std::unordered_map<NodeId, FusedHit> by_id;
  std::vector<const RouteHits*> ordered;
  for (const RouteHits& route : routes) ordered.push_back(&route);
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->route < b->route; });
  for (const RouteHits* route : ordered) {
    const auto weight = weights.find(route->route);
    const Range range = RangeOf(route->hits);
    for (const Hit& hit : route->hits) {
      FusedHit& fused = by_id[hit.node_id];
      fused.node_id = hit.node_id;
      if (!fused.scores.emplace(route->route, hit.score).second) continue;
      fused.score += (weight == weights.end() ? 1 : weight->second) * range.Stretch(hit.score);
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
