// SPDX-License-Identifier: Apache-2.0
//
// Reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009): a hit scores weight / (k + rank) in each list that has
// it.
#ifndef RAGTIME_QUERY_FUSE_RRF_H_
#define RAGTIME_QUERY_FUSE_RRF_H_

#include <map>
#include <span>
#include <string>
#include <vector>

#include "query/hits.h"

namespace ragtime {

inline constexpr double kRrfK = 60;  // The constant of the paper; ranks count from 1.

// Best first, equal scores by ascending id, whatever the order of the routes. A node counts once in a list, at its best
// rank. A route that `weights` does not name weighs 1.
std::vector<FusedHit> FuseByRank(std::span<const RouteHits> routes, double k = kRrfK,
                                 const std::map<std::string, double>& weights = {});

}  // namespace ragtime

#endif  // RAGTIME_QUERY_FUSE_RRF_H_
