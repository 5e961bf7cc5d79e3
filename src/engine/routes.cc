// SPDX-License-Identifier: Apache-2.0
#include "engine/routes.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"
#include "engine/retrievers.h"

namespace ragtime {
namespace {

class Planner {
 public:
  Planner(std::span<const NodeGroupConfig> groups, const std::map<std::string, EmbedderRecord>& embedders,
          const std::string& only_group, Metric metric, const Similarities& similarities)
      : groups_(groups), embedders_(embedders), only_group_(only_group), metric_(metric), similarities_(similarities) {}

  Result<RouteSpec> Plan(const RetrieverConfig& retriever) const {
    RouteSpec spec{.name = retriever.name,
                   .group = retriever.group,
                   .depth = retriever.top_k,
                   .cut_off = retriever.similarity_cut_off,
                   .weight = retriever.weight,
                   .target = retriever.target,
                   .stored = metric_,
                   .shown = metric_,
                   .key = retriever.embed_key};
    if (spec.group.empty() && !groups_.empty()) spec.group = groups_.front().name;
    RAGTIME_RETURN_IF_ERROR(CheckGroup(spec.name, "group", spec.group));
    RAGTIME_RETURN_IF_ERROR(CheckGroup(spec.name, "target", spec.target));
    if (spec.target == spec.group) spec.target.clear();
    RAGTIME_RETURN_IF_ERROR(SetKind(retriever.similarity, spec));
    if (!spec.key.empty() && !spec.NeedsVector()) {
      return InvalidArgumentError(StrCat("the retriever ", spec.name, " has the embed_key ", spec.key,
                                         ", and its similarity ", retriever.similarity, " compares no vectors"),
                                  "take embed_key out, or register the similarity with uses_vectors");
    }
    if (spec.NeedsVector()) RAGTIME_RETURN_IF_ERROR(CheckVectors(spec));
    return spec;
  }

 private:
  const NodeGroupConfig* Find(const std::string& name) const {
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&name](const auto& g) { return g.name == name; });
    return found == groups_.end() ? nullptr : &*found;
  }

  Status CheckGroup(const std::string& route, std::string_view what, const std::string& name) const {
    if (name.empty() || Find(name) != nullptr || (groups_.empty() && name == only_group_)) return Status();
    std::string known = groups_.empty() ? only_group_ : "";
    for (const NodeGroupConfig& group : groups_) known += StrCat(known.empty() ? "" : ", ", group.name);
    return FailedPreconditionError(
        StrCat("the retriever ", route, " has the ", what, " ", name, ", and the knowledge base has ", known),
        "correct the name, or declare it in node_groups and run ragtime ingest");
  }

  Status CheckVectors(const RouteSpec& spec) const {
    const NodeGroupConfig* const group = Find(spec.group);
    if (!spec.key.empty()) {
      const bool embedded =
          group != nullptr && embedders_.contains(spec.key) &&
          std::find(group->embed_keys.begin(), group->embed_keys.end(), spec.key) != group->embed_keys.end();
      if (embedded) return Status();
      return FailedPreconditionError(
          StrCat("the retriever ", spec.name, " compares vectors of the embedder ", spec.key, ", and the nodes of ",
                 spec.group.empty() ? only_group_ : spec.group, " were not embedded by it when they were made"),
          "run ragtime ingest with this configuration, which embeds them, or take embed_key out");
    }
    if (group == nullptr || group->embed) return Status();
    return FailedPreconditionError(StrCat("the retriever ", spec.name, " compares vectors, and the nodes of ",
                                          spec.group, " were not embedded when they were made"),
                                   "run ragtime ingest with this configuration, or use similarity: bm25");
  }

  Status SetKind(const std::string& similarity, RouteSpec& spec) const {
    if (similarity == "bm25") {
      spec.kind = RouteKind::kKeyword;
    } else if (similarity == "keywords") {
      spec.kind = RouteKind::kKeywords;
    } else if (similarity == "llm") {
      spec.kind = RouteKind::kModel;
    } else if (similarity == "all") {
      spec.kind = RouteKind::kAll;
    } else if (IsVectorSimilarity(similarity)) {
      spec.kind = RouteKind::kVector;
      spec.shown = similarity == "ip" ? Metric::kInnerProduct : similarity == "l2" ? Metric::kL2 : Metric::kCosine;
      // Only vectors of length 1 let one metric tell another.
      if (spec.shown != metric_ && metric_ != Metric::kCosine) {
        return InvalidArgumentError(
            StrCat("the retriever ", spec.name, " has similarity ", similarity,
                   ", and the vectors of the knowledge base "
                   "are kept for ",
                   metric_ == Metric::kL2 ? "l2" : "ip"),
            StrCat("write similarity: ", metric_ == Metric::kL2 ? "l2" : "ip",
                   ", or make the knowledge base with metric_type: COSINE, which serves all three"));
      }
    } else {
      const auto found = similarities_.find(similarity);
      if (found == similarities_.end()) {
        std::string known = "cosine, ip, l2, bm25, keywords, llm, all";
        for (const auto& [name, function] : similarities_) known += StrCat(", ", name);
        return InvalidArgumentError(
            StrCat("the retriever ", spec.name, " has the similarity ", similarity, ", which is unknown"),
            StrCat("write one of ", known, ", or register it with KnowledgeBase::RegisterSimilarity"));
      }
      spec.kind = RouteKind::kFunction;
      spec.function = found->second;
    }
    return Status();
  }

  std::span<const NodeGroupConfig> groups_;
  const std::map<std::string, EmbedderRecord>& embedders_;
  const std::string& only_group_;
  const Metric metric_;
  const Similarities& similarities_;
};

}  // namespace

Result<RoutePlan> PlanRoutes(const Config& config, std::span<const NodeGroupConfig> groups,
                             const std::map<std::string, EmbedderRecord>& embedders, const std::string& only_group,
                             Metric metric, const Similarities& similarities) {
  RoutePlan plan;
  if (!groups.empty()) plan.group = groups.front().name;
  if (config.retrievers.empty()) return plan;
  plan.needs_vectors = false;
  const Planner planner(groups, embedders, only_group, metric, similarities);
  for (const RetrieverConfig& retriever : config.retrievers) {
    RAGTIME_ASSIGN_OR_RETURN(RouteSpec spec, planner.Plan(retriever));
    if (spec.NeedsVector() && !spec.key.empty()) plan.keys.insert(spec.key);
    plan.needs_vectors |= spec.NeedsVector() && spec.key.empty();
    plan.needs_model |= spec.kind == RouteKind::kModel;
    plan.routes.push_back(std::move(spec));
  }
  return plan;
}

Status AddSimilarity(const std::string& name, Similarity similarity, Similarities& similarities) {
  if (!similarity.score)
    return InvalidArgumentError(StrCat("the similarity ", name, " has no function"), "give it one");
  if (name.empty() || IsBuiltinSimilarity(name) || similarities.contains(name)) {
    return InvalidArgumentError(StrCat("the name of the similarity is taken or empty: \"", name, "\""),
                                "register it under another name");
  }
  similarities.emplace(name, std::move(similarity));
  return Status();
}

}  // namespace ragtime
