// SPDX-License-Identifier: Apache-2.0
#include "query/relatives.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>

namespace ragtime {
namespace {

// A target of many small nodes could bring a whole library in for a few summaries.
constexpr size_t kTargetNodesMax = 10000;

Span SpanOf(const Node& node) { return node.bytes.value_or(Span{0, UINT64_MAX}); }
bool Holds(const Span& outer, const Span& inner) { return outer.start <= inner.start && inner.end <= outer.end; }
bool Overlaps(const Span& a, const Span& b) { return a.start < b.end && b.start < a.end; }

}  // namespace

Result<const std::vector<NewNode>*> DocumentNodes::Of(DocumentId id) {
  auto found = documents_.find(id);
  if (found == documents_.end()) {
    RAGTIME_ASSIGN_OR_RETURN(std::vector<NewNode> nodes, snapshot_.NodesOf(id));
    found = documents_.emplace(id, std::move(nodes)).first;
  }
  return &found->second;
}

std::vector<const Node*> RelativesOf(const Node& node, const std::vector<NewNode>& document, std::string_view target) {
  const Span span = SpanOf(node);
  std::vector<const Node*> holding, inside, sharing;
  std::optional<uint64_t> smallest;
  for (const NewNode& other : document) {
    if (other.node.group != target) continue;
    if (other.node.id == node.id) return {&other.node};
    const Span around = SpanOf(other.node);
    if (Holds(around, span)) {
      const uint64_t size = around.end - around.start;
      if (smallest && size > *smallest) continue;
      if (!smallest || size < *smallest) holding.clear();
      smallest = size;
      holding.push_back(&other.node);
    } else if (Holds(span, around)) {
      inside.push_back(&other.node);
    } else if (Overlaps(span, around)) {
      sharing.push_back(&other.node);
    }
  }
  // Two parents that overlap both hold what lies in both: the first is enough, unless both stand for the same bytes.
  std::erase_if(holding, [&holding](const Node* other) {
    return other != holding.front() && other->bytes != holding.front()->bytes;
  });
  return !holding.empty() ? holding : !inside.empty() ? inside : sharing;
}

Status MapToTarget(const Snapshot& snapshot, const std::string& target, RouteHits& hits) {
  std::vector<NodeId> ids;
  for (const Hit& hit : hits.hits) ids.push_back(hit.node_id);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::optional<Node>> nodes, snapshot.GetNodes(ids));
  if (nodes.size() != ids.size()) return InternalError("the store gave another number of nodes than asked for");
  DocumentNodes documents(snapshot);
  std::unordered_map<NodeId, NodeId> via;
  std::vector<Hit> mapped;
  for (size_t i = 0; i < ids.size() && mapped.size() < kTargetNodesMax; ++i) {
    if (!nodes[i]) continue;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode>* document, documents.Of(nodes[i]->document_id));
    // Hits come best first, so the first that leads to a node has its best score.
    for (const Node* relative : RelativesOf(*nodes[i], *document, target)) {
      if (via.emplace(relative->id, ids[i]).second) mapped.push_back({relative->id, hits.hits[i].score});
    }
  }
  std::sort(mapped.begin(), mapped.end(),
            [](const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.node_id < b.node_id; });
  hits.hits = std::move(mapped);
  hits.via = std::move(via);
  return Status();
}

std::vector<const Node*> NeighboursOf(const Node& node, const std::vector<NewNode>& document,
                                      const WindowConfig& window) {
  std::vector<const Node*> neighbours;
  for (const NewNode& other : document) {
    if (other.node.group != node.group) continue;
    const uint64_t position = other.node.position;
    if (position + window.before >= node.position && position <= node.position + window.after)
      neighbours.push_back(&other.node);
  }
  return neighbours;
}

}  // namespace ragtime
