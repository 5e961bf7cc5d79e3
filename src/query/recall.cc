// SPDX-License-Identifier: Apache-2.0
#include "query/recall.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <limits>
#include <map>
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
  RouteHits hits;
  Timings timings_ms;
};

// The question's vector, made by the first route that asks for it; others wait for that.
class QueryVector {
 public:
  // `embed_ms` is set by the call that embeds.
  Result<std::span<const float>> Get(Embedder* embedder, const Status& embedder_status, const Context& context,
                                     const std::string& text, std::optional<double>& embed_ms) {
    std::lock_guard lock(mutex_);
    if (!tried_) {
      tried_ = true;
      const Stopwatch embedding;
      status_ = Embed(embedder, embedder_status, context, text);
      if (status_.ok()) embed_ms = embedding.ElapsedMs();
    }
    if (!status_.ok()) return status_;
    return std::span<const float>(vector_);
  }
  // Empty if it was not made, or is still being made. Takes no lock, which a late route may hold for long.
  std::vector<float> Copy() const { return made_.load(std::memory_order_acquire) ? vector_ : std::vector<float>(); }

 private:
  Status Embed(Embedder* embedder, const Status& embedder_status, const Context& context, const std::string& text) {
    if (embedder == nullptr) {
      if (!embedder_status.ok()) return embedder_status;
      return UnavailableError("no embedding model is at hand", "set embed: {model: ...}");
    }
    const std::string texts[] = {text};
    Result<std::vector<float>> vector = embedder->Embed(context, texts, TextKind::kQuery);
    if (!vector.ok()) return vector.status().Annotate("embedding the question");
    if (vector->empty() || !std::all_of(vector->begin(), vector->end(), [](float x) { return std::isfinite(x); })) {
      return InternalError("the embedding model gave no finite vector for the question",
                           "run ragtime doctor, or use --route keyword");
    }
    vector_ = *std::move(vector);
    made_.store(true, std::memory_order_release);
    return Status();
  }

  std::mutex mutex_;
  bool tried_ = false;  // Guarded by mutex_.
  Status status_;       // Guarded by mutex_.
  std::atomic<bool> made_{false};
  std::vector<float> vector_;  // Constant once made_.
};

// Everything that a route needs, shared by the caller and the tasks: whoever ends last frees it.
struct RecallState {
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<Embedder> embedder;
  Status embedder_status;
  std::shared_ptr<Generator> chooser;
  VectorSearchParameters parameters;
  Context context;
  RewrittenQuery query;
  size_t depth = 0;
  Filter filter;
  KeyedEmbedders keyed;
  std::map<std::string, QueryVector> vectors;  // By RouteSpec::key of the routes that need one.
  std::vector<RouteSpec> routes;
  std::vector<std::atomic<bool>> claimed;  // Whoever sets it runs the route.
  std::mutex mutex;
  std::condition_variable_any done;
  std::vector<std::optional<RouteOutcome>> outcomes;  // Guarded by mutex.

  explicit RecallState(std::vector<RouteSpec> specs)
      : routes(std::move(specs)), claimed(routes.size()), outcomes(routes.size()) {
    for (const RouteSpec& spec : routes) {
      if (spec.NeedsVector()) vectors.try_emplace(spec.key);
    }
  }
};

RouteOutcome AskRoute(RecallState& state, const RouteSpec& spec) {
  RouteOutcome outcome;
  std::span<const float> vector;
  if (spec.NeedsVector()) {
    std::optional<double> embed_ms;
    const auto keyed = state.keyed.find(spec.key);
    const bool has_own = keyed != state.keyed.end();
    Embedder* const embedder = has_own            ? keyed->second.embedder.get()
                               : spec.key.empty() ? state.embedder.get()
                                                  : nullptr;
    Result<std::span<const float>> made = state.vectors.at(spec.key).Get(
        embedder, has_own ? keyed->second.status : state.embedder_status, state.context, state.query.text, embed_ms);
    if (embed_ms) outcome.timings_ms[spec.key.empty() ? "embed" : StrCat("embed:", spec.key)] = *embed_ms;
    outcome.status = made.status();
    if (!made.ok()) return outcome;
    vector = *made;
  }
  const Stopwatch searching;
  Result<RouteHits> hits = SearchRoute(spec, {.snapshot = *state.snapshot,
                                              .context = state.context,
                                              .query = state.query,
                                              .filter = state.filter,
                                              .vector = vector,
                                              .generator = state.chooser.get(),
                                              .parameters = state.parameters,
                                              .depth = spec.depth > 0 ? spec.depth : state.depth});
  outcome.status = hits.status();
  if (!hits.ok()) return outcome;
  outcome.timings_ms[spec.name] = searching.ElapsedMs();
  outcome.hits = *std::move(hits);
  return outcome;
}

void RunRoute(RecallState& state, size_t route) {
  if (state.claimed[route].exchange(true)) return;
  RouteOutcome outcome;
  // A registered similarity is somebody else's code, and may throw.
  try {
    outcome = AskRoute(state, state.routes[route]);
  } catch (const std::exception& error) {
    outcome = {};
    outcome.status = InternalError(StrCat("it threw an exception: ", error.what()));
  } catch (...) {
    outcome = {};
    outcome.status = InternalError("it threw something that is no exception");
  }
  std::lock_guard lock(state.mutex);
  state.outcomes[route] = std::move(outcome);
  state.done.notify_all();
}

// Returns what is there when all routes have answered, the deadline has passed, or nobody waits any longer.
std::vector<std::optional<RouteOutcome>> RunRoutes(const std::shared_ptr<RecallState>& state, ThreadPool& pool) {
  const size_t count = state->routes.size();
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

Warning RouteWarning(const RouteSpec& spec, const Status& status) {
  const std::string& route = spec.name;
  const std::string other = spec.NeedsVector() ? kKeywordRoute : kVectorRoute;
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

std::vector<RouteSpec> RoutesOf(const RecallRequest& request) {
  std::vector<RouteSpec> routes = request.routes;
  if (routes.empty()) {
    // The vector route first: it takes longest.
    routes.push_back({.name = kVectorRoute,
                      .kind = RouteKind::kVector,
                      .group = request.group,
                      .stored = request.metric,
                      .shown = request.metric});
    routes.push_back(
        {.name = kKeywordRoute, .kind = RouteKind::kKeyword, .group = request.group, .weight = kKeywordWeight});
  }
  if (request.route != Route::kHybrid) {
    const bool vectors = request.route == Route::kVector;
    std::erase_if(routes, [vectors](const RouteSpec& spec) { return spec.NeedsVector() != vectors; });
  }
  return routes;
}

size_t RecallDepth(size_t top_k) {
  return std::max(kRecallDepthMin, 3 * std::min(top_k, std::numeric_limits<size_t>::max() / 3));
}

Result<Recalled> Recall(const RecallRequest& request, std::shared_ptr<const Snapshot> snapshot,
                        std::shared_ptr<Embedder> embedder, ThreadPool& pool) {
  Recalled recalled;
  RAGTIME_ASSIGN_OR_RETURN(recalled.query, RewriteQuestion(request, recalled.warnings));
  RAGTIME_RETURN_IF_ERROR(request.context.Check());

  recalled.specs = RoutesOf(request);
  if (recalled.specs.empty()) {
    return InvalidArgumentError(StrCat("no retriever of the configuration is a ",
                                       request.route == Route::kKeyword ? kKeywordRoute : kVectorRoute, " route"),
                                "use --route hybrid, which takes them all");
  }
  const std::vector<RouteSpec>& specs = recalled.specs;
  auto state = std::make_shared<RecallState>(specs);
  state->snapshot = std::move(snapshot);
  if (request.route != Route::kKeyword) state->embedder = std::move(embedder);
  state->embedder_status = request.embedder_status;
  if (request.route != Route::kKeyword) state->keyed = request.keyed;
  state->chooser = request.chooser;
  state->parameters = request.parameters;
  state->context = request.context;
  state->query = recalled.query;
  state->depth = RecallDepth(request.top_k);
  state->filter = request.filter;

  std::vector<std::optional<RouteOutcome>> outcomes = RunRoutes(state, pool);
  if (request.context.stop.stop_requested()) return request.context.Check();
  Status first_failure;
  for (size_t i = 0; i < specs.size(); ++i) {
    const Status status =
        outcomes[i]
            ? outcomes[i]->status
            : DeadlineExceededError(StrCat("the ", specs[i].name, " route ran past the deadline"), "allow more time");
    if (!status.ok()) {
      if (first_failure.ok()) first_failure = status.Annotate(StrCat("searching by ", specs[i].name));
      recalled.warnings.push_back(RouteWarning(specs[i], status));
      continue;
    }
    if (outcomes[i]->hits.without_phrases) {
      recalled.warnings.push_back(
          {"phrase_not_found", specs[i].name,
           StrCat("no node holds what stands in quotes, one word after the other; the ", specs[i].name,
                  " route went by the words alone; leave out the quotes, or some of the "
                  "words in them")});
    }
    recalled.routes.push_back(std::move(outcomes[i]->hits));
    recalled.timings_ms.merge(outcomes[i]->timings_ms);
    if (!specs[i].NeedsVector()) continue;
    const std::string& key = specs[i].key;
    (key.empty() ? recalled.query_vector : recalled.keyed_vectors[key]) = state->vectors.at(key).Copy();
  }
  if (recalled.routes.empty()) {
    return first_failure.WithRemedy("run ragtime doctor, which says what is missing");
  }
  return recalled;
}

}  // namespace ragtime
