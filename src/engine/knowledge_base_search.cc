// SPDX-License-Identifier: Apache-2.0
//
// Searches of one knowledge base: looked up among those that are kept, else recalled; and why one did not find a file.
#include "engine/local_knowledge_base.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <tuple>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "engine/keeping.h"
#include "query/answer.h"
#include "query/pack.h"
#include "query/rewrite/synonyms.h"
#include "query/rewrite/verbatim.h"
#include "query/search.h"
#include "query/why_not.h"

namespace ragtime {
Result<SearchResult> LocalKnowledgeBase::Search(const SearchRequest& request) {
  const Stopwatch stopwatch;
  RAGTIME_RETURN_IF_ERROR(request.context.Check());
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetFollowedSnapshot());
  const size_t top_k = request.top_k.value_or(config_.search.top_k);
  const Route route = request.route.value_or(config_.search.route);
  const std::optional<KeptResults> kept = KeptOf(*snapshot);
  const std::string identity = SearchIdentity(request, top_k, route);
  const Stopwatch looking;
  std::optional<SearchResult> before = kept ? kept->FindSearch(request.context, identity) : std::nullopt;
  SearchResult result;
  if (before) {
    result = *std::move(before);
  } else {
    const double cache_ms = looking.ElapsedMs();
    RAGTIME_ASSIGN_OR_RETURN(Searched searched,
                             Recall(snapshot, request.query, top_k, route, request.filter, request.context));
    result = std::move(searched.result);
    if (kept && WorthKeeping(result.warnings)) kept->KeepSearch(request.context, identity, result);
    if (kept) result.timings_ms["cache"] = cache_ms;
  }
  if (result.cached) result.timings_ms["cache"] = looking.ElapsedMs();
  WarnOfCache(result.warnings);
  result.embed_keys = RouteKeys(route);
  result.timings_ms["open"] = open_ms_;
  result.timings_ms["total"] = open_ms_ + stopwatch.ElapsedMs();
  return result;
}

std::vector<Result<SearchResult>> LocalKnowledgeBase::SearchMany(const std::vector<SearchRequest>& requests) {
  // Under a deadline a search only waits for tasks of the pool, and must not do so in one of them.
  const auto has_deadline = [](const SearchRequest& request) { return request.context.deadline.has_value(); };
  if (std::any_of(requests.begin(), requests.end(), has_deadline)) return KnowledgeBase::SearchMany(requests);
  std::vector<std::string> questions;
  for (const SearchRequest& request : requests) {
    if (request.route.value_or(config_.search.route) == Route::kKeyword) continue;
    questions.push_back(NormaliseQuestion(request.query));
    if (questions.back().empty()) questions.pop_back();
  }
  // Many texts are embedded faster together; each search then finds its vector among those that are kept. What fails
  // here fails again there, where it is said.
  if (!questions.empty() && caches_.results && GetFollowedSnapshot().ok()) {
    const Result<std::shared_ptr<Embedder>> embedder = GetEmbedder();
    if (embedder.ok()) std::ignore = (*embedder)->Embed(requests.front().context, questions, TextKind::kQuery);
    const Result<RoutePlan> plan = Plan();
    for (const std::string& key : plan.ok() ? plan->keys : std::set<std::string>()) {
      const Result<std::shared_ptr<Embedder>> keyed = GetKeyedEmbedder(key);
      if (keyed.ok()) std::ignore = (*keyed)->Embed(requests.front().context, questions, TextKind::kQuery);
    }
  }
  std::vector<std::optional<Result<SearchResult>>> found(requests.size());
  pool_.ParallelFor(requests.size(), [&](size_t i) { found[i].emplace(Search(requests[i])); });
  std::vector<Result<SearchResult>> results;
  results.reserve(found.size());
  for (auto& result : found) results.push_back(*std::move(result));
  return results;
}

SearchOptions LocalKnowledgeBase::OptionsOf(Route route, const RoutePlan& plan, const ChosenEmbedder& embedder,
                                            const Rewriter& rewriter) {
  SearchOptions options;
  options.recall.route = route;
  options.recall.routes = plan.routes;
  options.recall.group = plan.group;
  options.recall.metric = metric_;
  options.recall.rewriter = config_.rewrite.synonyms.empty() ? nullptr : &rewriter;
  options.recall.embedder_status = embedder.status;
  options.recall.chooser = Chooser(plan);
  options.recall.parameters = Parameters();
  options.recall.keyed = embedder.keyed;
  options.fusion = config_.fusion;
  return options;
}

Result<Searched> LocalKnowledgeBase::Recall(std::shared_ptr<const Snapshot> snapshot, const std::string& question,
                                            size_t top_k, Route route, const std::string& filter_text,
                                            const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const Filter matching, Filter::Parse(filter_text, NodeFields(snapshot->fields())));
  RAGTIME_ASSIGN_OR_RETURN(RoutePlan plan, Plan());
  RAGTIME_ASSIGN_OR_RETURN(ChosenEmbedder embedder, ChooseEmbedder(route, plan));
  const SynonymRewriter rewriter(config_.rewrite.synonyms);
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Reranker> reranker, GetReranker());
  SearchOptions options = OptionsOf(route, plan, embedder, rewriter);
  options.recall.question = question;
  options.recall.top_k = top_k;
  options.recall.filter = matching;
  options.recall.context = context;
  options.window = config_.search.window;
  options.reranker = reranker.get();
  Result<Searched> searched = SearchNodes(options, snapshot, embedder.embedder, pool_);
  if (searched.ok()) WarnOfEmbedders(embedder.embedder.get(), embedder.keyed, searched->result.warnings);
  return searched;
}

Status LocalKnowledgeBase::Prepare(const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetFollowedSnapshot());
  Status status;
  const auto note = [&status](const Status& other) {
    if (status.ok()) status = other;
  };
  // What was asked last is asked again first, more often than anything else.
  std::string question = "What is said here?";
  if (config_.answer.mode != AnswerMode::kExtract) {
    const Result<std::shared_ptr<Generator>> generator = GetGenerator();
    note(generator.status());
    if (generator.ok() && MayBeAsked(config_.answer.mode, generator->get())) {
      note((*generator)->Prepare(context, PromptBeginning("en")));
      const std::string prompt = (*generator)->prepared_prompt();
      if (const std::string_view asked = QuestionOf(prompt); !asked.empty()) question = asked;
    }
  }
  // What is found is of no interest; all that a question passes is then in memory. A reranker or a model that chooses
  // may be a server that counts what it is asked.
  RAGTIME_ASSIGN_OR_RETURN(const RoutePlan plan, Plan());
  const Result<std::shared_ptr<Reranker>> reranker = GetReranker();
  note(reranker.status());
  if (reranker.ok() && *reranker == nullptr && !plan.needs_model) {
    AskRequest request{.question = std::move(question), .context = context};
    // With a deadline, as a server's requests have one, the routes run on the threads that theirs will run on.
    if (!request.context.deadline) request.context.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
    note(WithAnswerContext(request, snapshot, {},
                           [&request](const AnswerContext& answering) { return WalkToAnswer(answering, request); }));
  }
  return status;
}

Result<WhyNotReport> LocalKnowledgeBase::WhyNot(const WhyNotRequest& request) {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetFollowedSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, snapshot->Files());
  const std::string root = [this] {
    std::lock_guard lock(mutex_);
    return recorded_ ? recorded_->root : std::string();
  }();
  const FileRecord* const file = FindFileRow(files, request.file, root);
  if (file == nullptr) {
    const std::string near = PathsLike(request.file, files, root);
    return WhyNotReport{.file = request.file,
                        .stage = "not_ingested",
                        .message = StrCat("the knowledge base has no file ", request.file,
                                          near.empty() ? std::string() : StrCat("; near it are ", near)),
                        .remedy = "check the name with ragtime files, or run ragtime ingest on it"};
  }
  if (file->is_dir) {
    return InvalidArgumentError(StrCat(request.file, " is a folder"), "name one of the files in it");
  }
  RAGTIME_ASSIGN_OR_RETURN(const Filter matching, Filter::Parse(request.filter, NodeFields(snapshot->fields())));
  RAGTIME_ASSIGN_OR_RETURN(RoutePlan plan, Plan());
  const Route route = request.route.value_or(config_.search.route);
  RAGTIME_ASSIGN_OR_RETURN(ChosenEmbedder embedder, ChooseEmbedder(route, plan));
  const SynonymRewriter rewriter(config_.rewrite.synonyms);
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Reranker> reranker, GetReranker());
  SearchOptions options = OptionsOf(route, plan, embedder, rewriter);
  options.recall.question = request.query;
  options.recall.top_k = request.top_k.value_or(config_.search.top_k);
  options.recall.filter = matching;
  options.recall.context = request.context;
  options.reranker = reranker.get();
  Result<WhyNotReport> report = ExplainMissing(options, *file, snapshot, std::move(embedder.embedder), pool_);
  if (report.ok()) report->file = file->file_path;
  return report;
}

}  // namespace ragtime
