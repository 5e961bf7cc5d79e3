// SPDX-License-Identifier: Apache-2.0
#include "query/recall.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "query/rewrite/verbatim.h"

namespace ragtime {
namespace {

struct RouteOutcome {
  Status status;
  std::vector<Hit> hits;
  std::vector<float> query_vector;
  Timings timings_ms;
};

// Everything that a route needs, shared by the caller and the tasks: whoever ends last frees it.
struct RecallState {
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<Embedder> embedder;
  Status embedder_status;
  Context context;
  RewrittenQuery query;
  size_t depth = 0;
  std::string group;
  Filter filter;
  std::vector<std::string> names;          // Of the routes.
  std::vector<std::atomic<bool>> claimed;  // Whoever sets it runs the route.
  std::mutex mutex;
  std::condition_variable_any done;
  std::vector<std::optional<RouteOutcome>> outcomes;  // Guarded by mutex.

  explicit RecallState(std::vector<std::string> routes)
      : names(std::move(routes)), claimed(names.size()), outcomes(names.size()) {}
};

RouteOutcome RunVectorRoute(const RecallState& state) {
  RouteOutcome outcome;
  if (state.embedder == nullptr) {
    outcome.status = state.embedder_status;
    if (outcome.status.ok())
      outcome.status = UnavailableError("no embedding model is at hand", "set embed: {model: ...}");
    return outcome;
  }
  const Stopwatch embedding;
  const std::string texts[] = {state.query.text};
  Result<std::vector<float>> vector = state.embedder->Embed(state.context, texts, TextKind::kQuery);
  if (!vector.ok()) {
    outcome.status = vector.status().Annotate("embedding the question");
    return outcome;
  }
  if (vector->empty() || !std::all_of(vector->begin(), vector->end(), [](float x) { return std::isfinite(x); })) {
    outcome.status = InternalError("the embedding model gave no finite vector for the question",
                                   "run ragtime doctor, or use --route keyword");
    return outcome;
  }
  outcome.timings_ms["embed"] = embedding.ElapsedMs();
  const Stopwatch searching;
  Result<std::vector<Hit>> hits = state.snapshot->SearchVector(
      state.context, {.vector = *vector, .limit = state.depth, .group = state.group, .filter = state.filter});
  outcome.status = hits.status();
  if (!hits.ok()) return outcome;
  outcome.timings_ms[kVectorRoute] = searching.ElapsedMs();
  outcome.hits = *std::move(hits);
  outcome.query_vector = *std::move(vector);
  return outcome;
}

RouteOutcome RunKeywordRoute(const RecallState& state) {
  RouteOutcome outcome;
  const Stopwatch searching;
  Result<std::vector<Hit>> hits = state.snapshot->SearchKeyword(
      state.context,
      {.text = state.query.keywords, .limit = state.depth, .group = state.group, .filter = state.filter});
  outcome.status = hits.status();
  if (!hits.ok()) return outcome;
  outcome.timings_ms[kKeywordRoute] = searching.ElapsedMs();
  outcome.hits = *std::move(hits);
  return outcome;
}

void RunRoute(RecallState& state, size_t route) {
  if (state.claimed[route].exchange(true)) return;
  RouteOutcome outcome = state.names[route] == kVectorRoute ? RunVectorRoute(state) : RunKeywordRoute(state);
  std::lock_guard lock(state.mutex);
  state.outcomes[route] = std::move(outcome);
  state.done.notify_all();
}

// Returns what is there when all routes have answered, the deadline has passed, or nobody waits any longer.
std::vector<std::optional<RouteOutcome>> RunRoutes(const std::shared_ptr<RecallState>& state, ThreadPool& pool) {
  const size_t count = state->names.size();
  const bool has_deadline = state->context.deadline.has_value();
  // Under a deadline the caller only waits, so that no route can hold it up. Without one it works along: one hop
  // between threads less, and it never waits for a pool whose threads all wait like it.
  for (size_t i = has_deadline ? 0 : 1; i < count; ++i) {
    pool.Submit([state, i] { RunRoute(*state, i); });
  }
  if (!has_deadline) {
    for (size_t i = 0; i < count; ++i) RunRoute(*state, i);
  }
  std::unique_lock lock(state->mutex);
  auto all_done = [&] {
    return std::all_of(state->outcomes.begin(), state->outcomes.end(), [](const auto& o) { return o.has_value(); });
  };
  if (has_deadline) {
    state->done.wait_until(lock, state->context.stop, *state->context.deadline, all_done);
  } else {
    state->done.wait(lock, state->context.stop, all_done);
  }
  // A task that has not started yet finds its route taken.
  for (auto& claimed : state->claimed) claimed.store(true);
  std::vector<std::optional<RouteOutcome>> outcomes(count);
  for (size_t i = 0; i < count; ++i) {
    if (state->outcomes[i]) outcomes[i] = std::move(state->outcomes[i]);
  }
  return outcomes;
}

Warning RouteWarning(const std::string& route, const Status& status) {
  const std::string other = route == kVectorRoute ? kKeywordRoute : kVectorRoute;
  if (status.code() == StatusCode::kDeadlineExceeded) {
    return {"route_late", route,
            StrCat("the ", route,
                   " route had no answer when the time was up and was left out; allow more time, or use "
                   "--route ",
                   other)};
  }
  const std::string remedy =
      status.remedy().empty() ? StrCat("run ragtime doctor, or use --route ", other) : status.remedy();
  return {"route_failed", route,
          StrCat("the ", route, " route failed and was left out: ", status.message(), "; ", remedy)};
}

Result<RewrittenQuery> RewriteQuestion(const RecallRequest& request, std::vector<Warning>& warnings) {
  if (request.question.size() > kQuestionBytesMax) {
    return InvalidArgumentError(
        StrCat("the question is too long: ", request.question.size(), " bytes, limit ", kQuestionBytesMax),
        "ask a shorter question");
  }
  const std::string question = NormaliseQuestion(request.question);
  if (question.empty()) return InvalidArgumentError("the question is empty", "give a question of at least one word");
  if (request.rewriter != nullptr) {
    Result<RewrittenQuery> query = request.rewriter->Rewrite(request.context, question);
    if (query.ok() && !query->text.empty()) return query;
    warnings.push_back({"rewrite_failed", std::nullopt,
                        StrCat("the question was not rewritten: ",
                               query.ok() ? std::string("the rewriter gave an empty text") : query.status().message(),
                               "; check the rewriter's configuration")});
  }
  return RewrittenQuery{.text = question, .keywords = question};
}

}  // namespace

Result<Recalled> Recall(const RecallRequest& request, std::shared_ptr<const Snapshot> snapshot,
                        std::shared_ptr<Embedder> embedder, ThreadPool& pool) {
  Recalled recalled;
  RAGTIME_ASSIGN_OR_RETURN(recalled.query, RewriteQuestion(request, recalled.warnings));
  RAGTIME_RETURN_IF_ERROR(request.context.Check());

  std::vector<std::string> names;  // The vector route first: it takes longest.
  if (request.route != Route::kKeyword) names.push_back(kVectorRoute);
  if (request.route != Route::kVector) names.push_back(kKeywordRoute);
  auto state = std::make_shared<RecallState>(names);
  state->snapshot = std::move(snapshot);
  if (request.route != Route::kKeyword) state->embedder = std::move(embedder);
  state->embedder_status = request.embedder_status;
  state->context = request.context;
  state->query = recalled.query;
  const size_t top_k = std::min(request.top_k, std::numeric_limits<size_t>::max() / 3);
  state->depth = std::max(kRecallDepthMin, 3 * top_k);
  state->group = request.group;
  state->filter = request.filter;

  std::vector<std::optional<RouteOutcome>> outcomes = RunRoutes(state, pool);
  if (request.context.stop.stop_requested()) return request.context.Check();
  Status first_failure;
  for (size_t i = 0; i < names.size(); ++i) {
    const Status status = outcomes[i] ? outcomes[i]->status
                                      : DeadlineExceededError(StrCat("the ", names[i], " route ran past the deadline"),
                                                              "allow more time");
    if (!status.ok()) {
      if (first_failure.ok()) first_failure = status.Annotate(StrCat("searching by ", names[i]));
      recalled.warnings.push_back(RouteWarning(names[i], status));
      continue;
    }
    recalled.routes.push_back({names[i], std::move(outcomes[i]->hits)});
    recalled.timings_ms.merge(outcomes[i]->timings_ms);
    if (!outcomes[i]->query_vector.empty()) recalled.query_vector = std::move(outcomes[i]->query_vector);
  }
  if (recalled.routes.empty()) {
    return first_failure.WithRemedy("run ragtime doctor, which says what is missing");
  }
  return recalled;
}

}  // namespace ragtime
