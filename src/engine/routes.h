// SPDX-License-Identifier: Apache-2.0
//
// From the retrievers of the configuration to routes that can run on a knowledge base.
#ifndef RAGTIME_ENGINE_ROUTES_H_
#define RAGTIME_ENGINE_ROUTES_H_

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "query/route.h"
#include "ragtime/config.h"
#include "ragtime/index.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/similarity.h"
#include "ragtime/status.h"

namespace ragtime {

// The similarities that were registered with a knowledge base, by name.
using Similarities = std::map<std::string, Similarity>;

struct RoutePlan {
  std::vector<RouteSpec> routes;  // Empty: "vector" and "keyword" over `group`.
  std::string group;              // "": all nodes are of one group.
  bool needs_vectors = true;      // Of Config::embed.
  std::set<std::string> keys;     // Of the embedders that routes ask beside it.
  bool needs_model = false;
};

// `groups` are those that the knowledge base records, with the keys of `embedders`; none: one group, whose name is
// `only_group`. kFailedPrecondition where a retriever names a group that is not in it yet or has no vectors;
// kInvalidArgument where its similarity is unknown or does not go with `metric`.
Result<RoutePlan> PlanRoutes(const Config& config, std::span<const NodeGroupConfig> groups,
                             const std::map<std::string, EmbedderRecord>& embedders, const std::string& only_group,
                             Metric metric, const Similarities& similarities);

// kInvalidArgument where the name is taken or the function empty.
Status AddSimilarity(const std::string& name, Similarity similarity, Similarities& similarities);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_ROUTES_H_
