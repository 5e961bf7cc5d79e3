// SPDX-License-Identifier: Apache-2.0
#include "engine/copying.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/write_right.h"
#include "engine/builtin.h"
#include "engine/digest.h"
#include "engine/recorded.h"
#include "engine/store_address.h"
#include "store/batch_check.h"

namespace ragtime {
namespace {

// Of the target: whose copy it is, and whether it was whole once. Until then nobody else has put anything into it.
constexpr char kCopyOf[] = "copy.of";
constexpr char kCopyWhole[] = "copy.whole";

// Whether a row says the same of a file, in whichever store it lies.
bool SameFile(const FileRecord& a, const FileRecord& b) {
  return a.file_path == b.file_path && a.content_hash == b.content_hash && a.nodes == b.nodes &&
         a.file_type == b.file_type && a.file_size == b.file_size && a.modified_time_ns == b.modified_time_ns &&
         a.encoding == b.encoding && a.meta_hash == b.meta_hash && a.fields == b.fields && a.status == b.status &&
         a.error == b.error;
}

size_t SizeBytes(const NewNode& node) {
  size_t floats = node.vector.size();
  for (const auto& [key, vector] : node.named) floats += vector.size();
  return node.node.text.size() + floats * sizeof(float);
}

class Copying {
 public:
  Copying(const Store& from, Store& to, const CopyOptions& options, const CopyLimits& limits)
      : from_(from), to_(to), options_(options), limits_(limits) {}

  Result<CopyReport> Run() {
    const Stopwatch total;
    RAGTIME_RETURN_IF_ERROR(Prepare());
    Stopwatch stage;
    Report("copy");
    RAGTIME_RETURN_IF_ERROR(Annotated(CopyDocuments()));
    report_.timings_ms["copy"] = stage.ElapsedMs();
    stage = Stopwatch();
    Report("seal");
    RAGTIME_RETURN_IF_ERROR(Annotated(to_.Seal(options_.context)));
    report_.timings_ms["seal"] = stage.ElapsedMs();
    stage = Stopwatch();
    RAGTIME_RETURN_IF_ERROR(Annotated(Verify()));
    report_.timings_ms["verify"] = stage.ElapsedMs();
    WriteBatch whole;
    whole.settings[kCopyWhole] = "1";
    RAGTIME_RETURN_IF_ERROR(Commit(std::move(whole)));
    report_.timings_ms["total"] = total.ElapsedMs();
    Report("done");
    return std::move(report_);
  }

 private:
  // Looks at both sides and refuses what does not go together, before anything is written.
  Status Prepare() {
    RAGTIME_ASSIGN_OR_RETURN(source_, from_.OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> uuid, from_.Setting("uuid"));
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> own, to_.Setting("uuid"));
    uuid_ = uuid.value_or("");
    if (own == uuid) {
      return InvalidArgumentError("both sides of the copy are the same knowledge base", "name another target");
    }
    RAGTIME_ASSIGN_OR_RETURN(const auto target, to_.OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<FileRecord> there, target->Files());
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> copy_of, to_.Setting(kCopyOf));
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> whole, to_.Setting(kCopyWhole));
    if (!there.empty() && copy_of != uuid) {
      return AlreadyExistsError(
          StrCat("the target of the copy holds other documents already: ", there.front().file_path),
          "name a target that is empty, or one that an earlier copy of the same knowledge base has made");
    }
    RAGTIME_RETURN_IF_ERROR(CompareSettings());
    RAGTIME_RETURN_IF_ERROR(CompareKeys());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<FileRecord> files, source_->Files());
    for (FileRecord& file : files) {
      if (!file.is_dir) files_.push_back(std::move(file));
    }
    for (FileRecord& file : there) {
      if (!file.is_dir) there_.emplace(file.file_path, std::move(file));
    }
    RAGTIME_RETURN_IF_ERROR(FindSuperfluous(whole == "1"));
    declare_ = source_->fields() != target->fields();
    progress_.files_total = files_.size();
    return Status();
  }

  Status CompareSettings() {
    for (const char* key : {"metric", "dimension"}) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> ours, from_.Setting(key));
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> theirs, to_.Setting(key));
      if (ours && theirs && *ours != *theirs) {
        return FailedPreconditionError(
            StrCat("the target of the copy was made with ", key, " ", *theirs, ", and the source with ", *ours),
            "name a target that does not exist yet");
      }
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(from_));
    if (recorded) settings_ = recorded->ToSettings();
    for (const auto& [key, value] : settings_) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> theirs, to_.Setting(key));
      if (theirs && *theirs != value) {
        return FailedPreconditionError(
            StrCat("the target of the copy records ", key, " ", *theirs, ", and the source ", value),
            "name a target that does not exist yet");
      }
    }
    settings_[kCopyOf] = uuid_;
    return Status();
  }

  Status CompareKeys() {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> named, from_.Setting(kNamedDimensionsSetting));
    RAGTIME_ASSIGN_OR_RETURN(dimensions_, DecodeDimensions(named.value_or("")));
    if (dimensions_.empty() || to_.traits().named_vectors) return Status();
    return UnimplementedError(StrCat("the source has vectors of the embedder ", dimensions_.begin()->first,
                                     " beside its own, and a store on a server keeps one vector for each node"),
                              "copy to a store of type ragtime or map");
  }

  // What the target has and the source has not. As long as the copy was never whole, it can only have come from the
  // source, and was deleted there since.
  Status FindSuperfluous(bool whole) {
    std::map<std::string_view, const FileRecord*> wanted;
    for (const FileRecord& file : files_) wanted.emplace(file.file_path, &file);
    for (const auto& [path, file] : there_) {
      if (wanted.contains(path)) continue;
      if (whole) {
        return FailedPreconditionError(
            StrCat("the target of the copy holds ", path, ", which the source does not have"),
            "delete it there with ragtime delete, or name an empty target");
      }
      superfluous_.push_back(file.id);
    }
    std::sort(superfluous_.begin(), superfluous_.end());
    return Status();
  }

  Status CopyDocuments() {
    WriteBatch first;
    first.settings = settings_;
    first.erased = superfluous_;
    if (declare_) first.fields = source_->fields();
    first.dimensions = dimensions_;
    RAGTIME_RETURN_IF_ERROR(Commit(std::move(first)));
    report_.files_removed = superfluous_.size();
    for (const FileRecord& file : files_) {
      RAGTIME_RETURN_IF_ERROR(options_.context.Check());
      const auto there = there_.find(file.file_path);
      if (there != there_.end() && SameFile(file, there->second)) {
        reused_.push_back(&file);
        ++report_.files_reused;
        ++progress_.files_done;
        progress_.nodes_done += file.nodes;
        continue;
      }
      RAGTIME_RETURN_IF_ERROR(AddDocument(file));
    }
    return CommitBatch();
  }

  Status AddDocument(const FileRecord& file) {
    const size_t nodes_max = to_.traits().commit_nodes_max;
    if (file.nodes > nodes_max) {
      return InvalidArgumentError(StrCat(file.file_path, " has more nodes than the ", nodes_max,
                                         " that one commit of the target takes: ", file.nodes),
                                  "delete it from the source, or split the file into smaller ones");
    }
    if (nodes_ + file.nodes > std::min(limits_.commit_nodes, nodes_max)) RAGTIME_RETURN_IF_ERROR(CommitBatch());
    DocumentWrite write{.file = file};
    RAGTIME_ASSIGN_OR_RETURN(write.nodes, source_->NodesOf(file.id));
    digests_[file.file_path] = DocumentDigest(file, write.nodes);
    write.file.id = 0;
    write.file.parent_id.reset();
    for (NewNode& node : write.nodes) {
      node.node.id = 0;
      node.node.document_id = 0;
      bytes_ += SizeBytes(node);
    }
    nodes_ += write.nodes.size();
    batch_.documents.push_back(std::move(write));
    const bool due = nodes_ >= limits_.commit_nodes || bytes_ >= limits_.commit_bytes ||
                     batch_.documents.size() >= limits_.commit_files;
    return due ? CommitBatch() : Status();
  }

  Status CommitBatch() {
    if (batch_.documents.empty()) return Status();
    const size_t files = batch_.documents.size();
    std::string last = batch_.documents.back().file.file_path;
    RAGTIME_RETURN_IF_ERROR(Commit(std::exchange(batch_, {})));
    report_.files_copied += files;
    report_.nodes_copied += nodes_;
    progress_.files_done += files;
    progress_.nodes_done += nodes_;
    progress_.file = std::move(last);
    nodes_ = bytes_ = 0;
    Report("copy");
    return Status();
  }

  Status Commit(WriteBatch batch) { return to_.Commit(options_.context, std::move(batch)).status(); }

  // Reads all of the target back, and of the source what was not read for copying, and compares.
  Status Verify() {
    for (const FileRecord* file : reused_) {
      RAGTIME_RETURN_IF_ERROR(options_.context.Check());
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode> nodes, source_->NodesOf(file->id));
      digests_[file->file_path] = DocumentDigest(*file, nodes);
    }
    RAGTIME_ASSIGN_OR_RETURN(const auto target, to_.OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, target->Files());
    std::map<std::string, std::string> found;
    progress_.files_done = progress_.nodes_done = 0;
    for (const FileRecord& file : files) {
      if (file.is_dir) continue;
      RAGTIME_RETURN_IF_ERROR(options_.context.Check());
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<NewNode> nodes, target->NodesOf(file.id));
      if (nodes.size() != file.nodes) {
        return Differs(file.file_path, StrCat(nodes.size(), " nodes where its row counts ", file.nodes));
      }
      found[file.file_path] = DocumentDigest(file, nodes);
      progress_.file = file.file_path;
      progress_.files_done += 1;
      progress_.nodes_done += nodes.size();
      Report("verify");
      report_.nodes += nodes.size();
    }
    report_.files = found.size();
    for (const auto& [path, digest] : digests_) {
      const auto other = found.find(path);
      if (other == found.end()) return Differs(path, "nothing");
      if (other->second != digest) return Differs(path, "other texts, spans, vectors or fields");
    }
    if (found.size() != digests_.size()) return Differs("a file", "more than the source");
    report_.checksum = DigestOfAll(found);
    RAGTIME_ASSIGN_OR_RETURN(report_.store, target->Statistics());
    return Status();
  }

  static Status Differs(const std::string& path, const std::string& what) {
    return DataLossError(StrCat("the copy of ", path, " was read back, and the target holds ", what),
                         "delete it from the target and copy again; did another program write there?");
  }

  Status Annotated(const Status& status) const {
    if (status.ok()) return status;
    return Status(status.code(),
                  StrCat(status.message(), "; stored and safe are ", report_.files_copied + report_.files_reused,
                         " of ", progress_.files_total, " files"),
                  status.remedy().empty() ? "run the same command again to go on from there" : status.remedy());
  }

  void Report(const char* stage) {
    progress_.stage = stage;
    if (options_.on_progress) options_.on_progress(progress_);
  }

  const Store& from_;
  Store& to_;
  const CopyOptions& options_;
  const CopyLimits limits_;

  std::shared_ptr<const Snapshot> source_;
  std::string uuid_;                             // Of the source.
  std::map<std::string, std::string> settings_;  // To record in the target.
  NamedDimensions dimensions_;                   // Of the source's keys.
  std::vector<FileRecord> files_;                // Of the source, by path.
  std::map<std::string, FileRecord> there_;      // Of the target, by path.
  std::vector<DocumentId> superfluous_;          // In the target.
  std::vector<const FileRecord*> reused_;        // In files_.
  std::map<std::string, std::string> digests_;   // Of the source, by path.
  bool declare_ = false;                         // The target has declared other fields.
  WriteBatch batch_;
  size_t nodes_ = 0;  // In batch_.
  size_t bytes_ = 0;
  IngestProgress progress_;
  CopyReport report_;
};

}  // namespace

Result<CopyReport> CopyStore(const Store& from, Store& to, int64_t lock_timeout_ms, const CopyOptions& options,
                             const CopyLimits& limits) {
  RAGTIME_RETURN_IF_ERROR(to.BeginWrite(lock_timeout_ms));
  const WriteRight right(to);
  return Copying(from, to, options, limits).Run();
}

Result<CopyReport> KnowledgeBase::Copy(const Config& from, const Config& to, const CopyOptions& options) {
  RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Store> source, MakeStore(from, /*create=*/false));
  Config target = to;
  if (!target.store.metric) {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> metric, source->Setting("metric"));
    target.store.metric = ParseMetric(metric.value_or(""));
  }
  // What is recorded of the words is copied, and so must hold for the copy.
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> words, source->Setting("words.chinese"));
  if (words) target.words.chinese = *words;
  RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, MakeStore(target, /*create=*/true));
  RAGTIME_ASSIGN_OR_RETURN(CopyReport report, CopyStore(*source, *store, to.lock_timeout_ms, options));
  report.from = AddressOf(from.store);
  report.to = AddressOf(to.store);
  return report;
}

}  // namespace ragtime
