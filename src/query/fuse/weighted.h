// SPDX-License-Identifier: Apache-2.0
//
// Weighted fusion: the scores of each route are brought to one scale, weighted and added.
#ifndef RAGTIME_QUERY_FUSE_WEIGHTED_H_
#define RAGTIME_QUERY_FUSE_WEIGHTED_H_

#include <map>
#include <span>
#include <string>
#include <vector>

#include "query/hits.h"
#include "ragtime/retriever.h"

namespace ragtime {

// Best first, equal scores by ascending id. A route that `weights` does not name weighs 1.
// - kMinMax: 0 for a route's lowest score, 1 for its highest. Where all are equal each counts as 1; scores that are not
//   finite count as 0.
// - kZScore: how many standard deviations a score lies above its route's mean, within -3 ... 3, brought to 0 ... 1, so
//   that being found never counts against a node. One far better than the rest keeps its lead, which kMinMax takes
//   from the rest of its route. Where all are equal each counts as 0.5.
std::vector<FusedHit> FuseByWeight(std::span<const RouteHits> routes, const std::map<std::string, double>& weights,
                                   ScoreScale scale = ScoreScale::kMinMax);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_FUSE_WEIGHTED_H_
