// SPDX-License-Identifier: Apache-2.0
#include "query/search.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "query/fuse/fuse.h"
#include "query/fuse/mmr.h"
#include "query/relatives.h"

namespace ragtime {
namespace {

// Sets the paths of the hits' documents, each read once.
Status NameFiles(const Snapshot& snapshot, std::vector<SearchHit>& hits) {
  std::vector<DocumentId> ids;
  for (const SearchHit& hit : hits) ids.push_back(hit.node.document_id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  if (ids.empty()) return Status();
  Result<std::vector<std::optional<FileRecord>>> files = snapshot.FindFiles(ids);
  if (!files.ok()) return files.status().Annotate("reading the files table");
  if (files->size() != ids.size()) return InternalError("the store gave another number of files than asked for");
  for (SearchHit& hit : hits) {
    const auto place = std::lower_bound(ids.begin(), ids.end(), hit.node.document_id) - ids.begin();
    const std::optional<FileRecord>& file = (*files)[static_cast<size_t>(place)];
    if (file) hit.file = file->file_path;
  }
  return Status();
}

// Nodes of `fused` in its order; those that are gone meanwhile (a remote store) are left out.
Result<std::vector<SearchHit>> FetchNodes(const Snapshot& snapshot, std::span<const FusedHit> fused) {
  std::vector<NodeId> ids;
  for (const FusedHit& hit : fused) ids.push_back(hit.node_id);
  Result<std::vector<std::optional<Node>>> nodes = snapshot.GetNodes(ids);
  if (!nodes.ok()) return nodes.status().Annotate("reading the nodes found");
  if (nodes->size() != ids.size()) return InternalError("the store gave another number of nodes than asked for");
  std::vector<SearchHit> hits;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!(*nodes)[i]) continue;
    hits.push_back({.score = fused[i].score, .scores = fused[i].scores, .node = *std::move((*nodes)[i]), .file = ""});
  }
  return hits;
}

// On failure the order stays, and a warning says so.
std::vector<SearchHit> RerankHits(const SearchOptions& options, const std::string& question,
                                  std::vector<SearchHit> hits, std::vector<Warning>& warnings) {
  std::vector<RerankCandidate> candidates;
  for (const SearchHit& hit : hits) candidates.push_back({hit.node.id, hit.node.text, hit.score});
  Result<std::vector<RankedCandidate>> ranked = options.reranker->Rerank(options.recall.context, question, candidates);
  Status status = ranked.status();
  std::vector<bool> seen(hits.size());
  if (ranked.ok()) {
    for (const RankedCandidate& candidate : *ranked) {
      if (candidate.index < hits.size() && !seen[candidate.index]) {
        seen[candidate.index] = true;
        continue;
      }
      status = InternalError("the reranker named an unknown hit, or one twice");
      break;
    }
  }
  if (!status.ok()) {
    warnings.push_back({"rerank_failed", std::nullopt,
                        StrCat("the hits were not reranked: ", status.message(), "; ",
                               status.remedy().empty() ? "check the reranker's configuration" : status.remedy())});
    return hits;
  }
  std::vector<SearchHit> result;
  for (const RankedCandidate& candidate : *ranked) {
    result.push_back(std::move(hits[candidate.index]));
    result.back().score = candidate.score;
  }
  return result;
}

// The order of marginal relevance for what is looked at further.
Result<std::vector<FusedHit>> DiversifyHits(const Snapshot& snapshot, std::vector<FusedHit> fused, double lambda,
                                            size_t top_k) {
  const size_t count = std::min(fused.size(), RecallDepth(top_k));
  std::vector<FusedHit> rest(std::make_move_iterator(fused.begin() + static_cast<std::ptrdiff_t>(count)),
                             std::make_move_iterator(fused.end()));
  fused.resize(count);
  std::vector<NodeId> ids;
  for (const FusedHit& hit : fused) ids.push_back(hit.node_id);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::optional<Node>> nodes, snapshot.GetNodes(ids));
  DocumentNodes documents(snapshot);
  std::vector<std::vector<float>> vectors(count);
  for (size_t i = 0; i < count; ++i) {
    if (!nodes[i]) continue;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode>* document, documents.Of(nodes[i]->document_id));
    for (const NewNode& node : *document) {
      if (node.node.id == ids[i]) vectors[i] = node.vector;
    }
  }
  std::vector<FusedHit> result = Diversify(std::move(fused), vectors, lambda, std::min(count, top_k));
  std::move(rest.begin(), rest.end(), std::back_inserter(result));
  return result;
}

// Says of each hit at which place each route had it, and through which node.
void Explain(std::span<const RouteHits> routes, std::vector<SearchHit>& hits) {
  std::unordered_map<NodeId, SearchHit*> by_id;
  for (SearchHit& hit : hits) by_id[hit.node.id] = &hit;
  for (const RouteHits& route : routes) {
    for (size_t i = 0; i < route.hits.size(); ++i) {
      const auto hit = by_id.find(route.hits[i].node_id);
      if (hit == by_id.end()) continue;
      hit->second->ranks.emplace(route.route, i + 1);
      const auto via = route.via.find(hit->first);
      if (via != route.via.end() && via->second != hit->first) hit->second->via.emplace(route.route, via->second);
    }
  }
}

// Puts the neighbours of each hit around it. A node stands once: as a hit, or with the better of two hits.
Result<std::vector<SearchHit>> AddWindows(const Snapshot& snapshot, const WindowConfig& window,
                                          std::vector<SearchHit> hits) {
  std::unordered_set<NodeId> seen;
  for (const SearchHit& hit : hits) seen.insert(hit.node.id);
  DocumentNodes documents(snapshot);
  std::vector<SearchHit> result;
  for (SearchHit& hit : hits) {
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode>* document, documents.Of(hit.node.document_id));
    const NodeId id = hit.node.id;
    const double score = hit.score;
    bool added = false;
    for (const Node* neighbour : NeighboursOf(hit.node, *document, window)) {
      if (neighbour->id == id) {
        added = true;
        result.push_back(std::move(hit));
      } else if (seen.insert(neighbour->id).second) {
        SearchHit& other = result.emplace_back();
        other.score = score;
        other.node = *neighbour;
        other.window_of = id;
      }
    }
    if (!added) result.push_back(std::move(hit));
  }
  return result;
}

}  // namespace

Result<Searched> SearchNodes(const SearchOptions& options, std::shared_ptr<const Snapshot> snapshot,
                             std::shared_ptr<Embedder> embedder, ThreadPool& pool) {
  const Stopwatch total;
  Result<Recalled> recalled_result = Recall(options.recall, snapshot, std::move(embedder), pool);
  if (!recalled_result.ok()) return recalled_result.status();
  Recalled& recalled = *recalled_result;
  Searched searched;
  SearchResult& result = searched.result;
  result.timings_ms = std::move(recalled.timings_ms);
  result.warnings = std::move(recalled.warnings);

  const Stopwatch fusing;
  searched.fused = FuseRoutes(recalled.routes, recalled.specs, options.fusion);
  result.timings_ms["fuse"] = fusing.ElapsedMs();

  const size_t top_k = options.recall.top_k;
  if (options.fusion.mmr_lambda < 1) {
    const Stopwatch diversifying;
    RAGTIME_ASSIGN_OR_RETURN(searched.fused,
                             DiversifyHits(*snapshot, std::move(searched.fused), options.fusion.mmr_lambda, top_k));
    result.timings_ms["diversify"] = diversifying.ElapsedMs();
  }
  std::span<const FusedHit> fetched = searched.fused;
  if (options.reranker == nullptr && fetched.size() > top_k) fetched = fetched.first(top_k);
  const Stopwatch fetching;
  RAGTIME_ASSIGN_OR_RETURN(result.hits, FetchNodes(*snapshot, fetched));
  result.timings_ms["fetch"] = fetching.ElapsedMs();
  if (options.reranker != nullptr) {
    const Stopwatch reranking;
    result.hits = RerankHits(options, recalled.query.text, std::move(result.hits), result.warnings);
    for (const SearchHit& hit : result.hits) searched.reranked.push_back(hit.node.id);
    if (result.hits.size() > top_k) result.hits.resize(top_k);
    result.timings_ms["rerank"] = reranking.ElapsedMs();
  }
  Explain(recalled.routes, result.hits);
  if (options.window.before + options.window.after > 0) {
    const Stopwatch windowing;
    RAGTIME_ASSIGN_OR_RETURN(result.hits, AddWindows(*snapshot, options.window, std::move(result.hits)));
    result.timings_ms["window"] = windowing.ElapsedMs();
  }
  const Stopwatch naming;
  RAGTIME_RETURN_IF_ERROR(NameFiles(*snapshot, result.hits));
  result.timings_ms["fetch"] += naming.ElapsedMs();
  result.timings_ms["total"] = total.ElapsedMs();
  searched.query = std::move(recalled.query);
  searched.query_vector = std::move(recalled.query_vector);
  searched.keyed_vectors = std::move(recalled.keyed_vectors);
  searched.specs = std::move(recalled.specs);
  searched.routes = std::move(recalled.routes);
  return searched;
}

}  // namespace ragtime
