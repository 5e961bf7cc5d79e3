// SPDX-License-Identifier: Apache-2.0
//
// Answers of one knowledge base: kept ones, those to similar questions, new ones; and the conversations they stand in.
#include "engine/local_knowledge_base.h"

#include <algorithm>

#include "base/hash.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "engine/configuration_text.h"
#include "engine/embedders.h"
#include "query/answer.h"
#include "query/answer/replay.h"
#include "query/rewrite/synonyms.h"

namespace ragtime {
Result<Answer> LocalKnowledgeBase::Ask(const AskRequest& request) {
  const Stopwatch stopwatch;
  RAGTIME_RETURN_IF_ERROR(request.context.Check());
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetFollowedSnapshot());
  if (!request.session.empty() && !caches_.shared) {
    return FailedPreconditionError("a conversation is kept in the cache, and there is none",
                                   "set cache: {type: memory}, redis or memcached");
  }
  const Conversation conversation = request.session.empty() ? Conversation() : LoadConversation(Sessions(), request);
  const AnswerMode mode = request.mode.value_or(config_.answer.mode);
  const Route route = request.route.value_or(config_.search.route);
  // Another draw of the dice is another answer.
  const std::optional<KeptResults> kept = request.temperature > 0 ? std::nullopt : KeptOf(*snapshot);
  const std::string identity = AskIdentity(request, route, mode, conversation);
  const Stopwatch looking;
  std::optional<Answer> before = kept ? kept->FindAnswer(request.context, identity) : std::nullopt;
  const double cache_ms = looking.ElapsedMs();
  Result<Answer> made = UnavailableError("no answer");
  if (before) {
    KeepTurn(request, conversation, *before);
    if (before->found || !request.json_schema) ReplayAnswer(request.on_token, *before);
    made = *std::move(before);
  } else {
    AskRequest asked = request;
    bool reader_left = false;
    if (request.on_token) {
      asked.on_token = [&](Channel channel, std::string_view text) {
        reader_left = !request.on_token(channel, text);
        return !reader_left;
      };
    }
    AnsweredQuestion question{
        .scope = StrCat(snapshot->generation(), " ", static_cast<int>(route), " ", static_cast<int>(mode), " ",
                        request.filter, request.json_schema ? " json " : "", request.json_schema.value_or("")),
        .identity = identity};
    made = MakeAnswer(asked, snapshot, conversation, kept, question);
    if (made.ok() && !reader_left) {
      if (kept && !made->cached && WorthKeeping(made->warnings)) {
        kept->KeepAnswer(request.context, identity, *made);
        if (config_.cache.similar_questions && !question.vector.empty()) {
          for (const Citation& citation : made->citations) question.quoted_nodes.push_back(citation.node_id);
          similar_.Remember(std::move(question));
        }
      }
      KeepTurn(request, conversation, *made);
    }
  }
  if (!made.ok()) return made.status();
  if (kept) made->timings_ms["cache"] = cache_ms;
  WarnOfCache(made->warnings);
  made->timings_ms["open"] = open_ms_;
  made->timings_ms["total"] = open_ms_ + stopwatch.ElapsedMs();
  return made;
}

Result<Answer> LocalKnowledgeBase::MakeAnswer(const AskRequest& request, std::shared_ptr<const Snapshot> snapshot,
                                              const Conversation& conversation, const std::optional<KeptResults>& kept,
                                              AnsweredQuestion& question) {
  Answer answer;
  RAGTIME_RETURN_IF_ERROR(
      WithAnswerContext(request, std::move(snapshot), conversation, [&](AnswerContext& context) -> Status {
        // A follow-up is known by what was said before it, not by its own words.
        if (kept && config_.cache.similar_questions && conversation.turns.empty()) {
          context.made_before = [&](const Searched& searched) {
            return FindSimilar(*kept, request.context, searched, question);
          };
        }
        RAGTIME_ASSIGN_OR_RETURN(answer, AnswerQuestion(context, request));
        WarnOfEmbedders(context.embedder.get(), context.keyed, answer.warnings);
        if (!context.standalone_question.empty()) answer.standalone_question = context.standalone_question;
        return Status();
      }));
  return answer;
}

Status LocalKnowledgeBase::WithAnswerContext(const AskRequest& request, std::shared_ptr<const Snapshot> snapshot,
                                             const Conversation& conversation,
                                             const std::function<Status(AnswerContext&)>& use) {
  const SynonymRewriter rewriter(config_.rewrite.synonyms);
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Reranker> reranker, GetReranker());
  AnswerContext context;
  context.snapshot = std::move(snapshot);
  context.standalone_question = StandaloneQuestion(request.question, conversation);
  context.history = MessagesOf(conversation);
  RAGTIME_ASSIGN_OR_RETURN(context.filter, Filter::Parse(request.filter, NodeFields(context.snapshot->fields())));
  context.route = request.route.value_or(config_.search.route);
  RAGTIME_ASSIGN_OR_RETURN(RoutePlan plan, Plan());
  RAGTIME_ASSIGN_OR_RETURN(ChosenEmbedder embedder, ChooseEmbedder(context.route, plan));
  context.chooser = Chooser(plan);
  context.parameters = Parameters();
  context.routes = std::move(plan.routes);
  context.group = plan.group;
  context.fusion = config_.fusion;
  context.window = config_.search.window;
  context.embedder = std::move(embedder.embedder);
  context.embedder_status = embedder.status;
  context.keyed = std::move(embedder.keyed);
  context.mode = request.mode.value_or(config_.answer.mode);
  std::shared_ptr<Generator> generator;
  if (context.mode != AnswerMode::kExtract) {
    Result<std::shared_ptr<Generator>> made = GetGenerator();
    context.generator_status = made.status();
    if (made.ok()) generator = *made;
  }
  context.generator = generator.get();
  context.pool = &pool_;
  context.passages = config_.answer.passages;
  context.context_tokens = config_.llm.context_tokens;
  context.max_tokens = std::min(request.max_tokens.value_or(config_.llm.max_tokens), config_.llm.max_tokens);
  context.thinking_tokens = config_.llm.thinking_tokens;
  context.metric = metric_;
  context.rewriter = config_.rewrite.synonyms.empty() ? nullptr : &rewriter;
  context.reranker = reranker.get();
  return use(context);
}

std::optional<Answer> LocalKnowledgeBase::FindSimilar(const KeptResults& kept, const Context& context,
                                                      const Searched& searched, AnsweredQuestion& question) const {
  std::vector<NodeId> nodes;
  for (const SearchHit& hit : searched.result.hits) {
    if (nodes.size() < config_.answer.passages) nodes.push_back(hit.node.id);
  }
  question.question = searched.query.text;
  question.vector = searched.query_vector;
  question.best_node = nodes.empty() ? 0 : nodes.front();
  const std::optional<AnsweredQuestion> similar = similar_.Find({.scope = question.scope,
                                                                 .question = question.question,
                                                                 .vector = question.vector,
                                                                 .nodes = nodes,
                                                                 .min_cosine = config_.cache.similar_cosine});
  if (!similar) return std::nullopt;
  std::optional<Answer> answer = kept.FindAnswer(context, similar->identity);
  if (answer) answer->similar_question = similar->question;
  return answer;
}

void LocalKnowledgeBase::KeepTurn(const AskRequest& request, Conversation conversation, const Answer& answer) {
  if (request.session.empty()) return;
  conversation.turns.push_back({request.question, answer.standalone_question.value_or(request.question), answer.text});
  CutConversation(config_.cache.session_turns, config_.cache.session_bytes, conversation);
  KeepConversation(Sessions(), request, conversation);
}

std::optional<KeptResults> LocalKnowledgeBase::KeptOf(const Snapshot& snapshot) {
  std::lock_guard lock(mutex_);
  if (!caches_.results || uuid_.empty()) return std::nullopt;
  // A registered function has no name by which a later process would know that it is the same one.
  if (!similarities_.empty()) return std::nullopt;
  // The vectors' own model, not only the name of one: a knowledge base may be restored under the same uuid.
  if (configuration_.empty()) {
    configuration_ =
        HashHex(StrCat(ConfigurationText(config_), recorded_ ? recorded_->fingerprint : "",
                       recorded_ ? EmbedderRecordsText(recorded_->embedders) : "", " ", TunedParameters().ef));
  }
  return KeptResults(
      CacheNamespace(caches_.results, uuid_, StrCat(snapshot.generation(), ":", configuration_), config_.cache.ttl_s));
}

CacheNamespace LocalKnowledgeBase::Sessions() {
  std::lock_guard lock(mutex_);
  return CacheNamespace(caches_.shared, uuid_, "sessions", config_.cache.session_ttl_s);
}

void LocalKnowledgeBase::WarnOfCache(std::vector<Warning>& warnings) const {
  const Status status = caches_.guard ? caches_.guard->condition() : Status();
  if (status.ok()) return;
  warnings.push_back({"cache_bypassed", std::nullopt,
                      StrCat("the cache is bypassed until it answers: ", status.message(), "; ", status.remedy())});
}

}  // namespace ragtime
