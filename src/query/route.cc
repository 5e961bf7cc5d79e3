// SPDX-License-Identifier: Apache-2.0
#include "query/route.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_set>
#include <utility>

#include "base/str_cat.h"
#include "query/choose.h"
#include "query/keyword_table.h"
#include "query/relatives.h"
#include "text/phrases.h"

namespace ragtime {
namespace {

constexpr size_t kReadNodes = 512;

void SortHits(std::vector<Hit>& hits) {
  std::sort(hits.begin(), hits.end(),
            [](const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.node_id < b.node_id; });
}

Result<std::vector<Hit>> SearchByVector(const RouteSpec& spec, const RouteQuery& query) {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<Hit> hits,
                           query.snapshot.SearchVector(query.context, {.vector = query.vector,
                                                                       .limit = query.depth,
                                                                       .group = spec.group,
                                                                       .filter = query.filter,
                                                                       .parameters = query.parameters,
                                                                       .key = spec.key}));
  if (spec.shown != spec.stored) {
    for (Hit& hit : hits) hit.score = static_cast<float>(ConvertScore(hit.score, spec.stored, spec.shown));
  }
  return hits;
}

// The nodes of the route's group that match the filter, by ascending id.
Result<std::vector<NodeRow>> RowsOf(const RouteSpec& spec, const RouteQuery& query, size_t limit) {
  std::vector<NodeRow> rows;
  RAGTIME_RETURN_IF_ERROR(query.snapshot.VisitNodes(query.context, query.filter, [&](const NodeRow& row) {
    if (!spec.group.empty() && row.group != spec.group) return true;
    rows.push_back({.node_id = row.node_id, .document_id = row.document_id, .group = {}});
    return rows.size() < limit;
  }));
  return rows;
}

Result<std::vector<Hit>> ListAll(const RouteSpec& spec, const RouteQuery& query) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<NodeRow> rows, RowsOf(spec, query, query.depth));
  std::vector<Hit> hits;
  for (const NodeRow& row : rows) hits.push_back({row.node_id, 1});
  return hits;
}

Result<std::vector<Hit>> SearchByModel(const RouteSpec& spec, const RouteQuery& query) {
  if (query.generator == nullptr) {
    return UnavailableError("similarity llm needs a language model, and none is at hand",
                            "set llm: {model: ...}, or another similarity");
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<NodeRow> rows, RowsOf(spec, query, kModelNodesMax + 1));
  if (rows.size() > kModelNodesMax) {
    return ResourceExhaustedError(
        StrCat("similarity llm would have the language model read more nodes than ", kModelNodesMax),
        "narrow them with --filter, or name a group with fewer nodes, such as summaries");
  }
  std::vector<NodeId> ids;
  for (const NodeRow& row : rows) ids.push_back(row.node_id);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::optional<Node>> found, query.snapshot.GetNodes(ids));
  std::vector<Node> nodes;
  for (const std::optional<Node>& node : found) {
    if (node) nodes.push_back(*node);
  }
  return ChooseNodes(query.context, query.query.text, nodes, *query.generator);
}

class FunctionSearch {
 public:
  FunctionSearch(const RouteSpec& spec, const RouteQuery& query) : spec_(spec), query_(query) {}

  Result<std::vector<Hit>> Run() {
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<NodeRow> rows, RowsOf(spec_, query_, SIZE_MAX));
    RAGTIME_RETURN_IF_ERROR(spec_.function.uses_vectors ? ScoreDocuments(rows) : ScoreNodes(rows));
    return std::move(hits_);
  }

 private:
  Status ScoreNodes(const std::vector<NodeRow>& rows) {
    for (size_t start = 0; start < rows.size(); start += kReadNodes) {
      RAGTIME_RETURN_IF_ERROR(query_.context.Check());
      std::vector<NodeId> ids;
      for (size_t i = start; i < std::min(rows.size(), start + kReadNodes); ++i) ids.push_back(rows[i].node_id);
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::optional<Node>> nodes, query_.snapshot.GetNodes(ids));
      for (const std::optional<Node>& node : nodes) {
        if (node) RAGTIME_RETURN_IF_ERROR(Score(*node, {}));
      }
    }
    return Status();
  }

  // Vectors are read by document: that is how the store keeps them together.
  Status ScoreDocuments(const std::vector<NodeRow>& rows) {
    std::map<DocumentId, std::unordered_set<NodeId>> documents;
    for (const NodeRow& row : rows) documents[row.document_id].insert(row.node_id);
    for (const auto& [document, wanted] : documents) {
      RAGTIME_RETURN_IF_ERROR(query_.context.Check());
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode> nodes, query_.snapshot.NodesOf(document));
      for (const NewNode& node : nodes) {
        if (!wanted.contains(node.node.id)) continue;
        if (spec_.key.empty()) {
          RAGTIME_RETURN_IF_ERROR(Score(node.node, node.vector));
        } else if (const auto found = node.named.find(spec_.key); found != node.named.end()) {
          RAGTIME_RETURN_IF_ERROR(Score(node.node, found->second));
        }
      }
    }
    return Status();
  }

  Status Score(const Node& node, std::span<const float> vector) {
    const double score = spec_.function.score(
        {.question = query_.query.text, .question_vector = query_.vector, .node = node, .vector = vector});
    if (!std::isfinite(score) || std::abs(score) > 3e38) {
      return InternalError(StrCat("the registered similarity gave the node ", node.id, " no finite score"),
                           "correct the function that RegisterSimilarity was given");
    }
    hits_.push_back({node.id, static_cast<float>(score)});
    return Status();
  }

  const RouteSpec& spec_;
  const RouteQuery& query_;
  std::vector<Hit> hits_;
};

// A question in quotes is often one that quotes: if no node holds the phrases, nodes with its words are better than
// none.
Result<std::vector<Hit>> SearchByKeyword(const RouteSpec& spec, const RouteQuery& query, bool& without_phrases) {
  KeywordQuery words{.text = query.query.keywords, .limit = query.depth, .group = spec.group, .filter = query.filter};
  RAGTIME_ASSIGN_OR_RETURN(std::vector<Hit> hits, query.snapshot.SearchKeyword(query.context, words));
  if (!hits.empty() || SplitQuotes(words.text).quoted.empty()) return hits;
  words.phrases = false;
  RAGTIME_ASSIGN_OR_RETURN(hits, query.snapshot.SearchKeyword(query.context, words));
  without_phrases = !hits.empty();
  return hits;
}

Result<std::vector<Hit>> FindNodes(const RouteSpec& spec, const RouteQuery& query, bool& without_phrases) {
  switch (spec.kind) {
    case RouteKind::kVector:
      return SearchByVector(spec, query);
    case RouteKind::kKeyword:
      return SearchByKeyword(spec, query, without_phrases);
    case RouteKind::kKeywords:
      return SearchKeywordTable(query.snapshot, query.context, query.query.keywords, spec.group, query.filter,
                                query.depth);
    case RouteKind::kModel:
      return SearchByModel(spec, query);
    case RouteKind::kAll:
      return ListAll(spec, query);
    case RouteKind::kFunction:
      return FunctionSearch(spec, query).Run();
  }
  return std::vector<Hit>();
}

}  // namespace

double ConvertScore(double score, Metric from, Metric to) {
  // Vectors have length 1, so the inner product is the cosine, and the squared distance 2 - 2 cos.
  const double cosine = from == Metric::kL2 ? 1 + score / 2 : score;
  return to == Metric::kL2 ? 2 * cosine - 2 : cosine;
}

Result<RouteHits> SearchRoute(const RouteSpec& spec, const RouteQuery& query) {
  RouteHits result{.route = spec.name, .hits = {}};
  RAGTIME_ASSIGN_OR_RETURN(result.hits, FindNodes(spec, query, result.without_phrases));
  if (spec.kind != RouteKind::kVector && spec.kind != RouteKind::kKeyword) SortHits(result.hits);
  if (spec.cut_off) std::erase_if(result.hits, [&spec](const Hit& hit) { return hit.score < *spec.cut_off; });
  if (result.hits.size() > query.depth) result.hits.resize(query.depth);
  if (!spec.target.empty()) RAGTIME_RETURN_IF_ERROR(MapToTarget(query.snapshot, spec.target, result));
  return result;
}

}  // namespace ragtime
