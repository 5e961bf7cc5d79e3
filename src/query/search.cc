// SPDX-License-Identifier: Apache-2.0
#include "query/search.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "query/fuse/rrf.h"

namespace ragtime {
namespace {

// The paths of documents, each read once in a request.
class FileNames {
 public:
  explicit FileNames(const Snapshot& snapshot) : snapshot_(snapshot) {}

  Result<std::string> Of(DocumentId id) {
    if (const auto found = names_.find(id); found != names_.end()) return found->second;
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> file, snapshot_.FindFile(id));
    return names_[id] = file ? file->file_path : "";
  }

 private:
  const Snapshot& snapshot_;
  std::unordered_map<DocumentId, std::string> names_;
};

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
  std::vector<FusedHit> fused = FuseByRank(recalled.routes);
  result.timings_ms["fuse"] = fusing.ElapsedMs();

  const size_t top_k = options.recall.top_k;
  if (options.reranker == nullptr && fused.size() > top_k) fused.resize(top_k);
  const Stopwatch fetching;
  RAGTIME_ASSIGN_OR_RETURN(result.hits, FetchNodes(*snapshot, fused));
  result.timings_ms["fetch"] = fetching.ElapsedMs();
  if (options.reranker != nullptr) {
    const Stopwatch reranking;
    result.hits = RerankHits(options, recalled.query.text, std::move(result.hits), result.warnings);
    if (result.hits.size() > top_k) result.hits.resize(top_k);
    result.timings_ms["rerank"] = reranking.ElapsedMs();
  }
  FileNames names(*snapshot);
  for (SearchHit& hit : result.hits) {
    Result<std::string> name = names.Of(hit.node.document_id);
    if (!name.ok()) return name.status().Annotate("reading the files table");
    hit.file = *std::move(name);
  }
  result.timings_ms["total"] = total.ElapsedMs();
  searched.query = std::move(recalled.query);
  searched.query_vector = std::move(recalled.query_vector);
  return searched;
}

}  // namespace ragtime
