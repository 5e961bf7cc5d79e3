// SPDX-License-Identifier: Apache-2.0
//
// The models that one knowledge base asks: loaded at the first use, checked against what it records, then kept.
#include "engine/local_knowledge_base.h"

#include "base/str_cat.h"
#include "cache/caching_embedder.h"
#include "engine/embedders.h"

namespace ragtime {
void WarnOfEmbedder(const Embedder* embedder, std::vector<Warning>& warnings) {
  const Status status = embedder != nullptr ? embedder->condition() : Status();
  if (status.ok()) return;
  warnings.push_back({"embedder", std::nullopt, StrCat(status.message(), "; ", status.remedy())});
}

void WarnOfEmbedders(const Embedder* embedder, const KeyedEmbedders& keyed, std::vector<Warning>& warnings) {
  WarnOfEmbedder(embedder, warnings);
  for (const auto& [key, other] : keyed) WarnOfEmbedder(other.embedder.get(), warnings);
}

Result<std::shared_ptr<Embedder>> LocalKnowledgeBase::GetEmbedder() {
  std::lock_guard lock(mutex_);
  if (!embedder_) {
    RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Embedder> embedder, MakeEmbedder(config_));
    if (recorded_) RAGTIME_RETURN_IF_ERROR(CheckEmbedder(*recorded_, embedder->info()));
    embedder_ = std::move(embedder);
    if (caches_.results) {
      embedder_ = std::make_shared<CachingEmbedder>(std::move(embedder_), caches_.results, config_.cache.ttl_s);
    }
  }
  return embedder_;
}

Result<std::shared_ptr<Embedder>> LocalKnowledgeBase::GetKeyedEmbedder(const std::string& key) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<Embedder>& kept = keyed_[key];
  if (kept) return kept;
  Result<std::unique_ptr<Embedder>> made = MakeEmbedder(ConfigOfEmbedder(config_, key));
  if (!made.ok()) return made.status().Annotate(StrCat("the embedder ", key));
  if (recorded_) RAGTIME_RETURN_IF_ERROR(CheckKeyedEmbedder(*recorded_, key, (*made)->info()));
  kept = *std::move(made);
  if (caches_.results) {
    kept = std::make_shared<CachingEmbedder>(std::move(kept), caches_.results, config_.cache.ttl_s);
  }
  return kept;
}

Result<LocalKnowledgeBase::ChosenEmbedder> LocalKnowledgeBase::ChooseEmbedder(Route route, const RoutePlan& plan) {
  ChosenEmbedder chosen;
  if (route == Route::kKeyword) return chosen;
  const auto choose = [route](Result<std::shared_ptr<Embedder>> embedder, std::shared_ptr<Embedder>& to,
                              Status& why_not) -> Status {
    if (embedder.ok()) {
      to = *std::move(embedder);
      return Status();
    }
    const StatusCode code = embedder.status().code();
    const bool missing = code == StatusCode::kNotFound || code == StatusCode::kUnavailable;
    if (route != Route::kHybrid || !missing) return embedder.status();
    why_not = embedder.status();
    return Status();
  };
  if (plan.needs_vectors) RAGTIME_RETURN_IF_ERROR(choose(GetEmbedder(), chosen.embedder, chosen.status));
  for (const std::string& key : plan.keys) {
    KeyedEmbedder& keyed = chosen.keyed[key];
    RAGTIME_RETURN_IF_ERROR(choose(GetKeyedEmbedder(key), keyed.embedder, keyed.status));
  }
  return chosen;
}

Result<std::shared_ptr<Generator>> LocalKnowledgeBase::GetGenerator() {
  std::lock_guard lock(mutex_);
  if (!generator_) {
    RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Generator> generator, MakeGenerator(config_));
    generator_ = std::move(generator);
  }
  return generator_;
}

Result<std::shared_ptr<Reranker>> LocalKnowledgeBase::GetReranker() {
  std::lock_guard lock(mutex_);
  if (!reranker_) {
    RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Reranker> reranker, MakeReranker(config_));
    reranker_ = std::move(reranker);
  }
  return reranker_;
}

Result<RoutePlan> LocalKnowledgeBase::Plan() const {
  std::lock_guard lock(mutex_);
  const Recorded none;
  const Recorded& recorded = recorded_ ? *recorded_ : none;
  return PlanRoutes(config_, recorded.node_groups, recorded.embedders, StrCat("sentence-", config_.split.size_tokens),
                    metric_, similarities_);
}

std::map<std::string, std::string> LocalKnowledgeBase::RouteKeys(Route route) const {
  std::map<std::string, std::string> keys;
  if (route == Route::kKeyword) return keys;
  std::lock_guard lock(mutex_);
  for (const RetrieverConfig& retriever : config_.retrievers) {
    if (!retriever.embed_key.empty()) keys[retriever.name] = retriever.embed_key;
  }
  return keys;
}

std::shared_ptr<Generator> LocalKnowledgeBase::Chooser(const RoutePlan& plan) {
  if (!plan.needs_model) return nullptr;
  Result<std::shared_ptr<Generator>> generator = GetGenerator();
  return generator.ok() ? *std::move(generator) : nullptr;
}

GeneratorStatistics LocalKnowledgeBase::GenerationStatistics() {
  std::lock_guard lock(mutex_);
  return generator_ != nullptr ? generator_->statistics() : GeneratorStatistics{};
}

}  // namespace ragtime
