// SPDX-License-Identifier: Apache-2.0
#include "ingest/pipeline.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "base/write_right.h"
#include "ingest/changes.h"
#include "ingest/embed_queue.h"
#include "ingest/fields.h"
#include "ingest/read_ahead.h"
#include "ingest/scan.h"

namespace ragtime {
namespace {

// Files without nodes are cheap, but a commit of very many is not.
constexpr size_t kCommitFilesMax = 1024;
constexpr char kGroupsSetting[] = "node_groups";
// Behind the meta_hash of a file with a group that the language model did not write: no file has this hash by itself,
// so it is read again.
constexpr std::string_view kIncomplete = "?";

class Ingestion {
 public:
  Ingestion(const IngestRequest& request, Store& store, Embedder& embedder, const NodeGroups& groups,
            std::span<const Reader* const> readers, ThreadPool& pool, const IngestOptions& options)
      : request_(request),
        store_(store),
        embedder_(embedder),
        groups_(groups),
        readers_(readers),
        pool_(pool),
        options_(options) {}

  Result<IngestReport> Run() {
    Stopwatch total;
    Stopwatch stage;
    Changes changes;
    RAGTIME_RETURN_IF_ERROR(ScanAndCompare(changes));
    report_.timings_ms["scan"] = stage.ElapsedMs();
    progress_.files_total = changes.to_read.size();
    Report("scan");
    RAGTIME_RETURN_IF_ERROR(Annotated(CommitRows(changes)));
    RAGTIME_RETURN_IF_ERROR(Annotated(ReadEmbedCommit(changes.to_read)));
    Report("seal");
    Stopwatch seal;
    RAGTIME_RETURN_IF_ERROR(Annotated(store_.Seal(options_.context)));
    report_.timings_ms["seal"] = seal.ElapsedMs();
    report_.timings_ms["total"] = total.ElapsedMs();
    Report("done");
    return std::move(report_);
  }

 private:
  Status ScanAndCompare(Changes& changes) {
    if (request_.paths.empty()) {
      return InvalidArgumentError("there is no path to ingest", "give a folder or a file, or set dataset_path");
    }
    RAGTIME_ASSIGN_OR_RETURN(ScanResult scan,
                             Scan(options_.context, {request_.paths, request_.root, request_.kb_folder}, readers_));
    RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<const Snapshot> snapshot, store_.OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> known, snapshot->Files());
    RAGTIME_RETURN_IF_ERROR(CheckEmptyFolders(scan, known));
    fields_ = FieldReader(request_.fields.value_or(snapshot->fields()), groups_.made_by());
    declare_ = fields_.declared() != snapshot->fields();
    if (options_.fields_of && !fields_.declared().empty()) {
      for (ScannedFile& file : scan.files) file.fields.given = options_.fields_of(file.file_path);
    }
    RAGTIME_ASSIGN_OR_RETURN(
        changes, FindChanges(options_.context, scan, known, fields_, request_.limits.file_bytes_max, pool_));
    for (const auto& [type, files] : scan.skipped) report_.files_skipped += files;
    report_.skipped_types = std::move(scan.skipped);
    report_.files_unchanged = changes.unchanged;
    report_.failed = std::move(scan.failed);
    report_.warnings = std::move(scan.warnings);
    return Status();
  }

  // An empty folder is most likely the wrong one, unless its files were there before.
  Status CheckEmptyFolders(const ScanResult& scan, const std::vector<FileRecord>& known) const {
    for (const ScannedScope& scope : scan.scopes) {
      if (!scope.is_folder || scope.files > 0) continue;
      auto below = [&](const std::filesystem::path& path) { return IsAtOrBelow(path.native(), scope.path.native()); };
      if (std::any_of(scan.unreadable.begin(), scan.unreadable.end(), below)) continue;
      if (std::any_of(scan.files.begin(), scan.files.end(), [&](const ScannedFile& file) { return below(file.path); }))
        continue;
      if (std::any_of(known.begin(), known.end(), [&](const FileRecord& row) {
            return !row.is_dir && below((scan.root / UnescapeFilePath(row.file_path)).lexically_normal());
          })) {
        continue;
      }
      std::string types;
      for (const Reader* reader : readers_) types += StrCat(types.empty() ? "" : ", ", reader->type());
      std::string others;
      for (const auto& [type, files] : scope.skipped) {
        others += StrCat(others.empty() ? ", but " : ", ", files, " ", type.empty() ? "without an ending" : type);
      }
      return NotFoundError(StrCat("the folder ", scope.path.string(),
                                  others.empty() ? " is empty" : " holds no file of a type that can be read", others),
                           StrCat("give a folder that holds files of type ", types));
    }
    return Status();
  }

  // Moves, new times and deletions need no reading, so they come first and together. So do declarations: should the
  // rest be cut short, the files not read yet are told by the meta_hash of their rows.
  Status CommitRows(Changes& changes) {
    RAGTIME_RETURN_IF_ERROR(options_.context.Check());
    WriteBatch batch;
    RAGTIME_RETURN_IF_ERROR(RecordGroups(batch));
    if (changes.row_updates.empty() && changes.erased.empty() && !declare_ && batch.settings.empty()) return Status();
    if (declare_) batch.fields = fields_.declared();
    if (!batch.settings.empty()) batch.dimensions = request_.dimensions;
    batch.documents = std::move(changes.row_updates);
    batch.erased = std::move(changes.erased);
    report_.files_deleted = batch.erased.size();
    report_.files_moved = changes.moved;
    return Commit(std::move(batch));
  }

  // Rows name the groups that made them by a hash; the settings say which of those groups have vectors of their own.
  Status RecordGroups(WriteBatch& batch) const {
    std::map<std::string, std::string> settings = request_.settings;
    if (!groups_.made_by().empty()) {
      std::string& names = settings[StrCat(kGroupsSetting, groups_.made_by())];
      for (const std::string& name : groups_.embedded()) names += StrCat(name, "\n");
    }
    for (const auto& [key, value] : settings) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> known, store_.Setting(key));
      if (known != value) batch.settings[key] = value;
    }
    return Status();
  }

  // Whether the nodes of `group` in a file with this row have vectors of their own.
  Result<bool> HadVectors(const FileRecord& row, const std::string& group) {
    const size_t point = row.meta_hash.find('.');
    if (point == std::string::npos) return true;
    std::string made_by = row.meta_hash.substr(point);
    if (made_by.ends_with(kIncomplete)) made_by.resize(made_by.size() - kIncomplete.size());
    auto known = embedded_of_.find(made_by);
    if (known == embedded_of_.end()) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> names, store_.Setting(StrCat(kGroupsSetting, made_by)));
      known = embedded_of_.emplace(made_by, "\n" + names.value_or("")).first;
    }
    return known->second.find(StrCat("\n", group, "\n")) != std::string::npos;
  }

  Status ReadEmbedCommit(const std::vector<FileToRead>& files) {
    report_.timings_ms["read"] = 0;
    const IngestLimits& limits = request_.limits;
    ReadAhead reads(options_.context, files, groups_, fields_,
                    {limits.file_bytes_max, limits.text_bytes_max, limits.in_flight_bytes_max}, pool_);
    queues_.try_emplace("", "", embedder_, limits);
    for (const auto& [key, embedder] : request_.embedders) queues_.try_emplace(key, key, *embedder, limits);
    Status status;
    for (size_t i = 0; i < files.size() && status.ok(); ++i) {
      ReadFileResult read = reads.Take();
      status = options_.context.Check();
      if (status.ok()) status = AddFile(files[i], std::move(read));
      for (auto& [key, queue] : queues_) {
        while (status.ok() && queue.HasWindow()) status = EmbedWindow(queue);
      }
      if (status.ok()) status = CommitFinished(/*all=*/false);
    }
    for (auto& [key, queue] : queues_) {
      while (status.ok() && !queue.empty()) status = EmbedWindow(queue);
    }
    // What has its vectors is worth keeping when the embedder fails; who cancels wants to stop now.
    if (!status.ok() && !options_.context.Check().ok()) return status;
    const Status committed = commit_failed_ ? Status() : CommitFinished(/*all=*/true);
    return status.ok() ? committed : status;
  }

  Status AddFile(const FileToRead& file, ReadFileResult read) {
    report_.timings_ms["read"] += read.elapsed_ms;
    report_.source_bytes += read.was_read ? read.size_bytes : 0;
    const size_t nodes_max = store_.traits().commit_nodes_max;
    if (read.nodes.size() > nodes_max) {
      read.status = ResourceExhaustedError(StrCat("the file has more nodes than the ", nodes_max,
                                                  " that one commit of the store takes: ", read.nodes.size()),
                                           "split the file into smaller ones");
      read.nodes.clear();
    }
    for (const std::string& warning : read.warnings) {
      report_.warnings.push_back({"encoding", {}, StrCat(file.file.file_path, ": ", warning)});
    }
    for (const std::string& warning : read.group_warnings) {
      report_.warnings.push_back({"group", {}, StrCat(file.file.file_path, ": ", warning)});
    }
    for (const std::string& warning : read.fields.warnings) {
      report_.warnings.push_back({"field", {}, StrCat(file.file.file_path, ": ", warning)});
    }
    PendingFile& pending = pending_.emplace_back();
    pending.known = file.known.has_value();
    pending.write.file = NewRow(file, read);
    if (!read.status.ok()) {
      AddFailure(file, read, pending);
      return Status();
    }
    if (read.nodes.empty()) {
      report_.warnings.push_back({"no_text", {}, StrCat(file.file.file_path, ": the file holds no text")});
    }
    pending.write.nodes.reserve(read.nodes.size());
    for (Node& node : read.nodes) pending.write.nodes.push_back({std::move(node), {}});
    RAGTIME_RETURN_IF_ERROR(ReuseVectors(file, pending));
    for (size_t i = 0; i < pending.write.nodes.size(); ++i) {
      const NewNode& node = pending.write.nodes[i];
      if (node.vector.empty() && groups_.IsEmbedded(node.node.group)) queues_.at("").Add(pending, i);
      for (const std::string& key : groups_.EmbedKeys(node.node.group)) {
        if (!node.named.contains(key)) queues_.at(key).Add(pending, i);
      }
    }
    return Status();
  }

  FileRecord NewRow(const FileToRead& file, const ReadFileResult& read) const {
    FileRecord row;
    row.file_path = file.file.file_path;
    row.file_name = row.file_path.substr(row.file_path.rfind('/') + 1);
    row.file_type = std::string(file.file.reader->type());
    row.file_size = read.size_bytes;
    row.create_time_ms = UnixTimeMs();
    row.modified_time_ns = file.file.modified_time_ns;
    row.content_hash = read.content_hash;
    row.encoding = read.encoding;
    row.meta_hash = read.fields.meta_hash;
    if (!read.complete) row.meta_hash += kIncomplete;
    row.fields = read.fields.fields;
    row.status = FileStatus::kReady;
    row.nodes = read.nodes.size();
    return row;
  }

  void AddFailure(const FileToRead& file, const ReadFileResult& read, PendingFile& pending) {
    report_.failed.push_back({file.file.file_path, read.status});
    std::string error = read.status.message();
    if (!read.status.remedy().empty()) error += "; " + read.status.remedy();
    // Nothing says that the old text is wrong if the file could not even be read: its nodes stay.
    if (file.known && !read.was_read) {
      pending.write.keep_id = true;
      pending.write.file = *file.known;
    }
    FileRecord& row = pending.write.file;
    row.status = FileStatus::kFailed;
    row.error = std::move(error);
    if (!pending.write.keep_id) row.nodes = 0;
    pending.unchanged_row = file.known && file.known->status == FileStatus::kFailed && file.known->error == row.error &&
                            file.known->content_hash == row.content_hash &&
                            file.known->modified_time_ns == row.modified_time_ns;
  }

  // Nodes whose text the old version had, too, take its vectors.
  Status ReuseVectors(const FileToRead& file, PendingFile& pending) {
    if (!file.known || file.known->nodes == 0 || pending.write.nodes.empty()) return Status();
    RAGTIME_ASSIGN_OR_RETURN(const std::shared_ptr<const Snapshot> snapshot, store_.OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<NewNode> old_nodes, snapshot->NodesOf(file.known->id));
    std::unordered_map<std::string_view, const std::vector<float>*> vectors;
    std::map<std::string_view, std::unordered_map<std::string_view, const std::vector<float>*>> keyed;
    for (const NewNode& old_node : old_nodes) {
      RAGTIME_ASSIGN_OR_RETURN(const bool its_own, HadVectors(*file.known, old_node.node.group));
      if (its_own && old_node.vector.size() == embedder_.info().dimension)
        vectors.emplace(old_node.node.text, &old_node.vector);
      for (const auto& [key, vector] : old_node.named) keyed[key].emplace(old_node.node.text, &vector);
    }
    for (NewNode& node : pending.write.nodes) {
      for (const std::string& key : groups_.EmbedKeys(node.node.group)) {
        const auto known = keyed[key].find(node.node.text);
        if (known != keyed[key].end()) node.named[key] = *known->second;
      }
      const auto found = vectors.find(node.node.text);
      if (found == vectors.end() || !groups_.IsEmbedded(node.node.group)) continue;
      node.vector = *found->second;
      ++pending.reused;
    }
    return Status();
  }

  // Embeds a window of what waits, and commits what is whole now, if a commit is due.
  Status EmbedWindow(EmbedQueue& queue) {
    RAGTIME_ASSIGN_OR_RETURN(const double elapsed_ms, queue.EmbedWindow(options_.context));
    report_.timings_ms["embed"] += elapsed_ms;
    return CommitFinished(/*all=*/false);
  }

  // Commits the files at the front that have all their vectors: if a commit is due, or all of them.
  Status CommitFinished(bool all) {
    size_t files = 0;
    size_t nodes = 0;
    for (; files < pending_.size() && pending_[files].missing == 0; ++files)
      nodes += pending_[files].write.nodes.size();
    const bool due = nodes >= request_.limits.commit_nodes || files >= kCommitFilesMax ||
                     since_commit_.ElapsedMs() >= static_cast<double>(request_.limits.commit_interval_ms);
    if (files == 0 || (!all && !due)) return Status();
    for (size_t done = 0; done < files;) {
      size_t count = 0;
      size_t batch_nodes = 0;
      while (done + count < files && count < kCommitFilesMax &&
             (count == 0 || batch_nodes + pending_[count].write.nodes.size() <= store_.traits().commit_nodes_max)) {
        batch_nodes += pending_[count].write.nodes.size();
        ++count;
      }
      RAGTIME_RETURN_IF_ERROR(CommitFront(count));
      done += count;
    }
    return Status();
  }

  // Commits the first `count` pending files as one batch.
  Status CommitFront(size_t count) {
    WriteBatch batch;
    for (size_t i = 0; i < count; ++i) {
      if (pending_[i].unchanged_row) continue;
      BorrowVectors(pending_[i].write.nodes, embedder_.info().dimension);
      batch.documents.push_back(std::move(pending_[i].write));
    }
    uint64_t nodes = 0;
    for (const DocumentWrite& document : batch.documents) nodes += document.nodes.size();
    if (!batch.documents.empty()) {
      std::string last_file = batch.documents.back().file.file_path;
      std::vector<bool> ready;
      for (const DocumentWrite& document : batch.documents) ready.push_back(document.file.status == FileStatus::kReady);
      RAGTIME_RETURN_IF_ERROR(Commit(std::move(batch)));
      progress_.file = std::move(last_file);
      size_t document = 0;
      for (size_t i = 0; i < count; ++i) {
        if (pending_[i].unchanged_row || !ready[document++]) continue;
        ++(pending_[i].known ? report_.files_changed : report_.files_added);
        report_.nodes_reused += pending_[i].reused;
      }
    }
    report_.nodes_added += nodes;
    progress_.files_done += count;
    progress_.nodes_done += nodes;
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    Report("embed");
    return Status();
  }

  Status Commit(WriteBatch batch) {
    Stopwatch stopwatch;
    const Result<CommitResult> result = store_.Commit(options_.context, std::move(batch));
    report_.timings_ms["commit"] += stopwatch.ElapsedMs();
    since_commit_ = Stopwatch();
    commit_failed_ = !result.ok();
    return result.status();
  }

  // Says in a failure how much of the work is safe.
  Status Annotated(const Status& status) const {
    if (status.ok()) return status;
    return Status(status.code(),
                  StrCat(status.message(), "; stored and safe are ", progress_.files_done, " of ",
                         progress_.files_total, " files with this many nodes: ", progress_.nodes_done),
                  status.remedy().empty() ? "run the same command again to go on from there" : status.remedy());
  }

  void Report(const char* stage) {
    progress_.stage = stage;
    if (options_.on_progress) options_.on_progress(progress_);
  }

  const IngestRequest& request_;
  Store& store_;
  Embedder& embedder_;
  const NodeGroups& groups_;
  const std::span<const Reader* const> readers_;
  ThreadPool& pool_;
  const IngestOptions& options_;

  FieldReader fields_{{}};
  bool declare_ = false;                            // The store has declared other fields.
  std::map<std::string, std::string> embedded_of_;  // By NodeGroups::made_by: "\n" and a line for each group.
  IngestReport report_;
  IngestProgress progress_;
  std::deque<PendingFile> pending_;  // In order of path; erased at the front only, so that pointers into it stay valid.
  std::map<std::string, EmbedQueue> queues_;  // By key; "": of embedder_.
  Stopwatch since_commit_;
  bool commit_failed_ = false;
};

}  // namespace

Result<IngestReport> IngestPaths(const IngestRequest& request, Store& store, Embedder& embedder,
                                 const NodeGroups& groups, std::span<const Reader* const> readers, ThreadPool& pool,
                                 const IngestOptions& options) {
  RAGTIME_RETURN_IF_ERROR(store.BeginWrite(request.lock_timeout_ms));
  const WriteRight lock(store);
  if (request.check) RAGTIME_RETURN_IF_ERROR(request.check());
  return Ingestion(request, store, embedder, groups, readers, pool, options).Run();
}

}  // namespace ragtime
