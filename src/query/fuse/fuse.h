// SPDX-License-Identifier: Apache-2.0
//
// FuseRoutes joins the lists of all routes into one, as the configuration says.
#ifndef RAGTIME_QUERY_FUSE_FUSE_H_
#define RAGTIME_QUERY_FUSE_FUSE_H_

#include <span>
#include <vector>

#include "query/hits.h"
#include "query/route.h"
#include "ragtime/retriever.h"

namespace ragtime {

// `specs` has the weight of each route, and their order for FusionType::kPriority. Best first, equal scores by id.
std::vector<FusedHit> FuseRoutes(std::span<const RouteHits> routes, std::span<const RouteSpec> specs,
                                 const FusionConfig& fusion);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_FUSE_FUSE_H_
