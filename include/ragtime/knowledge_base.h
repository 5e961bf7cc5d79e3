// SPDX-License-Identifier: Apache-2.0
//
// A KnowledgeBase is all of it, opened from one directory: ingest a folder, search it, ask it.
//
//   auto kb = ragtime::KnowledgeBase::Open({.store = {.uri = "./kb"}});
//   auto report = (*kb)->Ingest({"./docs"});
//   auto answer = (*kb)->Ask({.question = "How do I restore a backup?"});
//   std::cout << answer->text << "\n";
//
// Threads: every method may be called concurrently; a second Ingest waits for the first.
// Ownership: what a method returns is the caller's own; no call may outlive the object.
// Errors name the file, key or server and the remedy, and what was committed stays: kInvalidArgument of the request or
// the configuration; kNotFound; kFailedPrecondition where another process writes, or where what was recorded when the
// knowledge base was made does not go with the configuration; kUnavailable of a model or a server; kDataLoss of damaged
// files, all of which Verify lists; kCancelled and kDeadlineExceeded by the request's context.
// Models are loaded when they are first needed: Open takes about a millisecond.
#ifndef RAGTIME_KNOWLEDGE_BASE_H_
#define RAGTIME_KNOWLEDGE_BASE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ragtime/cache.h"
#include "ragtime/config.h"
#include "ragtime/context.h"
#include "ragtime/document.h"
#include "ragtime/field.h"
#include "ragtime/generator.h"
#include "ragtime/node.h"
#include "ragtime/similarity.h"
#include "ragtime/status.h"
#include "ragtime/store.h"
#include "ragtime/table.h"
#include "ragtime/thread_statistics.h"

namespace ragtime {

// Something the caller should know although the call worked.
struct Warning {
  std::string code;  // "route_failed", "extractive", "encoding", "field", ...
  std::optional<std::string> route;
  std::string message;  // With the remedy.
};

using Timings = std::map<std::string, double>;  // Milliseconds by stage; an absent stage did not run.

struct IngestProgress {
  std::string stage;         // "scan", "embed", "seal", "done"
  uint64_t files_total = 0;  // To be read: new and changed ones.
  uint64_t files_done = 0;   // Committed or failed.
  uint64_t nodes_done = 0;   // Committed, and so safe from now on.
  std::string file;          // The one last committed.
};

struct IngestOptions {
  Context context;
  std::function<void(const IngestProgress&)> on_progress;  // Called on the thread of Ingest.
  // Fields of a file that the caller knows: they win over its sidecar and its front matter; names that doc_fields does
  // not declare are passed over. Called on the thread of Ingest for each file that is found, and a file with other
  // fields than last time is a changed one. An ingestion without it takes these fields away again.
  std::function<Fields(const std::string& file_path)> fields_of;
};

struct FailedFile {
  std::string file;
  Status status;
};

struct IngestReport {
  uint64_t files_added = 0;
  uint64_t files_changed = 0;
  uint64_t files_moved = 0;
  uint64_t files_deleted = 0;
  uint64_t files_unchanged = 0;
  uint64_t files_skipped = 0;                     // Of types that no reader takes.
  std::map<std::string, uint64_t> skipped_types;  // Of those, by ending in lower case; "": without one.
  uint64_t nodes_added = 0;
  uint64_t nodes_reused = 0;  // Of nodes_added, those whose vector was known already.
  uint64_t source_bytes = 0;  // Read and split.
  std::vector<FailedFile> failed;
  std::vector<Warning> warnings;
  Timings timings_ms;  // scan, read, embed, commit, seal, total
};

struct SearchRequest {
  std::string query;
  std::optional<size_t> top_k;
  std::optional<Route> route;
  std::string filter;  // What a hit must match, as docs/reference/filters.md spells it; "": everything.
  Context context;
};

struct SearchHit {
  double score = 0;                      // Fused.
  std::map<std::string, double> scores;  // By route: "vector", "keyword", or the names of the retrievers.
  Node node;
  std::string file;                     // file_path of its document.
  std::map<std::string, size_t> ranks;  // By route, from 1.
  std::map<std::string, NodeId> via;    // By route with a target: the node that was found, for which this one is given.
  std::optional<NodeId> window_of;  // It is a neighbour of this hit, has its score, and was found by no route itself.
};

struct SearchResult {
  std::vector<SearchHit> hits;                    // Best first.
  std::map<std::string, std::string> embed_keys;  // By the name of each route that asks an embedder with a key.
  bool cached = false;                            // Found before, in this state of the knowledge base, and kept.
  Timings timings_ms;  // open, cache, embed, each route by name, fuse, rerank, fetch, window, total
  std::vector<Warning> warnings;
};

// What KnowledgeBase::Tune has measured and recorded.
struct VectorTuning {
  uint32_t ef = 0;           // That searches go by, unless the configuration says another.
  double recall = 0;         // The share of the nearest `depth` nodes that it finds.
  double recall_wanted = 0;  // What was asked for.
  size_t depth = 0;
  size_t questions = 0;  // That it was measured with.
  uint64_t nodes = 0;    // That there were.
  int64_t time_ms = 0;   // When; Unix time.
};

struct TuneOptions {
  Context context;
  double recall = 0.95;                // To be reached, above 0 and at most 1.
  std::vector<std::string> questions;  // To measure with; empty: the vectors of some of the nodes.
};

struct TunePoint {
  uint32_t ef = 0;
  double recall = 0;
  double mean_us = 0;  // Of a search.
};

struct TuneReport {
  VectorTuning tuning;
  std::vector<TunePoint> points;  // Tried, by ascending ef; the last one is chosen.
  double scan_us = 0;             // Of an exact search.
  std::vector<Warning> warnings;  // "overruled": the configuration sets an ef, which wins.
  Timings timings_ms;             // sample, measure, total
};

struct WhyNotRequest {
  std::string file;  // As `ragtime files` lists it, or a path on disk below the root.
  std::string query;
  std::optional<size_t> top_k;
  std::optional<Route> route;
  std::string filter;
  Context context;
};

// How far one route brought a file.
struct WhyNotRoute {
  std::string name;
  // "found": within what the route returns. "beyond_top_k", "cut_off": it would be at `rank`. "no_match": nowhere, or
  // no rank can be told (similarity llm). "failed": a warning says why.
  std::string state;
  std::optional<size_t> rank;  // Of the best of the file's nodes, from 1, the cut-off aside.
  std::optional<double> score;
  size_t depth = 0;  // How many nodes the route returns.
};

struct WhyNotReport {
  std::string file;   // file_path, or the path asked for if it is not ingested.
  std::string stage;  // Where it was lost: "not_ingested", "failed", "no_nodes", "filtered", "no_match", "cut_off",
                      // "not_recalled", "fused", "reranked_away", "reranked"; or "found".
  std::string message;
  std::string remedy;
  uint64_t nodes = 0;           // Of the file.
  uint64_t matching_nodes = 0;  // Of them, those that the filter leaves.
  std::vector<WhyNotRoute> routes;
  std::optional<size_t> fused_rank;     // From 1, among all that the routes returned.
  std::optional<size_t> reranked_rank;  // None without a reranker, too.
  std::optional<size_t> rank;           // Among the hits.
  Timings timings_ms;
  std::vector<Warning> warnings;
};

struct AskRequest {
  std::string question;
  std::optional<AnswerMode> mode;
  std::optional<Route> route;
  std::string filter;                // What a passage must match; "": everything.
  std::optional<size_t> max_tokens;  // Of the answer, at most llm.max_tokens.
  float temperature = 0.0f;          // 0: the likeliest answer.
  // The answer is JSON that this JSON schema allows, "" for any object; None: text with citations in it. A model writes
  // it; see GenerationRequest. Where the documents do not answer, `found` is false, nothing is streamed, and the text
  // says so in words.
  std::optional<std::string> json_schema;
  std::string client;  // Who asks: where many wait for the model, clients are served in turn.
  // The conversation that the question belongs to; "": none. Its last turns are given to the model, and a question that
  // does not stand alone is searched for with the words of the one before. Kept in the cache for cache.session_ttl_s
  // after its last turn. Of two questions at the same time, the turn of one may be lost.
  std::string session;
  std::string owner;  // Whose conversation it is: another owner's of the same name is another one.
  Context context;
  Generator::OnToken on_token;  // Gets the answer as it comes, if set. Markers are checked before they are passed on.
};

struct Citation {
  int marker = 0;  // The n of [n] in the text.
  NodeId node_id = 0;
  std::string file;
  std::optional<uint32_t> page;
  std::optional<Span> bytes;  // In the source file; holds the quote (markup apart).
  std::string quote;
  bool inferred = false;  // The model gave no marker; this passage overlaps the sentence most.
};

struct Answer {
  std::string text;
  std::string reasoning;
  AnswerMode mode = AnswerMode::kExtract;  // How it was made: kGenerate or kExtract.
  bool found = true;  // False: the documents do not answer; text says so and names the nearest files.
  std::vector<Citation> citations;
  bool cached = false;  // Made before, in this state of the knowledge base, and kept.
  // The nearly same question that it was made for; only with cache.similar_questions, and then `cached` too.
  std::optional<std::string> similar_question;
  // What was searched for in place of a question that does not stand alone.
  std::optional<std::string> standalone_question;
  size_t prompt_tokens = 0;
  size_t cached_tokens = 0;
  size_t completion_tokens = 0;
  Timings timings_ms;  // Those of the search, pack, queue (a part of ttft), ttft, tpot, total
  std::vector<Warning> warnings;
};

// One of Config::embedders, as the knowledge base records it.
struct EmbedderRecord {
  std::string model;
  std::string fingerprint;
  size_t dimension = 0;
  friend bool operator==(const EmbedderRecord&, const EmbedderRecord&) = default;
};

struct KnowledgeBaseStatistics {
  StoreStatistics store;
  std::string uuid;
  uint64_t generation = 0;
  std::string model;  // The recorded embedder; "" before the first ingestion.
  size_t dimension = 0;
  std::map<std::string, EmbedderRecord> embedders;  // Those beside `model`, by key.
  std::string root;                                 // What file paths are relative to.
  std::optional<VectorTuning> tuning;               // None before the first Tune with this model.
  std::string cache;                                // "memory", "redis 127.0.0.1:6379"; "": none.
  CacheStatistics cache_counts;                     // Since this object was opened.
  Status cache_condition;                           // Not OK: why the cache is bypassed at present.
};

struct CompactReport {
  StoreStatistics before;
  StoreStatistics after;
};

struct VerifyReport {
  std::vector<Damage> damages;  // Empty: all is well.
  StoreStatistics store;        // What was looked at; zeros where even that cannot be read.
};

struct BackupReport {
  std::string path;       // Of the copy.
  StoreStatistics store;  // Of the copy.
  double total_ms = 0;
};

struct CopyOptions {
  Context context;
  std::function<void(const IngestProgress&)> on_progress;  // On the thread of Copy. Stages: copy, seal, verify, done.
};

struct CopyReport {
  std::string from;      // "ragtime:./kb"
  std::string to;        // "map:./kb.ragmap"
  uint64_t files = 0;    // Of the target now, as of the source: read back and compared.
  uint64_t nodes = 0;    // Likewise.
  std::string checksum;  // 32 hex digits over rows, texts, spans and bits of vectors; the same on both sides.
  uint64_t files_copied = 0;
  uint64_t files_reused = 0;   // Were there from an earlier copy.
  uint64_t files_removed = 0;  // Were there from an earlier copy, and have gone from the source since.
  uint64_t nodes_copied = 0;
  StoreStatistics store;  // Of the target.
  Timings timings_ms;     // copy, seal, verify, total
};

struct ImportOptions {
  Context context;
  // Where to find in the metadata what is not in its usual place: "text", "source" (the document's path), "page", or
  // the name of a field, to a key.
  std::map<std::string, std::string> map;
  std::function<void(const IngestProgress&)> on_progress;  // On the thread of Import. Stages: read, commit, seal, done.
};

struct ImportReport {
  std::string from;
  std::string model;           // The declared one.
  uint64_t nodes_checked = 0;  // Embedded again.
  double cosine_min = 0;       // Between the vectors that came and those that the model makes.
  double cosine_median = 0;
  uint64_t files_imported = 0;
  uint64_t files_reused = 0;  // Were there from an earlier import.
  uint64_t nodes_imported = 0;
  uint64_t nodes_skipped = 0;     // Without a text or a vector.
  std::vector<FieldSpec> fields;  // Declared by it.
  std::vector<Warning> warnings;
  Timings timings_ms;  // read, check, commit, total
};

struct ReembedOptions {
  Context context;
  bool force = false;  // Switch also where recall falls.
  std::function<void(const IngestProgress&)>
      on_progress;  // On the calling thread. Stages: embed, compare, switch, done.
};

struct ReembedReport {
  std::string model_before;
  std::string model;
  size_t dimension_before = 0;
  size_t dimension = 0;
  uint64_t nodes = 0;
  uint64_t nodes_embedded = 0;  // By this call; the others were there from one that was cut short, or from before.
  // Of questions made of the passages' own first sentences, the share that finds its passage among the first 10. None
  // where nothing was compared: an undo, or the model of before is not installed.
  uint64_t questions = 0;
  std::optional<double> recall_before;
  std::optional<double> recall;
  Timings timings_ms;  // embed, compare, switch, total
};

struct TuneJoinsOptions {
  Context context;
  std::vector<std::string> questions;  // Empty: questions_max made of the passages' own first sentences.
  size_t questions_max = 100;
  // Of each passage, so many tokens are computed in their place. Each is measured, and the least that is allowed is
  // what answers go by: more is more exact and slower. Ascending, at least one.
  std::vector<size_t> head_tokens = {8, 16, 32, 64};
  // What is allowed at most, and least: the mean divergence of the first token's distribution, and the share of tokens
  // that are those of the exact answer.
  double divergence_nats_max = 0.05;
  double agreement_min = 0.95;
  // On the calling thread. Stage: compare; counts questions, not files.
  std::function<void(const IngestProgress&)> on_progress;
};

struct DeleteReport {
  uint64_t files = 0;
  uint64_t folders = 0;
  uint64_t nodes = 0;
  std::vector<std::string> file_paths;  // Of the files that went, ascending.
};

class KnowledgeBase {
 public:
  // Opens what `config` names, or prepares to make it at the first Ingest. kNotFound if `must_exist` and there is none.
  static Result<std::unique_ptr<KnowledgeBase>> Open(const Config& config, bool must_exist = false);

  virtual ~KnowledgeBase() = default;
  KnowledgeBase(const KnowledgeBase&) = delete;
  KnowledgeBase& operator=(const KnowledgeBase&) = delete;

  // Takes up new, changed, moved and deleted files below `paths` (folders or files). Files that fail are in the report;
  // the rest is committed.
  virtual Result<IngestReport> Ingest(const std::vector<std::filesystem::path>& paths,
                                      const IngestOptions& options = {}) = 0;
  virtual Result<SearchResult> Search(const SearchRequest& request) = 0;
  // Searches many at once, on all threads; the results in the order of the requests. Questions are embedded together.
  virtual std::vector<Result<SearchResult>> SearchMany(const std::vector<SearchRequest>& requests) {
    std::vector<Result<SearchResult>> results;
    results.reserve(requests.size());
    for (const SearchRequest& request : requests) results.push_back(Search(request));
    return results;
  }
  virtual Result<Answer> Ask(const AskRequest& request) = 0;
  // Says at which stage and rank a file was lost on the way to the hits of a question.
  virtual Result<WhyNotReport> WhyNot(const WhyNotRequest& request) = 0;
  // Makes `name` a similarity that retrievers can name; similarity.h has an example. It is this object's own, and stays
  // until its end. kInvalidArgument where the name is taken.
  virtual Status RegisterSimilarity(const std::string& name, Similarity similarity) = 0;
  // Asks files or nodes like a table.
  virtual Result<TableResult> Query(const TableRequest& request) = 0;
  virtual Result<std::vector<FileRecord>> Files() = 0;
  virtual Result<KnowledgeBaseStatistics> Statistics() = 0;
  // What the language model has done so far; zeros before its first answer.
  virtual GeneratorStatistics GenerationStatistics() { return {}; }
  // Of the threads that its models compute with, which all knowledge bases of this process share whose `threads` says
  // the same number.
  virtual ThreadStatistics ComputingThreads() { return {}; }
  // Loads what questions need, so that the first one need not wait: the models, the index, what the language model has
  // kept of its last prompt. Not OK: something is missing, and questions are answered as far as they can be without it.
  virtual Status Prepare(const Context& = {}) { return Status(); }

  // Measures what answers lose when passages are joined as they were computed elsewhere, instead of being computed in
  // their place, and keeps whether that is within the bounds: later knowledge bases with this folder and model join
  // them only then. kFailedPrecondition where too few questions have several passages.
  virtual Result<JoinRecord> TuneJoins(const TuneJoinsOptions&) {
    return UnimplementedError("this knowledge base has no language model of its own");
  }
  // Measures how much of what is nearest a vector search finds, against a scan, and records the least ef that finds
  // enough: later searches go by it. kFailedPrecondition where every search is exact already, or none finds enough.
  // Results that were kept under another ef are not given again; the generation stays.
  virtual Result<TuneReport> Tune(const TuneOptions&) {
    return UnimplementedError("this knowledge base cannot be tuned", "tune the one that its store keeps");
  }

  // Takes files and folders with all below out, all or nothing. `paths` are file_paths, or paths on disk below the
  // root. kNotFound names those that are most like an unknown one. A file that still lies there comes back with the
  // next Ingest.
  virtual Result<DeleteReport> Delete(const std::vector<std::string>& paths, const Context& context = {}) = 0;
  // Gives the space of deleted nodes back and leaves few segments. Reading goes on meanwhile.
  virtual Result<CompactReport> Compact(const Context& context = {}) = 0;
  // Reads all of it and compares it with its checksums and with itself. Reading and writing go on meanwhile.
  virtual Result<VerifyReport> Verify(const Context& context = {}) = 0;
  // Copies one committed state to `target`, which must not exist yet. Reading and writing go on meanwhile. With `link`
  // the copy's segments are hard links: at once and without space, but on the same disk.
  virtual Result<BackupReport> Backup(const std::filesystem::path& target, bool link = false,
                                      const Context& context = {}) = 0;
  // Makes the folder that `config` names, which does not exist or is empty, from a backup. The copy keeps the uuid and
  // gets a generation that the original never has.
  static Result<BackupReport> Restore(const std::filesystem::path& backup, const Config& config,
                                      const Context& context = {});
  // Takes all documents, nodes, vectors and fields of one store into another, which is made if it is not there, and
  // embeds nothing. The target is empty or an earlier copy of the same knowledge base: one that was cut short goes on
  // where it stopped. All of the target is read back and compared. `to` without a metric takes that of `from`.
  static Result<CopyReport> Copy(const Config& from, const Config& to, const CopyOptions& options = {});
  // Takes a collection that another program has made, with vectors and metadata, into the knowledge base that `to`
  // names: "llamaindex:FOLDER", "chroma:http://host:port/COLLECTION". `to.embed.model` is the model that made the
  // vectors; some texts are embedded again to see that, and kFailedPrecondition names the cosine where it is not.
  static Result<ImportReport> Import(const std::string& from, const Config& to, const ImportOptions& options = {});
  // Embeds everything with another model beside the present vectors while searching goes on, compares how well both
  // find, and switches in one transaction; ids stay. Open knowledge bases follow with their next question. What was
  // embedded when it is cut short is kept for the next call. kFailedPrecondition where recall falls by more than 0.05.
  static Result<ReembedReport> Reembed(const Config& config, const std::string& model,
                                       const ReembedOptions& options = {});
  // Back to the vectors of before the last Reembed; twice is forth again. What came in since is embedded.
  static Result<ReembedReport> UndoReembed(const Config& config, const ReembedOptions& options = {});

 protected:
  KnowledgeBase() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_KNOWLEDGE_BASE_H_
