// SPDX-License-Identifier: Apache-2.0
#include "query/fuse/priority.h"

#include <algorithm>
#include <unordered_map>

namespace ragtime {

std::vector<FusedHit> FuseByPriority(std::span<const RouteHits> routes, std::span<const std::string> order) {
  std::unordered_map<NodeId, FusedHit> by_id;
  for (const RouteHits& route : routes) {
    const auto place = std::find(order.begin(), order.end(), route.route) - order.begin();
    const auto below = static_cast<double>(static_cast<std::ptrdiff_t>(order.size()) - place);
    for (size_t i = 0; i < route.hits.size(); ++i) {
      FusedHit& fused = by_id[route.hits[i].node_id];
      fused.node_id = route.hits[i].node_id;
      if (!fused.scores.emplace(route.route, route.hits[i].score).second) continue;
      fused.score = std::max(fused.score, below + 1.0 / static_cast<double>(i + 2));
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
