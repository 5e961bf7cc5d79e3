// SPDX-License-Identifier: Apache-2.0
#include "query/fuse/fuse.h"

#include <map>
#include <string>

#include "query/fuse/priority.h"
#include "query/fuse/rrf.h"
#include "query/fuse/weighted.h"

namespace ragtime {

std::vector<FusedHit> FuseRoutes(std::span<const RouteHits> routes, std::span<const RouteSpec> specs,
                                 const FusionConfig& fusion) {
  std::map<std::string, double> weights;
  std::vector<std::string> order;
  for (const RouteSpec& spec : specs) {
    if (spec.weight != 1) weights[spec.name] = spec.weight;
    order.push_back(spec.name);
  }
  switch (fusion.type) {
    case FusionType::kRrf:
      return FuseByRank(routes, fusion.k, weights);
    case FusionType::kWeighted:
      return FuseByWeight(routes, weights, fusion.scale);
    case FusionType::kPriority:
      return FuseByPriority(routes, order);
  }
  return {};
}

}  // namespace ragtime
