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
#include "ragtime/status.h"
#include "ragtime/store.h"
#include "ragtime/table.h"

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
  uint64_t files_skipped = 0;  // Of types that no reader takes.
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
  std::map<std::string, double> scores;  // By route: "vector", "keyword".
  Node node;
  std::string file;  // file_path of its document.
};

struct SearchResult {
  std::vector<SearchHit> hits;  // Best first.
  bool cached = false;          // Found before, in this state of the knowledge base, and kept.
  Timings timings_ms;           // open, cache, embed, vector, keyword, fuse, total
  std::vector<Warning> warnings;
};

struct AskRequest {
  std::string question;
  std::optional<AnswerMode> mode;
  std::optional<Route> route;
  std::string filter;  // What a passage must match; "": everything.
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
  Timings timings_ms;  // Those of the search, pack, ttft, tpot, total
  std::vector<Warning> warnings;
};

struct KnowledgeBaseStatistics {
  StoreStatistics store;
  std::string uuid;
  uint64_t generation = 0;
  std::string model;  // The recorded embedder; "" before the first ingestion.
  size_t dimension = 0;
  std::string root;              // What file paths are relative to.
  std::string cache;             // "memory", "redis 127.0.0.1:6379"; "": none.
  CacheStatistics cache_counts;  // Since this object was opened.
  Status cache_condition;        // Not OK: why the cache is bypassed at present.
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
  virtual Result<Answer> Ask(const AskRequest& request) = 0;
  // Asks files or nodes like a table.
  virtual Result<TableResult> Query(const TableRequest& request) = 0;
  virtual Result<std::vector<FileRecord>> Files() = 0;
  virtual Result<KnowledgeBaseStatistics> Statistics() = 0;

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

 protected:
  KnowledgeBase() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_KNOWLEDGE_BASE_H_
