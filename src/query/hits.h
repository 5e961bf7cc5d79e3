// SPDX-License-Identifier: Apache-2.0
//
// Lists of hits on their way from the routes to one result.
#ifndef RAGTIME_QUERY_HITS_H_
#define RAGTIME_QUERY_HITS_H_

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ragtime/node.h"
#include "ragtime/store.h"

namespace ragtime {

// What one route found, best first.
struct RouteHits {
  std::string route;  // "vector", "keyword", or the name of a retriever.
  std::vector<Hit> hits;
  // Of a route with a target: the node that was found, for each that is returned. Else empty.
  std::unordered_map<NodeId, NodeId> via = {};
  // No node holds what the question has in quotes; these were found by its words alone.
  bool without_phrases = false;
};

struct FusedHit {
  NodeId node_id = 0;
  double score = 0;
  std::map<std::string, double> scores;  // As each route gave it; a route that did not find the node has no key.
  friend bool operator==(const FusedHit&, const FusedHit&) = default;
};

}  // namespace ragtime

#endif  // RAGTIME_QUERY_HITS_H_
