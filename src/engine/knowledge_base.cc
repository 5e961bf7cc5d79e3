// SPDX-License-Identifier: Apache-2.0
#include "ragtime/knowledge_base.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <tuple>

#include "base/hash.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"
#include "base/write_right.h"
#include "cache/caching_embedder.h"
#include "engine/builtin.h"
#include "engine/configuration_text.h"
#include "engine/embedders.h"
#include "engine/keeping.h"
#include "engine/kept_results.h"
#include "engine/models.h"
#include "engine/recorded.h"
#include "engine/retrievers.h"
#include "engine/routes.h"
#include "engine/tuning.h"
#include "engine/tuning_joins.h"
#include "ingest/node_groups.h"
#include "ingest/pipeline.h"
#include "ingest/read/readers.h"
#include "ingest/split/kept_replies.h"
#include "ingest/split/sentence_splitter.h"
#include "query/answer.h"
#include "query/answer/replay.h"
#include "query/conversation.h"
#include "query/pack.h"
#include "query/rewrite/synonyms.h"
#include "query/rewrite/verbatim.h"
#include "query/search.h"
#include "query/similar_questions.h"
#include "query/table.h"
#include "query/why_not.h"
#include "store/batch_check.h"
#include "store/mirrored_store.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

// The folder that file paths are relative to: the one folder that is ingested first, or what several paths share.
fs::path RootOf(const std::vector<fs::path>& paths) {
  std::error_code error;
  fs::path root;
  for (const fs::path& path : paths) {
    fs::path folder = fs::weakly_canonical(fs::absolute(path, error), error);
    if (!fs::is_directory(folder, error)) folder = folder.parent_path();
    if (root.empty()) {
      root = folder;
      continue;
    }
    fs::path shared;
    for (auto a = root.begin(), b = folder.begin(); a != root.end() && b != folder.end() && *a == *b; ++a, ++b)
      shared /= *a;
    root = shared;
  }
  return root;
}

void WarnOfMirror(const Store& store, std::vector<Warning>& warnings) {
  const auto* mirrored = dynamic_cast<const MirroredStore*>(&store);
  if (mirrored == nullptr) return;
  const Status status = mirrored->MirrorStatus();
  if (status.ok()) return;
  warnings.push_back({"mirror",
                      {},
                      StrCat("the mirror at catalog.uri is behind: ", status.message(), "; ", status.remedy(),
                             "; it is made up by the next write")});
}

// How many nodes Tune measures with where it is given no questions.
constexpr size_t kTuningNodes = 200;

void WarnOfEmbedder(const Embedder* embedder, std::vector<Warning>& warnings) {
  const Status status = embedder != nullptr ? embedder->condition() : Status();
  if (status.ok()) return;
  warnings.push_back({"embedder", std::nullopt, StrCat(status.message(), "; ", status.remedy())});
}

void WarnOfEmbedders(const Embedder* embedder, const KeyedEmbedders& keyed, std::vector<Warning>& warnings) {
  WarnOfEmbedder(embedder, warnings);
  for (const auto& [key, other] : keyed) WarnOfEmbedder(other.embedder.get(), warnings);
}

Status CheckPaths(const std::vector<fs::path>& paths) {
  if (paths.empty()) return InvalidArgumentError("no path to ingest is given", "name folders or files");
  for (const fs::path& path : paths) {
    std::error_code error;
    if (!fs::exists(path, error))
      return NotFoundError(StrCat("there is no file or folder ", path.string()), "check the path");
  }
  return Status();
}

class LocalKnowledgeBase : public KnowledgeBase {
 public:
  LocalKnowledgeBase(Config config, Caches caches)
      : config_(std::move(config)), caches_(std::move(caches)), pool_(config_.threads) {}

  // Opens the store if it is there.
  Status OpenStore() {
    const Stopwatch stopwatch;
    std::lock_guard lock(mutex_);
    Result<std::unique_ptr<Store>> store = MakeStore(config_, /*create=*/false);
    if (!store.ok()) return store.status();
    RAGTIME_RETURN_IF_ERROR(Adopt(*std::move(store)));
    open_ms_ = stopwatch.ElapsedMs();
    return Status();
  }

  Result<IngestReport> Ingest(const std::vector<fs::path>& paths, const IngestOptions& options) override {
    std::lock_guard one_at_a_time(ingest_mutex_);
    RAGTIME_RETURN_IF_ERROR(CheckPaths(paths));
    if (GetStore() != nullptr) RAGTIME_RETURN_IF_ERROR(GetFollowedSnapshot().status());
    RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Embedder> embedder, GetEmbedder());
    {
      std::lock_guard lock(mutex_);
      RAGTIME_RETURN_IF_ERROR(ResolveEmbedKeys(config_));
    }
    const bool existed = GetStore() != nullptr;
    Result<IngestReport> report = IngestInto(paths, *embedder, options);
    if (!report.ok() && !existed) RemoveIfEmpty();
    return report;
  }

  Result<SearchResult> Search(const SearchRequest& request) override {
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

  std::vector<Result<SearchResult>> SearchMany(const std::vector<SearchRequest>& requests) override;
  Result<Answer> Ask(const AskRequest& request) override;
  Result<TuneReport> Tune(const TuneOptions& options) override;
  Result<WhyNotReport> WhyNot(const WhyNotRequest& request) override;
  Status RegisterSimilarity(const std::string& name, Similarity similarity) override {
    std::lock_guard lock(mutex_);
    return AddSimilarity(name, std::move(similarity), similarities_);
  }
  Result<TableResult> Query(const TableRequest& request) override {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
    return QueryTable(*snapshot, request);
  }

  Result<std::vector<FileRecord>> Files() override {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
    return snapshot->Files();
  }

  Result<KnowledgeBaseStatistics> Statistics() override {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetSnapshot());
    KnowledgeBaseStatistics statistics;
    RAGTIME_ASSIGN_OR_RETURN(statistics.store, snapshot->Statistics());
    statistics.generation = snapshot->generation();
    const std::shared_ptr<Store> store = GetStore();
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> uuid, store->Setting("uuid"));
    statistics.uuid = uuid.value_or("");
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> dimension, store->Setting("dimension"));
    statistics.dimension = dimension ? std::strtoull(dimension->c_str(), nullptr, 10) : 0;
    if (caches_.results) {
      statistics.cache = caches_.results->name();
      statistics.cache_counts = caches_.results->Statistics();
    }
    if (caches_.guard) statistics.cache_condition = caches_.guard->condition();
    std::lock_guard lock(mutex_);
    statistics.tuning = tuning_;
    if (recorded_) {
      statistics.model = recorded_->model;
      statistics.root = recorded_->root;
      statistics.embedders = recorded_->embedders;
    }
    return statistics;
  }

  Result<JoinRecord> TuneJoins(const TuneJoinsOptions& options) override {
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

  GeneratorStatistics GenerationStatistics() override {
    std::lock_guard lock(mutex_);
    return generator_ != nullptr ? generator_->statistics() : GeneratorStatistics{};
  }

  Status Prepare(const Context& context) override;

  Result<DeleteReport> Delete(const std::vector<std::string>& paths, const Context& context) override {
    std::lock_guard one_at_a_time(ingest_mutex_);
    RAGTIME_RETURN_IF_ERROR(GetSnapshot().status());
    const std::string root = [this] {
      std::lock_guard lock(mutex_);
      return recorded_ ? recorded_->root : std::string();
    }();
    return DeletePaths(*GetStore(), {.paths = paths, .root = root, .lock_timeout_ms = config_.lock_timeout_ms},
                       context);
  }

  Result<CompactReport> Compact(const Context& context) override {
    std::lock_guard one_at_a_time(ingest_mutex_);
    RAGTIME_RETURN_IF_ERROR(GetSnapshot().status());
    std::map<std::string, std::string> settings;
    {
      std::lock_guard lock(mutex_);
      if (recorded_ && recorded_->chinese_words != config_.words.chinese) {
        recorded_->chinese_words = config_.words.chinese;
        settings = recorded_->ToSettings();
      }
    }
    return CompactStore(*GetStore(), config_.lock_timeout_ms, std::move(settings), context);
  }

  Result<VerifyReport> Verify(const Context& context) override {
    const std::shared_ptr<Store> store = GetStore();
    if (!store) return GetSnapshot().status();
    VerifyReport report;
    RAGTIME_ASSIGN_OR_RETURN(report.damages, store->Verify(context));
    // A damaged one may have no snapshot; what is wrong is in the report then.
    if (const auto snapshot = store->OpenSnapshot(); snapshot.ok()) {
      RAGTIME_ASSIGN_OR_RETURN(report.store, (*snapshot)->Statistics());
    }
    return report;
  }

  Result<BackupReport> Backup(const fs::path& target, bool link, const Context& context) override {
    const Stopwatch stopwatch;
    RAGTIME_RETURN_IF_ERROR(GetSnapshot().status());
    BackupReport report{.path = target.string()};
    RAGTIME_ASSIGN_OR_RETURN(report.store, GetStore()->Backup(context, target, link));
    report.total_ms = stopwatch.ElapsedMs();
    return report;
  }

 private:
  // Takes a store over together with what it records. Requires mutex_.
  Status Adopt(std::unique_ptr<Store> store) {
    RAGTIME_ASSIGN_OR_RETURN(recorded_, ReadRecorded(*store));
    const std::string words = config_.words.chinese;
    if (recorded_) {
      RAGTIME_RETURN_IF_ERROR(ApplyRecorded(*recorded_, config_));
      RAGTIME_ASSIGN_OR_RETURN(tuning_, ReadTuning(*store, recorded_->fingerprint));
    }
    RAGTIME_RETURN_IF_ERROR(ResolveEmbedKeys(config_));
    if (config_.words.chinese != words) {
      // The store cuts questions as its texts were cut.
      store.reset();
      RAGTIME_ASSIGN_OR_RETURN(store, MakeStore(config_, /*create=*/false));
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> metric, store->Setting("metric"));
    metric_ = ParseMetric(metric.value_or("")).value_or(Metric::kCosine);
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> uuid, store->Setting("uuid"));
    uuid_ = uuid.value_or("");
    configuration_.clear();
    store_ = std::move(store);
    return Status();
  }

  std::shared_ptr<Store> GetStore() const {
    std::lock_guard lock(mutex_);
    return store_;
  }

  Result<std::shared_ptr<const Snapshot>> GetSnapshot() const {
    const std::shared_ptr<Store> store = GetStore();
    if (!store) {
      return NotFoundError(StrCat("there is no knowledge base at ", config_.store.uri),
                           "run ragtime ingest PATH --kb DIR first");
    }
    return store->OpenSnapshot();
  }

  // The snapshot, and the model that goes with it: another process may have exchanged vectors and model.
  Result<std::shared_ptr<const Snapshot>> GetFollowedSnapshot() {
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(auto snapshot, GetSnapshot());
      {
        std::lock_guard lock(mutex_);
        if (snapshot->generation() == followed_generation_) return snapshot;
        RAGTIME_ASSIGN_OR_RETURN(std::optional<Recorded> recorded, ReadRecorded(*store_));
        if (recorded && recorded_ &&
            (recorded->fingerprint != recorded_->fingerprint || recorded->embedders != recorded_->embedders)) {
          RAGTIME_RETURN_IF_ERROR(ApplyRecorded(*recorded, config_));
          embedder_.reset();
          keyed_.clear();
          configuration_.clear();
        }
        if (recorded) {
          RAGTIME_RETURN_IF_ERROR(TakeTuning(ReadTuning(*store_, recorded->fingerprint)));
          recorded_ = std::move(recorded);
        }
        followed_generation_ = snapshot->generation();
      }
      // What was read is of this state or a later one; in a moment without commits it is of this one.
      RAGTIME_ASSIGN_OR_RETURN(const auto now, GetSnapshot());
      if (now->generation() == snapshot->generation()) return now;
    }
  }

  // Requires mutex_.
  Status TakeTuning(Result<std::optional<VectorTuning>> tuning) {
    if (!tuning.ok()) return tuning.status();
    tuning_ = *std::move(tuning);
    configuration_.clear();
    return Status();
  }

  // What Tune chose, unless the configuration sets it. Requires mutex_.
  VectorSearchParameters TunedParameters() const {
    // It was measured with HNSW; DISKANN goes by an ef of its own.
    const bool of_type = config_.store.index_type == "AUTO" || config_.store.index_type == "HNSW";
    return {.ef = tuning_ && of_type && !IsExplicit(config_, kEfKey) ? tuning_->ef : 0};
  }
  VectorSearchParameters Parameters() const {
    std::lock_guard lock(mutex_);
    return TunedParameters();
  }

  // Loaded at the first use, then kept. Checked against what the knowledge base records.
  Result<std::shared_ptr<Embedder>> GetEmbedder() {
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

  // Likewise, of one of config_.embedders.
  Result<std::shared_ptr<Embedder>> GetKeyedEmbedder(const std::string& key) {
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

  // The keys of the embedders that routes ask beside the usual one, by route.
  std::map<std::string, std::string> RouteKeys(Route route) const {
    std::map<std::string, std::string> keys;
    if (route == Route::kKeyword) return keys;
    std::lock_guard lock(mutex_);
    for (const RetrieverConfig& retriever : config_.retrievers) {
      if (!retriever.embed_key.empty()) keys[retriever.name] = retriever.embed_key;
    }
    return keys;
  }

  // What was kept of this state; none without a cache, or without a uuid to tell knowledge bases apart.
  std::optional<KeptResults> KeptOf(const Snapshot& snapshot) {
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
    return KeptResults(CacheNamespace(caches_.results, uuid_, StrCat(snapshot.generation(), ":", configuration_),
                                      config_.cache.ttl_s));
  }

  CacheNamespace Sessions() {
    std::lock_guard lock(mutex_);
    return CacheNamespace(caches_.shared, uuid_, "sessions", config_.cache.session_ttl_s);
  }

  void WarnOfCache(std::vector<Warning>& warnings) const {
    const Status status = caches_.guard ? caches_.guard->condition() : Status();
    if (status.ok()) return;
    warnings.push_back({"cache_bypassed", std::nullopt,
                        StrCat("the cache is bypassed until it answers: ", status.message(), "; ", status.remedy())});
  }

  // Recall may find what an answer to nearly the same question was made of. Fills `question` for remembering.
  std::optional<Answer> FindSimilar(const KeptResults& kept, const Context& context, const Searched& searched,
                                    AnsweredQuestion& question) const {
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

  // Adds the turn to its conversation.
  void KeepTurn(const AskRequest& request, Conversation conversation, const Answer& answer) {
    if (request.session.empty()) return;
    conversation.turns.push_back(
        {request.question, answer.standalone_question.value_or(request.question), answer.text});
    CutConversation(config_.cache.session_turns, config_.cache.session_bytes, conversation);
    KeepConversation(Sessions(), request, conversation);
  }

  struct ChosenEmbedder {
    std::shared_ptr<Embedder> embedder;
    Status status;  // Why there is none, if one is wanted.
    KeyedEmbedders keyed;
  };

  // A model that is not there costs the hybrid route one of its two halves, which a warning says. A model that does not
  // fit the knowledge base is a mistake in the configuration, and an error.
  Result<ChosenEmbedder> ChooseEmbedder(Route route, const RoutePlan& plan) {
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

  // Null where the configuration names none; the status where it cannot be had.
  Result<std::shared_ptr<Generator>> GetGenerator() {
    std::lock_guard lock(mutex_);
    if (!generator_) {
      RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Generator> generator, MakeGenerator(config_));
      generator_ = std::move(generator);
    }
    return generator_;
  }

  // Null where the configuration wants none.
  Result<std::shared_ptr<Reranker>> GetReranker() {
    std::lock_guard lock(mutex_);
    if (!reranker_) {
      RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Reranker> reranker, MakeReranker(config_));
      reranker_ = std::move(reranker);
    }
    return reranker_;
  }

  Result<RoutePlan> Plan() const {
    std::lock_guard lock(mutex_);
    const Recorded none;
    const Recorded& recorded = recorded_ ? *recorded_ : none;
    return PlanRoutes(config_, recorded.node_groups, recorded.embedders, StrCat("sentence-", config_.split.size_tokens),
                      metric_, similarities_);
  }

  // For routes by the language model; null, with their own error, where there is none.
  std::shared_ptr<Generator> Chooser(const RoutePlan& plan) {
    if (!plan.needs_model) return nullptr;
    Result<std::shared_ptr<Generator>> generator = GetGenerator();
    return generator.ok() ? *std::move(generator) : nullptr;
  }

  Result<Searched> Recall(std::shared_ptr<const Snapshot> snapshot, const std::string& question, size_t top_k,
                          Route route, const std::string& filter_text, const Context& context) {
    RAGTIME_ASSIGN_OR_RETURN(const Filter matching, Filter::Parse(filter_text, NodeFields(snapshot->fields())));
    RAGTIME_ASSIGN_OR_RETURN(RoutePlan plan, Plan());
    RAGTIME_ASSIGN_OR_RETURN(ChosenEmbedder embedder, ChooseEmbedder(route, plan));
    const SynonymRewriter rewriter(config_.rewrite.synonyms);
    RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Reranker> reranker, GetReranker());
    SearchOptions options;
    options.recall = {.question = question,
                      .top_k = top_k,
                      .route = route,
                      .routes = plan.routes,
                      .group = plan.group,
                      .metric = metric_,
                      .filter = matching,
                      .rewriter = config_.rewrite.synonyms.empty() ? nullptr : &rewriter,
                      .embedder_status = embedder.status,
                      .chooser = Chooser(plan),
                      .parameters = Parameters(),
                      .context = context,
                      .keyed = embedder.keyed};
    options.fusion = config_.fusion;
    options.window = config_.search.window;
    options.reranker = reranker.get();
    Result<Searched> searched = SearchNodes(options, snapshot, embedder.embedder, pool_);
    if (searched.ok()) WarnOfEmbedders(embedder.embedder.get(), embedder.keyed, searched->result.warnings);
    return searched;
  }

  // Recalls, packs and answers. `question` gets what similar questions are known by.
  Result<Answer> MakeAnswer(const AskRequest& request, std::shared_ptr<const Snapshot> snapshot,
                            const Conversation& conversation, const std::optional<KeptResults>& kept,
                            AnsweredQuestion& question);

  Result<IngestReport> IngestInto(const std::vector<fs::path>& paths, Embedder& embedder, const IngestOptions& options);
  Status AddKeyedEmbedders(const std::vector<NodeGroupConfig>& groups, std::vector<std::shared_ptr<Embedder>>& keyed,
                           IngestRequest& request);
  // Makes the store and records how it is made, at the first ingestion.
  Status CreateStore(const std::vector<fs::path>& paths, const EmbedderInfo& info);

  // A first ingestion that took nothing in leaves nothing behind.
  void RemoveIfEmpty() {
    std::lock_guard lock(mutex_);
    if (!store_) return;
    const auto snapshot = store_->OpenSnapshot();
    if (!snapshot.ok()) return;
    const auto files = (*snapshot)->Files();
    if (!files.ok() || !files->empty()) return;
    store_.reset();
    recorded_.reset();
    if (config_.store.type != "ragtime") return;
    std::error_code error;
    for (const char* name : {"catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "LOCK", "segments"}) {
      fs::remove(fs::path(config_.store.uri) / name, error);  // Never a folder with something in it.
    }
    fs::remove(config_.store.uri, error);
  }

  std::mutex ingest_mutex_;
  mutable std::mutex mutex_;
  Config config_;  // Guarded by mutex_ until the store is open, constant from then on.
  const Caches caches_;
  SimilarQuestions similar_;
  std::string uuid_;           // Guarded by mutex_. "" before the first ingestion.
  std::string configuration_;  // Guarded by mutex_. Hash of what can change a result; "" until it is asked for.
  double open_ms_ = 0;
  Metric metric_ = Metric::kCosine;                         // Constant once the store is open.
  std::optional<Recorded> recorded_;                        // Guarded by mutex_.
  std::optional<VectorTuning> tuning_;                      // Guarded by mutex_.
  uint64_t followed_generation_ = UINT64_MAX;               // That recorded_ was compared with. Guarded by mutex_.
  Similarities similarities_;                               // Guarded by mutex_.
  std::shared_ptr<Store> store_;                            // Guarded by mutex_. Null before the first ingestion.
  std::shared_ptr<Embedder> embedder_;                      // Guarded by mutex_.
  std::map<std::string, std::shared_ptr<Embedder>> keyed_;  // Of config_.embedders. Guarded by mutex_.
  std::shared_ptr<Generator> generator_;                    // Guarded by mutex_.
  std::shared_ptr<Reranker> reranker_;                      // Guarded by mutex_.
  ThreadPool pool_;  // Last, so that its destructor ends late routes before what they use goes.
};

Status LocalKnowledgeBase::CreateStore(const std::vector<fs::path>& paths, const EmbedderInfo& info) {
  std::lock_guard lock(mutex_);
  if (!store_) {
    RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, MakeStore(config_, /*create=*/true));
    RAGTIME_RETURN_IF_ERROR(Adopt(std::move(store)));
  }
  if (recorded_) {
    RAGTIME_RETURN_IF_ERROR(CheckWords(*recorded_, config_));
    return CheckEmbedder(*recorded_, info);
  }
  const Recorded recorded{.root = RootOf(paths).string(),
                          .model = config_.embed.model,
                          .fingerprint = info.fingerprint,
                          .split_size_tokens = config_.split.size_tokens,
                          .split_overlap_tokens = config_.split.overlap_tokens,
                          .node_groups = config_.node_groups,
                          .chinese_words = config_.words.chinese};
  RAGTIME_RETURN_IF_ERROR(store_->BeginWrite(config_.lock_timeout_ms));
  // Another process may have made it while this one waited.
  Result<std::optional<Recorded>> now = ReadRecorded(*store_);
  Status status = now.status();
  if (now.ok() && *now) {
    recorded_ = *std::move(now);
    status = ApplyRecorded(*recorded_, config_);
    if (status.ok()) status = CheckEmbedder(*recorded_, info);
  } else if (now.ok()) {
    WriteBatch batch;
    batch.settings = recorded.ToSettings();
    status = store_->Commit(Context{}, std::move(batch)).status();
    if (status.ok()) recorded_ = recorded;
  }
  store_->EndWrite();
  return status;
}

Result<IngestReport> LocalKnowledgeBase::IngestInto(const std::vector<fs::path>& paths, Embedder& embedder,
                                                    const IngestOptions& options) {
  {
    std::lock_guard lock(mutex_);
    MarkEmbeddedGroups(config_);
  }
  RAGTIME_RETURN_IF_ERROR(CreateStore(paths, embedder.info()));
  const std::shared_ptr<Store> store = GetStore();
  const TokenCounter count_tokens = [&embedder](std::string_view text) { return embedder.CountTokens(text); };
  const SentenceSplitter splitter(config_.split.size_tokens, config_.split.overlap_tokens, count_tokens);
  const std::vector<std::unique_ptr<Reader>> owned = BuiltinReaders();
  std::vector<const Reader*> readers;
  for (const std::unique_ptr<Reader>& reader : owned) readers.push_back(reader.get());
  IngestRequest request;
  request.paths = paths;
  request.root = recorded_->root;
  request.kb_folder = FolderOf(config_);
  request.lock_timeout_ms = config_.lock_timeout_ms;
  request.check = [&]() -> Status {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(*store));
    return recorded ? CheckEmbedder(*recorded, embedder.info()) : Status();
  };
  if (!config_.doc_fields.empty() || IsExplicit(config_, "doc_fields")) request.fields = config_.doc_fields;
  std::vector<NodeGroupConfig> groups;
  {
    // What the store records from the first commit on.
    std::lock_guard lock(mutex_);
    MarkEmbeddedGroups(config_);
    groups = config_.node_groups;
    if (groups != recorded_->node_groups) request.settings = NodeGroupSettings(groups);
  }
  std::vector<std::shared_ptr<Embedder>> keyed;
  RAGTIME_RETURN_IF_ERROR(AddKeyedEmbedders(groups, keyed, request));
  NodeGroups made(splitter);
  if (!groups.empty()) {
    NodeGroupsOptions making{.count_tokens = count_tokens,
                             .size_tokens = config_.split.size_tokens,
                             .overlap_tokens = config_.split.overlap_tokens};
    if (std::any_of(groups.begin(), groups.end(), [](const auto& group) { return group.writer == "llm"; })) {
      Result<std::shared_ptr<Generator>> writer = GetGenerator();
      making.writer_status = writer.status();
      if (writer.ok()) {
        const fs::path folder = FolderOf(config_);
        making.writer =
            std::make_shared<KeptReplies>(*std::move(writer), (folder.empty() ? CacheFolder() : folder) / "written");
      }
    }
    made = NodeGroups(groups, std::move(making));
  }
  Result<IngestReport> report = IngestPaths(request, *store, embedder, made, readers, pool_, options);
  if (report.ok()) {
    WarnOfMirror(*store, report->warnings);
    WarnOfEmbedder(&embedder, report->warnings);
    for (const auto& other : keyed) WarnOfEmbedder(other.get(), report->warnings);
  }
  // Also where it failed later on: the settings say what the first commit put there.
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> now, ReadRecorded(*store));
  std::lock_guard lock(mutex_);
  if (now) {
    recorded_->node_groups = now->node_groups;
    recorded_->embedders = now->embedders;
    configuration_.clear();
  }
  return report;
}

// Those that `groups` name, and what the knowledge base will record of them. `keyed` keeps them.
Status LocalKnowledgeBase::AddKeyedEmbedders(const std::vector<NodeGroupConfig>& groups,
                                             std::vector<std::shared_ptr<Embedder>>& keyed, IngestRequest& request) {
  std::map<std::string, EmbedderRecord> records;
  {
    std::lock_guard lock(mutex_);
    records = recorded_->embedders;
  }
  const std::map<std::string, EmbedderRecord> before = records;
  for (const std::string& key : EmbedKeysOf(groups)) {
    RAGTIME_ASSIGN_OR_RETURN(keyed.emplace_back(), GetKeyedEmbedder(key));
    const EmbedderInfo& info = keyed.back()->info();
    request.embedders[key] = keyed.back().get();
    std::lock_guard lock(mutex_);
    records.try_emplace(key, EmbedderRecord{.model = config_.embedders.at(key).model,
                                            .fingerprint = info.fingerprint,
                                            .dimension = info.dimension});
  }
  if (records == before) return Status();
  request.settings.merge(EmbedderSettings(records));
  for (const auto& [key, record] : records) request.dimensions[key] = record.dimension;
  return Status();
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

Status LocalKnowledgeBase::Prepare(const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, GetFollowedSnapshot());
  Status status;
  const auto note = [&status](const Status& other) {
    if (status.ok()) status = other;
  };
  // What is found is of no interest; the embedder and the index are then in memory. A reranker or a model that chooses
  // may be a server that counts what it is asked.
  RAGTIME_ASSIGN_OR_RETURN(const RoutePlan plan, Plan());
  const Result<std::shared_ptr<Reranker>> reranker = GetReranker();
  note(reranker.status());
  if (reranker.ok() && *reranker == nullptr && !plan.needs_model) {
    note(Recall(snapshot, "What is said here?", config_.search.top_k, config_.search.route, "", context).status());
  }
  if (config_.answer.mode != AnswerMode::kExtract) {
    const Result<std::shared_ptr<Generator>> generator = GetGenerator();
    note(generator.status());
    if (generator.ok() && MayBeAsked(config_.answer.mode, generator->get())) {
      note((*generator)->Prepare(context, PromptBeginning("en")));
    }
  }
  return status;
}

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
  SearchOptions options;
  options.recall = {.question = request.query,
                    .top_k = request.top_k.value_or(config_.search.top_k),
                    .route = route,
                    .routes = plan.routes,
                    .group = plan.group,
                    .metric = metric_,
                    .filter = matching,
                    .rewriter = config_.rewrite.synonyms.empty() ? nullptr : &rewriter,
                    .embedder_status = embedder.status,
                    .chooser = Chooser(plan),
                    .parameters = Parameters(),
                    .context = request.context,
                    .keyed = embedder.keyed};
  options.fusion = config_.fusion;
  options.reranker = reranker.get();
  Result<WhyNotReport> report = ExplainMissing(options, *file, snapshot, std::move(embedder.embedder), pool_);
  if (report.ok()) report->file = file->file_path;
  return report;
}

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
  const SynonymRewriter rewriter(config_.rewrite.synonyms);
  RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<Reranker> reranker, GetReranker());
  AnswerContext context;
  context.snapshot = std::move(snapshot);
  context.standalone_question = StandaloneQuestion(request.question, conversation);
  context.history = MessagesOf(conversation);
  // A follow-up is known by what was said before it, not by its own words.
  if (kept && config_.cache.similar_questions && conversation.turns.empty()) {
    context.made_before = [&](const Searched& searched) {
      return FindSimilar(*kept, request.context, searched, question);
    };
  }
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
  RAGTIME_ASSIGN_OR_RETURN(Answer answer, AnswerQuestion(context, request));
  WarnOfEmbedders(context.embedder.get(), context.keyed, answer.warnings);
  if (!context.standalone_question.empty()) answer.standalone_question = context.standalone_question;
  return answer;
}

}  // namespace

Result<BackupReport> KnowledgeBase::Restore(const fs::path& backup, const Config& config, const Context& context) {
  const Stopwatch stopwatch;
  BackupReport report{.path = config.store.uri};
  RAGTIME_ASSIGN_OR_RETURN(report.store, RestoreStore(config, backup, context));
  report.total_ms = stopwatch.ElapsedMs();
  return report;
}

Result<std::unique_ptr<KnowledgeBase>> KnowledgeBase::Open(const Config& config, bool must_exist) {
  RAGTIME_ASSIGN_OR_RETURN(Caches caches, MakeCaches(config));
  auto knowledge_base = std::make_unique<LocalKnowledgeBase>(config, std::move(caches));
  const Status status = knowledge_base->OpenStore();
  if (!status.ok() && (must_exist || status.code() != StatusCode::kNotFound)) return status;
  return Result<std::unique_ptr<KnowledgeBase>>(std::move(knowledge_base));
}

}  // namespace ragtime
