// SPDX-License-Identifier: Apache-2.0
#include "query/fuse/weighted.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace ragtime {
namespace {

// The scores of one route, and what one of them counts.
class Scale {
 public:
  Scale(const std::vector<Hit>& hits, ScoreScale kind) : kind_(kind) {
    size_t count = 0;
    for (const Hit& hit : hits) {
      if (!std::isfinite(hit.score)) continue;
      low_ = std::min<double>(low_, hit.score);
      high_ = std::max<double>(high_, hit.score);
      mean_ += hit.score;
      ++count;
    }
    if (count == 0) return;
    mean_ /= static_cast<double>(count);
    for (const Hit& hit : hits) {
      if (std::isfinite(hit.score)) deviation_ += (hit.score - mean_) * (hit.score - mean_);
    }
    deviation_ = std::sqrt(deviation_ / static_cast<double>(count));
  }

  double Of(double score) const {
    if (!std::isfinite(score)) return 0;
    if (kind_ == ScoreScale::kMinMax) return high_ > low_ ? (score - low_) / (high_ - low_) : 1;
    // Equal scores have a deviation of rounding errors only.
    return high_ > low_ ? (std::clamp((score - mean_) / deviation_, -3.0, 3.0) + 3) / 6 : 0.5;
  }

 private:
  ScoreScale kind_;
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
  double mean_ = 0;
  double deviation_ = 0;
};

}  // namespace

std::vector<FusedHit> FuseByWeight(std::span<const RouteHits> routes, const std::map<std::string, double>& weights,
                                   ScoreScale scale) {
  std::unordered_map<NodeId, FusedHit> by_id;
  std::vector<const RouteHits*> ordered;
  for (const RouteHits& route : routes) ordered.push_back(&route);
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->route < b->route; });
  for (const RouteHits* route : ordered) {
    const auto weight = weights.find(route->route);
    const Scale scaled(route->hits, scale);
    for (const Hit& hit : route->hits) {
      FusedHit& fused = by_id[hit.node_id];
      fused.node_id = hit.node_id;
      if (!fused.scores.emplace(route->route, hit.score).second) continue;
      fused.score += (weight == weights.end() ? 1 : weight->second) * scaled.Of(hit.score);
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
