// SPDX-License-Identifier: Apache-2.0
//
// One knowledge base of this process: its store, its models and its caches. The files knowledge_base*.cc beside this
// one each define a part of it.
#ifndef RAGTIME_ENGINE_LOCAL_KNOWLEDGE_BASE_H_
#define RAGTIME_ENGINE_LOCAL_KNOWLEDGE_BASE_H_

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_budget.h"
#include "base/thread_pool.h"
#include "engine/builtin.h"
#include "engine/kept_results.h"
#include "engine/recorded.h"
#include "engine/routes.h"
#include "engine/tuning.h"
#include "query/answer.h"
#include "query/conversation.h"
#include "query/search.h"
#include "query/similar_questions.h"
#include "ragtime/knowledge_base.h"

namespace ragtime {

struct IngestRequest;

class LocalKnowledgeBase : public KnowledgeBase {
 public:
  LocalKnowledgeBase(Config config, Caches caches)
      : config_(std::move(config)),
        caches_(std::move(caches)),
        threads_(ThreadBudget::Shared(config_.threads)),
        pool_(config_.threads) {}

  // Opens the store if it is there.
  Status OpenStore();
  Result<IngestReport> Ingest(const std::vector<std::filesystem::path>& paths, const IngestOptions& options) override;
  Result<SearchResult> Search(const SearchRequest& request) override;
  std::vector<Result<SearchResult>> SearchMany(const std::vector<SearchRequest>& requests) override;
  Result<Answer> Ask(const AskRequest& request) override;
  Result<TuneReport> Tune(const TuneOptions& options) override;
  Result<WhyNotReport> WhyNot(const WhyNotRequest& request) override;
  Status RegisterSimilarity(const std::string& name, Similarity similarity) override;
  Result<TableResult> Query(const TableRequest& request) override;
  Result<std::vector<FileRecord>> Files() override;
  Result<KnowledgeBaseStatistics> Statistics() override;
  Result<JoinRecord> TuneJoins(const TuneJoinsOptions& options) override;
  GeneratorStatistics GenerationStatistics() override;
  ThreadStatistics ComputingThreads() override { return threads_->statistics(); }
  Status Prepare(const Context& context) override;
  Result<DeleteReport> Delete(const std::vector<std::string>& paths, const Context& context) override;
  Result<CompactReport> Compact(const Context& context) override;
  Result<VerifyReport> Verify(const Context& context) override;
  Result<BackupReport> Backup(const std::filesystem::path& target, bool link, const Context& context) override;

 private:
  // knowledge_base.cc
  // Takes a store over together with what it records. Requires mutex_.
  Status Adopt(std::unique_ptr<Store> store);
  std::shared_ptr<Store> GetStore() const;
  Result<std::shared_ptr<const Snapshot>> GetSnapshot() const;
  // The snapshot, and the model that goes with it: another process may have exchanged vectors and model.
  Result<std::shared_ptr<const Snapshot>> GetFollowedSnapshot();

  // knowledge_base_models.cc
  struct ChosenEmbedder {
    std::shared_ptr<Embedder> embedder;
    Status status;  // Why there is none, if one is wanted.
    KeyedEmbedders keyed;
  };
  // Loaded at the first use, then kept. Checked against what the knowledge base records.
  Result<std::shared_ptr<Embedder>> GetEmbedder();
  // Likewise, of one of config_.embedders.
  Result<std::shared_ptr<Embedder>> GetKeyedEmbedder(const std::string& key);
  // A model that is not there costs the hybrid route one of its two halves, which a warning says. A model that does not
  // fit the knowledge base is a mistake in the configuration, and an error.
  Result<ChosenEmbedder> ChooseEmbedder(Route route, const RoutePlan& plan);
  // Null where the configuration names none; the status where it cannot be had.
  Result<std::shared_ptr<Generator>> GetGenerator();
  // Null where the configuration wants none.
  Result<std::shared_ptr<Reranker>> GetReranker();
  Result<RoutePlan> Plan() const;
  // The keys of the embedders that routes ask beside the usual one, by route.
  std::map<std::string, std::string> RouteKeys(Route route) const;
  // For routes by the language model; null, with their own error, where there is none.
  std::shared_ptr<Generator> Chooser(const RoutePlan& plan);
  // What every search is asked; `rewriter` must outlive them.
  SearchOptions OptionsOf(Route route, const RoutePlan& plan, const ChosenEmbedder& embedder, const Rewriter& rewriter);

  // knowledge_base_ingest.cc
  // Makes the store and records how it is made, at the first ingestion.
  Status CreateStore(const std::vector<std::filesystem::path>& paths, const EmbedderInfo& info);
  Result<IngestReport> IngestInto(const std::vector<std::filesystem::path>& paths, Embedder& embedder,
                                  const IngestOptions& options);
  Status AddKeyedEmbedders(const std::vector<NodeGroupConfig>& groups, std::vector<std::shared_ptr<Embedder>>& keyed,
                           IngestRequest& request);
  // A first ingestion that took nothing in leaves nothing behind.
  void RemoveIfEmpty();

  // knowledge_base_search.cc
  Result<Searched> Recall(std::shared_ptr<const Snapshot> snapshot, const std::string& question, size_t top_k,
                          Route route, const std::string& filter_text, const Context& context);

  // knowledge_base_answer.cc
  // Recalls, packs and answers. `question` gets what similar questions are known by.
  Result<Answer> MakeAnswer(const AskRequest& request, std::shared_ptr<const Snapshot> snapshot,
                            const Conversation& conversation, const std::optional<KeptResults>& kept,
                            AnsweredQuestion& question);
  // Calls `use` with what the request is answered with.
  Status WithAnswerContext(const AskRequest& request, std::shared_ptr<const Snapshot> snapshot,
                           const Conversation& conversation, const std::function<Status(AnswerContext&)>& use);
  // Recall may find what an answer to nearly the same question was made of. Fills `question` for remembering.
  std::optional<Answer> FindSimilar(const KeptResults& kept, const Context& context, const Searched& searched,
                                    AnsweredQuestion& question) const;
  // Adds the turn to its conversation.
  void KeepTurn(const AskRequest& request, Conversation conversation, const Answer& answer);
  CacheNamespace Sessions();
  // What was kept of this state; none without a cache, or without a uuid to tell knowledge bases apart.
  std::optional<KeptResults> KeptOf(const Snapshot& snapshot);
  void WarnOfCache(std::vector<Warning>& warnings) const;

  // knowledge_base_tune.cc
  // Requires mutex_.
  Status TakeTuning(Result<std::optional<VectorTuning>> tuning);
  // What Tune chose, unless the configuration sets it. Requires mutex_.
  VectorSearchParameters TunedParameters() const;
  VectorSearchParameters Parameters() const;

  std::mutex ingest_mutex_;
  mutable std::mutex mutex_;
  Config config_;  // Guarded by mutex_ until the store is open, constant from then on.
  const Caches caches_;
  const std::shared_ptr<ThreadBudget> threads_;
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

// Adds a warning where the embedder does not do as it was configured.
void WarnOfEmbedder(const Embedder* embedder, std::vector<Warning>& warnings);
void WarnOfEmbedders(const Embedder* embedder, const KeyedEmbedders& keyed, std::vector<Warning>& warnings);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_LOCAL_KNOWLEDGE_BASE_H_
