// SPDX-License-Identifier: Apache-2.0
#include "engine/reembedding.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/write_right.h"
#include "engine/builtin.h"
#include "engine/node_question.h"
#include "engine/recorded.h"
#include "model/remote_fingerprint.h"
#include "store/batch_check.h"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr size_t kEmbedNodes = 128;    // In one call of the embedder.
constexpr size_t kCommitNodes = 1024;  // A kill loses no more.
constexpr size_t kRecallDepth = 10;
constexpr double kRecallLossMax = 0.05;
// Of the store beside: what it is being made for.
constexpr char kBesideOf[] = "reembed.of";

Result<std::vector<float>> EmbedPassages(const Context& context, Embedder& embedder,
                                         std::span<const std::string> texts) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_ASSIGN_OR_RETURN(std::vector<float> vectors,
                           embedder.Embed(context.InBackground(), texts, TextKind::kPassage));
  if (vectors.size() != texts.size() * embedder.info().dimension) {
    return InternalError(StrCat("the embedder ", embedder.info().model, " gave ", vectors.size(),
                                " numbers for this many texts: ", texts.size()),
                         "choose another model");
  }
  return vectors;
}

Status EmbedNodes(const Context& context, Embedder& embedder, std::vector<NewNode>& nodes) {
  const size_t dimension = embedder.info().dimension;
  for (size_t done = 0; done < nodes.size(); done += kEmbedNodes) {
    std::vector<std::string> texts;
    for (size_t i = done; i < std::min(done + kEmbedNodes, nodes.size()); ++i) texts.push_back(nodes[i].node.text);
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vectors, EmbedPassages(context, embedder, texts));
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto row = vectors.begin() + static_cast<std::ptrdiff_t>(i * dimension);
      nodes[done + i].vector.assign(row, row + static_cast<std::ptrdiff_t>(dimension));
    }
  }
  return Status();
}

bool SameContent(const FileRecord& a, const FileRecord& b) {
  return a.content_hash == b.content_hash && a.nodes == b.nodes;
}

// The nodes of one document after another, found by path, group and position.
class NodesByPlace {
 public:
  explicit NodesByPlace(const Snapshot& snapshot) : snapshot_(snapshot) {}

  // Null where there is none of that place and text. Valid until another document is asked for.
  Result<const NewNode*> Find(const std::string& path, const Node& node) {
    if (path != path_) {
      nodes_.clear();
      path_ = path;
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<FileRecord> file, snapshot_.FindFile(path));
      if (file) {
        RAGTIME_ASSIGN_OR_RETURN(nodes_, snapshot_.NodesOf(file->id));
      }
    }
    const auto found = std::lower_bound(nodes_.begin(), nodes_.end(), node, [](const NewNode& a, const Node& b) {
      return std::tie(a.node.group, a.node.position) < std::tie(b.group, b.position);
    });
    const bool same = found != nodes_.end() && found->node.group == node.group &&
                      found->node.position == node.position && found->node.text == node.text;
    return same ? &*found : nullptr;
  }

 private:
  const Snapshot& snapshot_;
  std::string path_;
  std::vector<NewNode> nodes_;  // Of path_, by (group, position).
};

std::unordered_map<DocumentId, std::string> PathsById(const std::vector<FileRecord>& files) {
  std::unordered_map<DocumentId, std::string> paths;
  for (const FileRecord& file : files) {
    if (!file.is_dir) paths.emplace(file.id, file.file_path);
  }
  return paths;
}

}  // namespace

Result<uint64_t> EmbedBeside(const Snapshot& store, Store& beside, Embedder& embedder, const ReembedOptions& options) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, store.Files());
  RAGTIME_ASSIGN_OR_RETURN(const auto there, beside.OpenSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> known, there->Files());
  std::map<std::string_view, const FileRecord*> known_by_path;
  for (const FileRecord& file : known) known_by_path.emplace(file.file_path, &file);

  IngestProgress progress{.stage = "embed"};
  WriteBatch batch;
  std::map<std::string_view, const FileRecord*> wanted;
  for (const FileRecord& file : files) {
    if (file.is_dir || file.nodes == 0) continue;
    wanted.emplace(file.file_path, &file);
    ++progress.files_total;
  }
  for (const FileRecord& file : known) {
    if (!file.is_dir && !wanted.contains(file.file_path)) batch.erased.push_back(file.id);
  }
  std::sort(batch.erased.begin(), batch.erased.end());
  uint64_t embedded = 0;
  size_t nodes = 0;
  const auto commit = [&]() -> Status {
    if (batch.documents.empty() && batch.erased.empty()) return Status();
    progress.files_done += batch.documents.size();
    if (!batch.documents.empty()) progress.file = batch.documents.back().file.file_path;
    RAGTIME_RETURN_IF_ERROR(beside.Commit(options.context, std::exchange(batch, {})).status());
    progress.nodes_done += std::exchange(nodes, 0);
    if (options.on_progress) options.on_progress(progress);
    return Status();
  };
  for (const auto& [path, file] : wanted) {
    const auto found = known_by_path.find(path);
    if (found != known_by_path.end() && SameContent(*found->second, *file)) {
      ++progress.files_done;
      progress.nodes_done += file->nodes;
      continue;
    }
    DocumentWrite write{.file = *file};
    write.file.id = 0;
    write.file.parent_id.reset();
    write.file.fields.clear();
    RAGTIME_ASSIGN_OR_RETURN(write.nodes, store.NodesOf(file->id));
    for (NewNode& node : write.nodes) {
      node.node.id = node.node.document_id = 0;
      node.named.clear();  // They stay where they are.
    }
    const Status status = EmbedNodes(options.context, embedder, write.nodes);
    if (!status.ok()) {
      // What has its vectors is kept, unless somebody wants to stop now.
      if (options.context.Check().ok()) (void)commit();
      return Status(status.code(), status.message(),
                    status.remedy().empty() ? "run the same command again to go on from there" : status.remedy());
    }
    embedded += write.nodes.size();
    nodes += write.nodes.size();
    batch.documents.push_back(std::move(write));
    if (nodes >= kCommitNodes) RAGTIME_RETURN_IF_ERROR(commit());
  }
  RAGTIME_RETURN_IF_ERROR(commit());
  return embedded;
}

Result<Recall> OwnRecall(const Context& context, const Snapshot& of, const Snapshot& in, Embedder& embedder,
                         size_t questions) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, of.Files());
  const std::unordered_map<DocumentId, std::string> paths = PathsById(files);
  std::vector<NodeId> ids;
  RAGTIME_RETURN_IF_ERROR(of.VisitNodes(context, Filter(), [&ids](const NodeRow& row) {
    ids.push_back(row.node_id);
    return true;
  }));
  // Spread evenly, the same for every model.
  std::vector<NodeId> chosen;
  for (size_t i = 0; i < std::min(questions, ids.size()); ++i) {
    chosen.push_back(ids[i * ids.size() / std::min(questions, ids.size())]);
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::optional<Node>> nodes, of.GetNodes(chosen));
  Recall recall;
  NodesByPlace places(in);
  for (const std::optional<Node>& node : nodes) {
    if (!node) continue;
    const auto path = paths.find(node->document_id);
    if (path == paths.end()) continue;
    RAGTIME_ASSIGN_OR_RETURN(const NewNode* own, places.Find(path->second, *node));
    if (own == nullptr) continue;
    const std::vector<std::string> question = {QuestionOf(*node)};
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vector, embedder.Embed(context, question, TextKind::kQuery));
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<Hit> hits,
                             in.SearchVector(context, {.vector = vector, .limit = kRecallDepth}));
    ++recall.questions;
    recall.at_10 +=
        std::any_of(hits.begin(), hits.end(), [own](const Hit& hit) { return hit.node_id == own->node.id; });
  }
  if (recall.questions > 0) recall.at_10 /= static_cast<double>(recall.questions);
  return recall;
}

Result<uint64_t> ExchangeVectors(const Context& context, Store& store, const Snapshot& from, size_t dimension,
                                 const std::function<Result<Embedder*>()>& embedder,
                                 const std::map<std::string, std::string>& settings) {
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store.OpenSnapshot());
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<FileRecord> files, snapshot->Files());
  const std::unordered_map<DocumentId, std::string> paths = PathsById(files);
  NodesByPlace places(from);
  uint64_t embedded = 0;
  VectorReplacement replacement{.dimension = dimension, .settings = settings};
  replacement.vector = [&](const Node& node) -> Result<std::vector<float>> {
    const auto path = paths.find(node.document_id);
    if (path != paths.end()) {
      RAGTIME_ASSIGN_OR_RETURN(const NewNode* found, places.Find(path->second, node));
      if (found != nullptr) return found->vector;
    }
    RAGTIME_ASSIGN_OR_RETURN(Embedder* const model, embedder());
    ++embedded;
    return EmbedPassages(context, *model, std::vector<std::string>{node.text});
  };
  RAGTIME_RETURN_IF_ERROR(store.ReplaceVectors(context, replacement));
  return embedded;
}

namespace {

// A knowledge base that is about to get another model, with the folders that belong to that.
class Reembedding {
 public:
  Reembedding(const Config& config, const ReembedOptions& options) : config_(config), options_(options) {}

  Result<ReembedReport> To(const std::string& model) {
    const Stopwatch total;
    RAGTIME_RETURN_IF_ERROR(Open());
    Config next = config_;
    next.embed.model = model;
    RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Embedder> embedder, MakeEmbedder(next));
    report_.model = embedder->info().model;
    report_.dimension = embedder->info().dimension;
    if (FingerprintsAgree(embedder->info().fingerprint, recorded_.fingerprint)) {
      return InvalidArgumentError(StrCat("the knowledge base has vectors of ", model, " already"),
                                  "name another model, or go back with --undo");
    }
    RAGTIME_RETURN_IF_ERROR(OpenBeside(embedder->info().fingerprint));
    RAGTIME_RETURN_IF_ERROR(beside_->BeginWrite(config_.lock_timeout_ms));
    const WriteRight beside_right(*beside_);
    Stopwatch stage;
    // First what there is while others may write; then, alone, what came in meanwhile.
    RAGTIME_RETURN_IF_ERROR(Embed(*embedder));
    report_.timings_ms["embed"] = stage.ElapsedMs();
    stage = Stopwatch();
    RAGTIME_RETURN_IF_ERROR(Compare(*embedder));
    report_.timings_ms["compare"] = stage.ElapsedMs();
    stage = Stopwatch();
    RAGTIME_RETURN_IF_ERROR(store_->BeginWrite(config_.lock_timeout_ms));
    {
      const WriteRight right(*store_);
      RAGTIME_RETURN_IF_ERROR(Embed(*embedder));
      Recorded recorded = recorded_;
      recorded.model = model;
      recorded.fingerprint = embedder->info().fingerprint;
      RAGTIME_ASSIGN_OR_RETURN(const auto from, beside_->OpenSnapshot());
      Embedder* const model_itself = embedder.get();
      RAGTIME_RETURN_IF_ERROR(
          Switch(*from, report_.dimension, [model_itself]() -> Result<Embedder*> { return model_itself; }, recorded));
    }
    std::error_code error;
    fs::remove_all(beside_folder(), error);
    return Finish(total, stage);
  }

  Result<ReembedReport> Back() {
    const Stopwatch total;
    RAGTIME_RETURN_IF_ERROR(Open());
    Config before = config_;
    before.store.uri = previous_folder().string();
    Result<std::unique_ptr<Store>> previous = MakeStore(before, /*create=*/false);
    if (!previous.ok()) {
      return FailedPreconditionError(StrCat("there is nothing to go back to: ", previous.status().message()),
                                     "ragtime reembed keeps the vectors of before until the next one");
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(**previous));
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> dimension, (*previous)->Setting("dimension"));
    if (!recorded || !dimension) return DataLossError("the vectors of before do not record their model");
    report_.model = recorded->model;
    report_.dimension = std::strtoull(dimension->c_str(), nullptr, 10);
    std::unique_ptr<Embedder> embedder;
    const auto model = [&]() -> Result<Embedder*> {
      if (!embedder) {
        before.embed.model = recorded->model;
        before.embed.api = recorded->fingerprint.starts_with(kRemoteFingerprint) ? "openai" : "local";
        before.embed.fingerprint = recorded->fingerprint;
        RAGTIME_ASSIGN_OR_RETURN(embedder, MakeEmbedder(before));
        RAGTIME_RETURN_IF_ERROR(CheckEmbedder(*recorded, embedder->info()));
      }
      return embedder.get();
    };
    Stopwatch stage;
    RAGTIME_RETURN_IF_ERROR(store_->BeginWrite(config_.lock_timeout_ms));
    {
      const WriteRight right(*store_);
      RAGTIME_ASSIGN_OR_RETURN(const auto from, (*previous)->OpenSnapshot());
      // Where the files lie does not change with the model.
      Recorded back = recorded_;
      back.model = recorded->model;
      back.fingerprint = recorded->fingerprint;
      RAGTIME_RETURN_IF_ERROR(Switch(*from, report_.dimension, model, back));
    }
    return Finish(total, stage);
  }

 private:
  fs::path beside_folder() const { return fs::path(config_.store.uri) / "reembed"; }
  fs::path previous_folder() const { return fs::path(config_.store.uri) / "previous"; }
  // It becomes the other one when the exchange is done.
  fs::path new_previous_folder() const { return fs::path(config_.store.uri) / "previous.new"; }

  Status Open() {
    if (config_.store.type != "ragtime") {
      return UnimplementedError(
          StrCat("a store of type ", config_.store.type, " cannot exchange its vectors in place"),
          "copy it to type ragtime with ragtime copy, reembed that, and copy it to an empty store");
    }
    RAGTIME_ASSIGN_OR_RETURN(store_, MakeStore(config_, /*create=*/false));
    RAGTIME_RETURN_IF_ERROR(FinishEarlier());
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> recorded, ReadRecorded(*store_));
    if (!recorded) return FailedPreconditionError("the knowledge base has no vectors yet", "run ragtime ingest first");
    recorded_ = *recorded;
    config_.catalog = {};  // The folders beside have no mirror.
    report_.model_before = recorded_.model;
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> dimension, store_->Setting("dimension"));
    report_.dimension_before = dimension ? std::strtoull(dimension->c_str(), nullptr, 10) : 0;
    return Status();
  }

  // One that was killed right after the exchange left two folders to be put in order; before it, one that says nothing.
  Status FinishEarlier() const {
    std::error_code error;
    if (!fs::exists(new_previous_folder(), error) && !fs::exists(beside_folder(), error)) return Status();
    RAGTIME_RETURN_IF_ERROR(store_->BeginWrite(config_.lock_timeout_ms));  // Nobody is in the middle of it.
    const WriteRight right(*store_);
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> now, store_->Setting("embed.fingerprint"));
    const auto setting = [this](const fs::path& folder, const char* key) -> std::optional<std::string> {
      Config config = config_;
      config.catalog = {};
      config.store.uri = folder.string();
      const Result<std::unique_ptr<Store>> store = MakeStore(config, /*create=*/false);
      if (!store.ok()) return std::nullopt;
      return (*store)->Setting(key).ok() ? *(*store)->Setting(key) : std::nullopt;
    };
    const auto kept = setting(new_previous_folder(), "embed.fingerprint");
    if (kept && kept != now) {
      fs::remove_all(previous_folder(), error);
      fs::rename(new_previous_folder(), previous_folder(), error);
    }
    fs::remove_all(new_previous_folder(), error);
    if (setting(beside_folder(), kBesideOf) == now) fs::remove_all(beside_folder(), error);
    return Status();
  }

  // What an earlier call left is of use only if it was for the same model.
  Status OpenBeside(const std::string& fingerprint) {
    Config config = config_;
    config.store.uri = beside_folder().string();
    Result<std::unique_ptr<Store>> there = MakeStore(config, /*create=*/false);
    if (there.ok()) {
      RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> of, (*there)->Setting(kBesideOf));
      if (of && FingerprintsAgree(*of, fingerprint)) {
        beside_ = *std::move(there);
        return Status();
      }
      RAGTIME_RETURN_IF_ERROR((*there)->BeginWrite(config_.lock_timeout_ms));  // Who is at work on it is named.
      (*there)->EndWrite();
      there = NotFoundError("of another model");
    }
    std::error_code error;
    fs::remove_all(beside_folder(), error);
    RAGTIME_ASSIGN_OR_RETURN(config.store.metric, StoreMetric());
    RAGTIME_ASSIGN_OR_RETURN(beside_, MakeStore(config, /*create=*/true));
    RAGTIME_RETURN_IF_ERROR(beside_->BeginWrite(config_.lock_timeout_ms));
    const WriteRight right(*beside_);
    WriteBatch batch;
    batch.settings[kBesideOf] = fingerprint;
    return beside_->Commit(options_.context, std::move(batch)).status();
  }

  Result<std::optional<Metric>> StoreMetric() const {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> metric, store_->Setting("metric"));
    return ParseMetric(metric.value_or(""));
  }

  Status Embed(Embedder& embedder) {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store_->OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const uint64_t embedded, EmbedBeside(*snapshot, *beside_, embedder, options_));
    report_.nodes_embedded += embedded;
    return Status();
  }

  Status Compare(Embedder& embedder) {
    Report("compare");
    RAGTIME_ASSIGN_OR_RETURN(const auto now, store_->OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const auto next, beside_->OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const Recall after, OwnRecall(options_.context, *now, *next, embedder));
    report_.questions = after.questions;
    report_.recall = after.at_10;
    Config config = config_;
    config.embed.model = recorded_.model;
    config.embed.api = recorded_.fingerprint.starts_with(kRemoteFingerprint) ? "openai" : "local";
    config.embed.fingerprint = recorded_.fingerprint;
    const Result<std::unique_ptr<Embedder>> old = MakeEmbedder(config);
    if (!old.ok() || !CheckEmbedder(recorded_, (*old)->info()).ok()) return Status();  // It is not installed any more.
    const Result<Recall> asked = OwnRecall(options_.context, *now, *now, **old);
    // Its server is gone, or has another model by now.
    if (!asked.ok() && config.embed.api == "openai" && options_.context.Check().ok()) return Status();
    RAGTIME_ASSIGN_OR_RETURN(const Recall before, asked);
    report_.recall_before = before.at_10;
    if (options_.force || after.at_10 >= before.at_10 - kRecallLossMax) return Status();
    return FailedPreconditionError(
        StrCat("with ", report_.model, " ", after.at_10 * 100, " % of ", after.questions,
               " questions find their passage among the first 10, and with ", report_.model_before, " ",
               before.at_10 * 100, " %; nothing was changed"),
        "keep the model, or switch all the same with --force: what was embedded is kept for it");
  }

  // Keeps what is there for the way back, then exchanges the vectors in one transaction.
  Status Switch(const Snapshot& from, size_t dimension, const std::function<Result<Embedder*>()>& embedder,
                const Recorded& recorded) {
    Report("switch");
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<Recorded> now, ReadRecorded(*store_));
    if (!now || now->fingerprint != recorded_.fingerprint) {
      return Status(StatusCode::kAborted, "another process has changed the model meanwhile", "run ragtime stats");
    }
    RAGTIME_RETURN_IF_ERROR(store_->Backup(options_.context, new_previous_folder(), /*link=*/true).status());
    RAGTIME_ASSIGN_OR_RETURN(const uint64_t embedded, ExchangeVectors(options_.context, *store_, from, dimension,
                                                                      embedder, recorded.ToSettings()));
    report_.nodes_embedded += embedded;
    std::error_code error;
    fs::remove_all(previous_folder(), error);
    fs::rename(new_previous_folder(), previous_folder(), error);
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store_->OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(const StoreStatistics statistics, snapshot->Statistics());
    report_.nodes = statistics.nodes;
    return Status();
  }

  Result<ReembedReport> Finish(const Stopwatch& total, const Stopwatch& stage) {
    report_.timings_ms["switch"] = stage.ElapsedMs();
    report_.timings_ms["total"] = total.ElapsedMs();
    Report("done");
    return std::move(report_);
  }

  void Report(const char* stage) const {
    if (options_.on_progress) options_.on_progress({.stage = stage, .nodes_done = report_.nodes_embedded});
  }

  Config config_;
  const ReembedOptions& options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Store> beside_;
  Recorded recorded_;
  ReembedReport report_;
};

}  // namespace

Result<ReembedReport> KnowledgeBase::Reembed(const Config& config, const std::string& model,
                                             const ReembedOptions& options) {
  return Reembedding(config, options).To(model);
}

Result<ReembedReport> KnowledgeBase::UndoReembed(const Config& config, const ReembedOptions& options) {
  return Reembedding(config, options).Back();
}

}  // namespace ragtime
