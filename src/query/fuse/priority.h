// SPDX-License-Identifier: Apache-2.0
//
// Priority fusion: all hits of the first route, then what the second has beside them, and so on.
#ifndef RAGTIME_QUERY_FUSE_PRIORITY_H_
#define RAGTIME_QUERY_FUSE_PRIORITY_H_

#include <span>
#include <string>
#include <vector>

#include "query/hits.h"

namespace ragtime {

// `order` names the routes, first first; one that it does not name comes last. A hit of the route at place p of n
// scores n - p + 1 / (1 + its rank there), so that scores fall from hit to hit and say which route it was.
std::vector<FusedHit> FuseByPriority(std::span<const RouteHits> routes, std::span<const std::string> order);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_FUSE_PRIORITY_H_
