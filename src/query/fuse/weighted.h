// SPDX-License-Identifier: Apache-2.0
//
// Weighted fusion: the scores of each route are stretched to 0 ... 1, weighted and added.
#ifndef RAGTIME_QUERY_FUSE_WEIGHTED_H_
#define RAGTIME_QUERY_FUSE_WEIGHTED_H_

#include <map>
#include <span>
#include <string>
#include <vector>

#include "query/hits.h"

namespace ragtime {

// Best first, equal scores by ascending id. A route that `weights` does not name weighs 1; where all scores of a route
// are equal each counts as 1. Scores that are not finite count as 0.
std::vector<FusedHit> FuseByWeight(std::span<const RouteHits> routes, const std::map<std::string, double>& weights);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_FUSE_WEIGHTED_H_
