// SPDX-License-Identifier: Apache-2.0
//
// What one knowledge base measures of itself, and how it searches by that.
#include "engine/local_knowledge_base.h"

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/write_right.h"
#include "engine/tuning_joins.h"

namespace ragtime {
namespace {

// How many nodes Tune measures with where it is given no questions.
constexpr size_t kTuningNodes = 200;

}  // namespace

Result<TuneReport> LocalKnowledgeBase::Tune(const TuneOptions& options) {
  std::lock_guard one_at_a_time(ingest_mutex_);
  const Stopwatch total;
  if (!(options.recall > 0 && options.recall <= 1)) {
    return InvalidArgumentError(StrCat("a recall of ", options.recall, " cannot be reached"),
                                "ask for a share above 0 and at most 1, as 0.95");
  }
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetFollowedSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const RoutePlan plan, Plan());
  const Context& context = options.context;
  const TuningRequest request{
      .recall = options.recall, .depth = RecallDepth(config_.search.top_k), .group = plan.group};
  std::vector<TuningQuestion> questions;
  if (options.questions.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(questions, SampleQuestions(context, *snapshot, plan.group, kTuningNodes));
  } else {
    RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Embedder> embedder, GetEmbedder());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vectors,
                             embedder->Embed(context, options.questions, TextKind::kQuery));
    const size_t dimension = vectors.size() / options.questions.size();
    for (auto at = vectors.begin(); at != vectors.end(); at += static_cast<std::ptrdiff_t>(dimension)) {
      questions.push_back({.vector = {at, at + static_cast<std::ptrdiff_t>(dimension)}});
    }
  }
  const double sample_ms = total.ElapsedMs();
  const Stopwatch measuring;
  RAGTIME_ASSIGN_OR_RETURN(TuneReport report, MeasureRecall(context, *snapshot, questions, request));
  const std::shared_ptr<Store> store = GetStore();
  RAGTIME_RETURN_IF_ERROR(store->BeginWrite(config_.lock_timeout_ms));
  const WriteRight right(*store);
  // Another process may have exchanged vectors and model meanwhile, and then the measure is of others.
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(*store));
  std::lock_guard lock(mutex_);
  if (!recorded || !recorded_ || recorded->fingerprint != recorded_->fingerprint) {
    return FailedPreconditionError("the vectors were exchanged while they were measured", "run ragtime tune again");
  }
  WriteBatch batch;
  batch.settings = TuningSettings(report.tuning, recorded->fingerprint);
  RAGTIME_RETURN_IF_ERROR(store->Commit(context, std::move(batch)).status());
  RAGTIME_RETURN_IF_ERROR(TakeTuning(std::optional(report.tuning)));
  if (IsExplicit(config_, kEfKey)) {
    report.warnings.push_back({"overruled", std::nullopt,
                               StrCat("the configuration sets ef to ", config_.store.hnsw.ef, ", which wins; take ",
                                      kEfKey, " out to search with ", report.tuning.ef)});
  }
  report.timings_ms = {{"sample", sample_ms}, {"measure", measuring.ElapsedMs()}, {"total", total.ElapsedMs()}};
  return report;
}

Status LocalKnowledgeBase::TakeTuning(Result<std::optional<VectorTuning>> tuning) {
  if (!tuning.ok()) return tuning.status();
  tuning_ = *std::move(tuning);
  configuration_.clear();
  return Status();
}

VectorSearchParameters LocalKnowledgeBase::TunedParameters() const {
  // It was measured with HNSW; DISKANN goes by an ef of its own.
  const bool of_type = config_.store.index_type == "AUTO" || config_.store.index_type == "HNSW";
  return {.ef = tuning_ && of_type && !IsExplicit(config_, kEfKey) ? tuning_->ef : 0};
}

VectorSearchParameters LocalKnowledgeBase::Parameters() const {
  std::lock_guard lock(mutex_);
  return TunedParameters();
}

Result<JoinRecord> LocalKnowledgeBase::TuneJoins(const TuneJoinsOptions& options) {
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Generator> generator, GetGenerator());
  if (generator == nullptr) {
    return FailedPreconditionError("no language model is configured", "set llm: {api: local}");
  }
  std::vector<std::string> questions = options.questions;
  if (questions.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(questions, QuestionsOfNodes(*snapshot, options.questions_max, options.context));
  }
  return MeasureJoins(
      config_, *generator, [this](const SearchRequest& request) { return Search(request); }, questions, options);
}

}  // namespace ragtime
