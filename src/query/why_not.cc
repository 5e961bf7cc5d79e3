// SPDX-License-Identifier: Apache-2.0
#include "query/why_not.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

// A route is asked for eight times as much until it gives the file or has nothing more.
constexpr size_t kDeeper = 8;
// The exact place of a node beyond this says no more than "far away".
constexpr size_t kRankMax = 1000000;

using NodeIds = std::unordered_set<NodeId>;

// The place from 1 of the first of `hits` that is one of the file's nodes.
template <typename Hits>
std::optional<size_t> RankIn(const Hits& hits, const NodeIds& ids) {
  for (size_t i = 0; i < hits.size(); ++i) {
    if (ids.contains(hits[i].node_id)) return i + 1;
  }
  return std::nullopt;
}

class Explanation {
 public:
  Explanation(const SearchOptions& options, const FileRecord& file, std::shared_ptr<const Snapshot> snapshot,
              std::shared_ptr<Embedder> embedder, ThreadPool& pool)
      : options_(options), file_(file), snapshot_(std::move(snapshot)), embedder_(std::move(embedder)), pool_(pool) {}

  Result<WhyNotReport> Run() {
    const Stopwatch total;
    RAGTIME_RETURN_IF_ERROR(CountNodes());
    if (report_.stage.empty() && ids_.empty()) {
      Lost("no_nodes", StrCat(file_.file_path, " holds no text that could be found"),
           "see whether the file is empty, and run ragtime ingest again");
    }
    if (report_.stage.empty() && report_.matching_nodes == 0) {
      Lost("filtered", StrCat("the filter leaves none of the nodes of ", file_.file_path), "widen --filter");
    }
    if (report_.stage.empty()) RAGTIME_RETURN_IF_ERROR(Search());
    report_.timings_ms["total"] = total.ElapsedMs();
    return std::move(report_);
  }

 private:
  void Lost(std::string stage, std::string message, std::string remedy) {
    report_.stage = std::move(stage);
    report_.message = std::move(message);
    report_.remedy = std::move(remedy);
  }

  Status CountNodes() {
    if (file_.status == FileStatus::kFailed && file_.nodes == 0) {
      Lost("failed", StrCat(file_.file_path, " could not be ingested: ", file_.error),
           "mend the file and run ragtime ingest again");
      return Status();
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode> nodes, snapshot_->NodesOf(file_.id));
    for (const NewNode& node : nodes) ids_.insert(node.node.id);
    report_.nodes = ids_.size();
    if (options_.recall.filter.matches_all()) {
      report_.matching_nodes = report_.nodes;
      return Status();
    }
    return snapshot_->VisitNodes(options_.recall.context, options_.recall.filter, [this](const NodeRow& row) {
      if (row.document_id == file_.id) ++report_.matching_nodes;
      return true;
    });
  }

  Status Search() {
    SearchOptions options = options_;
    options.window = {};
    RAGTIME_ASSIGN_OR_RETURN(const Searched searched, SearchNodes(options, snapshot_, embedder_, pool_));
    report_.warnings = searched.result.warnings;
    report_.timings_ms = searched.result.timings_ms;
    for (size_t i = 0; i < searched.result.hits.size() && !report_.rank; ++i) {
      if (ids_.contains(searched.result.hits[i].node.id)) report_.rank = i + 1;
    }
    report_.fused_rank = RankIn(searched.fused, ids_);
    const size_t reranked = static_cast<size_t>(std::find_if(searched.reranked.begin(), searched.reranked.end(),
                                                             [this](NodeId id) { return ids_.contains(id); }) -
                                                searched.reranked.begin());
    if (reranked < searched.reranked.size()) report_.reranked_rank = reranked + 1;
    for (const RouteSpec& spec : searched.specs) RAGTIME_RETURN_IF_ERROR(AddRoute(spec, searched));
    Judge();
    return Status();
  }

  Status AddRoute(const RouteSpec& spec, const Searched& searched) {
    WhyNotRoute& route = report_.routes.emplace_back();
    route.name = spec.name;
    route.depth = spec.depth > 0 ? spec.depth : RecallDepth(options_.recall.top_k);
    const auto answered = std::find_if(searched.routes.begin(), searched.routes.end(),
                                       [&spec](const RouteHits& hits) { return hits.route == spec.name; });
    if (answered == searched.routes.end()) {
      route.state = "failed";
      return Status();
    }
    if (const std::optional<size_t> rank = RankIn(answered->hits, ids_)) {
      route.state = "found";
      route.rank = rank;
      route.score = answered->hits[*rank - 1].score;
      return Status();
    }
    return LookDeeper(spec, searched, route);
  }

  // Where the file would stand if the route returned everything, cut-off aside.
  Status LookDeeper(RouteSpec spec, const Searched& searched, WhyNotRoute& route) {
    const std::optional<double> cut_off = std::exchange(spec.cut_off, std::nullopt);
    route.state = "no_match";
    // A model would have to read everything again, and says nothing of what it did not choose.
    if (spec.kind == RouteKind::kModel) return Status();
    std::span<const float> vector = searched.query_vector;
    if (!spec.key.empty()) {
      const auto keyed = searched.keyed_vectors.find(spec.key);
      vector = keyed == searched.keyed_vectors.end() ? std::span<const float>() : std::span(keyed->second);
    }
    size_t before = 0;
    for (size_t depth = route.depth;; depth = std::min(depth * kDeeper, kRankMax)) {
      RAGTIME_RETURN_IF_ERROR(options_.recall.context.Check());
      RAGTIME_ASSIGN_OR_RETURN(const RouteHits hits, SearchRoute(spec, {.snapshot = *snapshot_,
                                                                        .context = options_.recall.context,
                                                                        .query = searched.query,
                                                                        .filter = options_.recall.filter,
                                                                        .vector = vector,
                                                                        .parameters = options_.recall.parameters,
                                                                        .depth = depth}));
      if (const std::optional<size_t> rank = RankIn(hits.hits, ids_)) {
        route.rank = rank;
        route.score = hits.hits[*rank - 1].score;
        route.state = cut_off && *route.score < *cut_off ? "cut_off" : "beyond_top_k";
        return Status();
      }
      if (hits.hits.size() <= before || depth >= kRankMax) return Status();
      before = hits.hits.size();
    }
  }

  void Judge() {
    const size_t top_k = options_.recall.top_k;
    if (report_.rank) {
      return Lost("found", StrCat(file_.file_path, " is among the hits, at rank ", *report_.rank), "");
    }
    if (!report_.fused_rank) return JudgeRoutes();
    if (options_.reranker != nullptr && !report_.reranked_rank) {
      return Lost("reranked_away",
                  StrCat(file_.file_path, " was at rank ", *report_.fused_rank,
                         " after the routes were joined, and the reranker dropped it"),
                  "see rerank.required and rerank.excluded");
    }
    if (report_.reranked_rank) {
      return Lost("reranked",
                  StrCat(file_.file_path, " is at rank ", *report_.reranked_rank, " after reranking, beyond the ",
                         top_k, " hits asked for"),
                  StrCat("ask for more with --top-k ", *report_.reranked_rank));
    }
    Lost("fused",
         StrCat(file_.file_path, " is at rank ", *report_.fused_rank, " after the routes were joined, beyond the ",
                top_k, " hits asked for"),
         StrCat("ask for more with --top-k ", *report_.fused_rank));
  }

  // No route brought it. The one that came nearest says what to do.
  void JudgeRoutes() {
    const WhyNotRoute* cut = nullptr;
    const WhyNotRoute* nearest = nullptr;
    for (const WhyNotRoute& route : report_.routes) {
      if (route.state == "cut_off" && (cut == nullptr || *route.rank < *cut->rank)) cut = &route;
      if (route.state == "beyond_top_k" && (nearest == nullptr || *route.rank < *nearest->rank)) nearest = &route;
    }
    if (nearest != nullptr) {
      return Lost("not_recalled",
                  StrCat("no route looked deep enough for ", file_.file_path, ": ", nearest->name, " has it at rank ",
                         *nearest->rank, " and returns ", nearest->depth),
                  StrCat("raise top_k of the retriever ", nearest->name, ", or --top-k"));
    }
    if (cut != nullptr) {
      return Lost("cut_off",
                  StrCat(file_.file_path, " has the score ", *cut->score, " on the route ", cut->name,
                         ", below its similarity_cut_off"),
                  StrCat("lower similarity_cut_off of the retriever ", cut->name));
    }
    Lost("no_match", StrCat("nothing in ", file_.file_path, " matches the question on any route that answered"),
         "ask with words of the document, add rewrite.synonyms, or add a retriever over another group");
  }

  const SearchOptions& options_;
  const FileRecord& file_;
  const std::shared_ptr<const Snapshot> snapshot_;
  const std::shared_ptr<Embedder> embedder_;
  ThreadPool& pool_;
  NodeIds ids_;
  WhyNotReport report_;
};

}  // namespace

Result<WhyNotReport> ExplainMissing(const SearchOptions& options, const FileRecord& file,
                                    std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<Embedder> embedder,
                                    ThreadPool& pool) {
  return Explanation(options, file, std::move(snapshot), std::move(embedder), pool).Run();
}

}  // namespace ragtime
