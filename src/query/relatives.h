// SPDX-License-Identifier: Apache-2.0
//
// The nodes of other groups that a node lies in or that lie in it, and its neighbours, told by the bytes they stand
// for.
//
// No node stores who its parent is: a parent's bytes hold those of its children, which stays true across stores and
// whatever groups are added later.
//
// Threads: each object is used by one thread. Errors: those of the snapshot.
#ifndef RAGTIME_QUERY_RELATIVES_H_
#define RAGTIME_QUERY_RELATIVES_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "query/hits.h"
#include "ragtime/retriever.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// The nodes of documents with their vectors, each document read once.
class DocumentNodes {
 public:
  explicit DocumentNodes(const Snapshot& snapshot) : snapshot_(snapshot) {}
  // By (group, position).
  Result<const std::vector<NewNode>*> Of(DocumentId id);

 private:
  const Snapshot& snapshot_;
  std::map<DocumentId, std::vector<NewNode>> documents_;
};

// Those of `document` that are of `target` and relate to `node`, by position: the smallest that hold all of it, else
// those that lie in it, else those that share bytes with it. A node without bytes stands for its whole document. The
// node itself, if it is of that group.
std::vector<const Node*> RelativesOf(const Node& node, const std::vector<NewNode>& document, std::string_view target);

// Puts the relatives in `target` in place of the hits: each once, with the best score that led to it, by score, then
// id. `hits.via` says which node that was.
Status MapToTarget(const Snapshot& snapshot, const std::string& target, RouteHits& hits);

// Up to `window` neighbours of a node in its document and group, and the node itself, by position.
std::vector<const Node*> NeighboursOf(const Node& node, const std::vector<NewNode>& document,
                                      const WindowConfig& window);

}  // namespace ragtime

#endif  // RAGTIME_QUERY_RELATIVES_H_
