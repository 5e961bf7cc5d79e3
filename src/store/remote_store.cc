// SPDX-License-Identifier: Apache-2.0
#include "store/remote_store.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "store/batch_check.h"
#include "store/remote_catalog.h"
#include "store/remote_rows.h"
#include "store/remote_snapshot.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

constexpr size_t kNameBytesMax = 50;
constexpr int64_t kCreateTimeoutMs = 10000;
// Read at once when everything is gone through.
constexpr size_t kRowsPerScan = 1000;
constexpr size_t kDamagesMax = 100;

Status RefuseNamed(const WriteBatch& batch) {
  const auto refuse = [](const std::string& key, const std::string& what) {
    return UnimplementedError(
        StrCat("a store on a server keeps one vector for each node, and ", what, " of the embedder \"", key, "\""),
        "use store_conf.type ragtime or map, or take the embedder out");
  };
  if (!batch.dimensions.empty()) return refuse(batch.dimensions.begin()->first, "the batch declares vectors");
  for (const DocumentWrite& document : batch.documents) {
    for (const NewNode& node : document.nodes) {
      if (node.named.empty()) continue;
      return refuse(node.named.begin()->first,
                    StrCat("node ", node.node.position, " of ", document.file.file_path, " has one"));
    }
  }
  return Status();
}

Status NotWriting() {
  return FailedPreconditionError("the store was not opened for writing", "call BeginWrite before Commit and Seal");
}

std::vector<int64_t> IdsOf(std::span<const NodeRange> ranges) {
  std::vector<int64_t> ids;
  for (const NodeRange& range : ranges) {
    for (uint64_t i = 0; i < range.count; ++i) ids.push_back(range.first + static_cast<NodeId>(i));
  }
  return ids;
}

Filter DocumentsFrom(DocumentId first) {
  return Filter::Of({.op = FilterOp::kGreaterEqual,
                     .field = kDocumentColumn,
                     .type = FieldType::kInt,
                     .values = {FieldValue(first)}});
}

struct NumberedNodes {
  std::vector<NewNode> nodes;
  std::vector<CollectionRow> rows;        // The same, as the server keeps them.
  std::map<DocumentId, NodeId> first_of;  // 0: the document has no nodes any more.
  NodeId next = 0;
};

// Takes the nodes out of `batch` and gives them ids in the order of its documents, from `next` on.
NumberedNodes NumberNodes(WriteBatch& batch, const FileChanges& changes, const std::vector<FieldSpec>& columns,
                          NodeId next) {
  NumberedNodes numbered{.next = next};
  for (const DocumentId id : changes.cleared) numbered.first_of[id] = 0;
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    DocumentWrite& document = batch.documents[i];
    if (document.nodes.empty()) continue;
    numbered.first_of[changes.document_ids[i]] = numbered.next;
    for (NewNode& node : document.nodes) {
      node.node.id = numbered.next++;
      node.node.document_id = changes.document_ids[i];
      numbered.rows.push_back(RowOf(node, document.file.fields, columns));
      numbered.nodes.push_back(std::move(node));
    }
  }
  return numbered;
}

}  // namespace

RemoteStore::RemoteStore(RemoteStoreOptions options, std::shared_ptr<RemoteCore> core)
    : options_(std::move(options)), core_(std::move(core)) {}

RemoteStore::~RemoteStore() { EndWrite(); }

Result<std::unique_ptr<RemoteStore>> RemoteStore::Open(const Context& context, RemoteStoreOptions options,
                                                       bool create) {
  const bool named = !options.name.empty() && options.name.size() <= kNameBytesMax &&
                     std::all_of(options.name.begin(), options.name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
                     });
  if (!named) {
    return InvalidArgumentError(StrCat("a knowledge base on a server cannot be named \"", options.name, "\""),
                                "use letters, digits and _, at most 50");
  }
  CollectionSpec spec{.name = options.name + "_nodes",
                      .index_type = options.index_type,
                      .index_params = options.index_params,
                      .search_params = options.search_params};
  std::shared_ptr<SharedCatalog> catalog = options.catalog;
  if (catalog == nullptr) {
    catalog = std::make_shared<RemoteCatalog>(options.server, options.name + "_catalog", options.state_folder);
  }
  auto core = std::make_shared<RemoteCore>(options.server, std::move(catalog), std::move(spec), options.indexes,
                                           options.state_folder);
  std::unique_ptr<RemoteStore> store(new RemoteStore(std::move(options), core));
  RAGTIME_ASSIGN_OR_RETURN(auto state, core->Refresh(context));
  if (state->counters().version == 0) {
    if (!create) {
      return NotFoundError(StrCat("there is no knowledge base ", store->options_.name, " on ", core->server().name()),
                           "run ragtime ingest to make one, or check store_conf.kwargs");
    }
    RAGTIME_RETURN_IF_ERROR(store->Create(context));
    RAGTIME_ASSIGN_OR_RETURN(state, core->Refresh(context));
  }
  if (const auto wanted = store->options_.metric; wanted && *wanted != state->metric()) {
    return FailedPreconditionError(
        StrCat("the knowledge base ", store->options_.name, " on ", core->server().name(), " was made for metric_type ",
               MetricName(state->metric()), ", not ", MetricName(*wanted)),
        StrCat("set index_kwargs.metric_type to ", MetricName(state->metric())));
  }
  return store;
}

Status RemoteStore::Create(const Context& context) {
  SharedCatalog& catalog = core_->catalog();
  RAGTIME_RETURN_IF_ERROR(catalog.AcquireWrite(context, kCreateTimeoutMs));
  Status status = [&]() -> Status {
    RAGTIME_ASSIGN_OR_RETURN(const SharedCounters counters, catalog.ReadCounters(context));
    if (counters.version > 0) return Status();  // Somebody was faster.
    std::random_device random;
    SharedChange change;
    change.counters.version = 1;
    change.settings["uuid"] = HashHex(StrCat(random(), " ", random(), " ", random(), " ", random()));
    change.settings["metric"] = MetricName(options_.metric.value_or(Metric::kCosine));
    change.settings["format_version"] = "1";
    return catalog.Apply(context, change);
  }();
  catalog.ReleaseWrite();
  return status;
}

Result<std::shared_ptr<const Snapshot>> RemoteStore::OpenSnapshot() const {
  RAGTIME_ASSIGN_OR_RETURN(auto state, core_->RefreshAndHold(Context()));
  return std::shared_ptr<const Snapshot>(std::make_shared<RemoteSnapshot>(core_, std::move(state)));
}

Result<std::optional<std::string>> RemoteStore::Setting(std::string_view key) const {
  if (key.starts_with(RemoteState::kOwnPrefix)) return std::optional<std::string>();
  RAGTIME_ASSIGN_OR_RETURN(const auto state, core_->Refresh(Context()));
  return state->Setting(key);
}

Status RemoteStore::BeginWrite(int64_t timeout_ms) {
  const std::lock_guard lock(writer_mutex_);
  if (writing_) return Status();
  const Context context;
  RAGTIME_RETURN_IF_ERROR(core_->catalog().AcquireWrite(context, timeout_ms));
  const Status swept = Sweep(context);
  if (!swept.ok()) {
    core_->catalog().ReleaseWrite();
    return swept;
  }
  writing_ = true;
  return Status();
}

void RemoteStore::EndWrite() {
  const std::lock_guard lock(writer_mutex_);
  if (!writing_) return;
  writing_ = false;
  (void)EraseRetired(Context());  // What stays is erased by the next writer.
  retired_.clear();
  core_->catalog().ReleaseWrite();
}

// Takes away what a writer that died, or a commit that failed, has left: nodes of documents that were never committed,
// and nodes of documents that are gone. writer_mutex_ must be held.
Status RemoteStore::Sweep(const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const auto state, core_->Refresh(context));
  RAGTIME_ASSIGN_OR_RETURN(const auto nodes, core_->Nodes(context, *state));
  retired_.clear();
  for (const NodeRange& range : state->retired()) retired_.push_back({state->counters().version, range});
  if (nodes != nullptr) {
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(const auto rows, nodes->Scan(context, DocumentsFrom(state->counters().next_document_id),
                                                            0, kRowsPerScan, false));
      if (rows.empty()) break;
      std::vector<int64_t> ids;
      for (const CollectionRow& row : rows) {
        ids.push_back(row.id);
        node_floor_ = std::max(node_floor_, row.id + 1);
        const auto document = row.columns.find(kDocumentColumn);
        const auto* id = document == row.columns.end() ? nullptr : std::get_if<int64_t>(&document->second);
        if (id != nullptr) document_floor_ = std::max(document_floor_, *id + 1);
      }
      RAGTIME_RETURN_IF_ERROR(nodes->Erase(context, ids));
    }
    RAGTIME_RETURN_IF_ERROR(EraseRetired(context));
  }
  version_ = state->counters().version;
  unsure_ = false;
  return Status();
}

// Erases the nodes that no snapshot of this process can see any more. writer_mutex_ must be held.
Status RemoteStore::EraseRetired(const Context& context) {
  const std::optional<uint64_t> oldest = core_->OldestHeld();
  std::vector<NodeRange> ranges;
  std::vector<Retired> kept;
  for (const Retired& retired : retired_) {
    if (oldest && *oldest < retired.version) {
      kept.push_back(retired);
    } else {
      ranges.push_back(retired.range);
    }
  }
  if (ranges.empty()) return Status();
  const auto state = core_->known();
  RAGTIME_ASSIGN_OR_RETURN(const auto nodes, core_->Nodes(context, *state));
  if (nodes != nullptr) RAGTIME_RETURN_IF_ERROR(nodes->Erase(context, IdsOf(ranges)));
  retired_ = std::move(kept);
  return Status();
}

Result<std::shared_ptr<Collection>> RemoteStore::CollectionFor(const Context& context, const RemoteState& state,
                                                               const std::vector<FieldSpec>& columns,
                                                               size_t dimension) {
  if (state.dimension()) return core_->Nodes(context, state);
  return core_->MakeNodes(context, columns, state.metric(), dimension);
}

// The state that `batch` changes; fails where it must not be written. writer_mutex_ must be held.
Result<std::shared_ptr<const RemoteState>> RemoteStore::StateToChange(const Context& context, const WriteBatch& batch) {
  for (const auto& [key, value] : batch.settings) {
    if (key.starts_with(RemoteState::kOwnPrefix)) {
      return InvalidArgumentError(StrCat("the setting ", key, " is the store's own"));
    }
  }
  RAGTIME_RETURN_IF_ERROR(RefuseNamed(batch));
  if (unsure_) RAGTIME_RETURN_IF_ERROR(Sweep(context));
  // Before any node is put: another writer that has taken this one for dead gives out the same ids.
  RAGTIME_ASSIGN_OR_RETURN(auto state, core_->Refresh(context));
  if (state->counters().version == version_) return state;
  writing_ = false;
  core_->catalog().ReleaseWrite();
  return Status(StatusCode::kAborted,
                StrCat("another process has written the knowledge base ", options_.name, " on ", core_->server().name(),
                       " meanwhile: it took this one for dead"),
                "run the command again");
}

Result<CommitResult> RemoteStore::Commit(const Context& context, WriteBatch batch) {
  const std::lock_guard lock(writer_mutex_);
  if (!writing_) return NotWriting();
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_ASSIGN_OR_RETURN(const auto state, StateToChange(context, batch));
  NamedDimensions named;
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<size_t> dimension,
                           CheckBatch(batch, state->metric(), state->dimension(), state->fields(), named));
  const DocumentId first_document = std::max(state->counters().next_document_id, document_floor_);
  RAGTIME_ASSIGN_OR_RETURN(const FileChanges changes, PlanFiles(*state, batch, first_document, UnixTimeMs()));

  std::vector<FieldSpec> columns;
  if (state->dimension()) {
    RAGTIME_ASSIGN_OR_RETURN(columns, DecodeFieldSpecs(state->Setting(RemoteState::kColumnsSetting).value_or("")));
  } else {
    columns = NodeColumns(batch.fields.value_or(state->fields()));
  }
  SharedChange change;
  change.counters = state->counters();
  ++change.counters.version;
  if (changes.changes_results || (batch.fields && *batch.fields != state->fields())) ++change.counters.generation;
  change.counters.next_document_id = changes.next_document_id;
  change.removed = changes.removed;
  change.put = changes.put;
  const NumberedNodes numbered =
      NumberNodes(batch, changes, columns, std::max(state->counters().next_node_id, node_floor_));
  if (!numbered.rows.empty()) change.counters.next_node_id = numbered.next;
  for (auto& [key, value] : batch.settings) change.settings[key] = std::move(value);
  change.settings.merge(state->NodeSettings(numbered.first_of));
  if (batch.fields) change.settings[kFieldsSetting] = EncodeFieldSpecs(*batch.fields);
  if (dimension != state->dimension()) {
    change.settings["dimension"] = StrCat(*dimension);
    change.settings[RemoteState::kColumnsSetting] = EncodeFieldSpecs(columns);
  }
  std::vector<Retired> retired = retired_;
  for (const DocumentId id : changes.cleared) {
    if (const NodeRange range = state->RangeOf(id); range.count > 0) {
      retired.push_back({change.counters.version, range});
    }
  }
  std::vector<NodeRange> ranges;
  for (const Retired& one : retired) ranges.push_back(one.range);
  if (ranges != state->retired()) change.settings[RemoteState::kRetiredSetting] = EncodeRanges(ranges);
  RAGTIME_RETURN_IF_ERROR(context.Check());

  // From here on the server may hold something of it, whatever it answers.
  document_floor_ = changes.next_document_id;
  node_floor_ = numbered.next;
  unsure_ = true;
  if (!numbered.rows.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(const auto collection, CollectionFor(context, *state, columns, *dimension));
    RAGTIME_RETURN_IF_ERROR(collection->Put(context, numbered.rows));
  }
  RAGTIME_RETURN_IF_ERROR(core_->catalog().Apply(context, change));
  // It is committed. What fails now is made good later, and must not be told as a commit that failed.
  RAGTIME_ASSIGN_OR_RETURN(const auto after, state->After(change));
  core_->Publish(after);
  version_ = change.counters.version;
  unsure_ = false;
  retired_ = std::move(retired);
  (void)EraseRetired(context);
  if (!numbered.nodes.empty()) (void)core_->words().Add(context, *after, numbered.nodes);
  return CommitResult{.generation = change.counters.generation, .document_ids = changes.document_ids};
}

Status RemoteStore::Seal(const Context& context) {
  const std::lock_guard lock(writer_mutex_);
  if (!writing_) return NotWriting();
  RAGTIME_RETURN_IF_ERROR(context.Check());
  return EraseRetired(context);
}

Result<std::vector<Damage>> RemoteStore::Verify(const Context& context) const {
  std::vector<Damage> damages;
  RAGTIME_ASSIGN_OR_RETURN(const auto state, core_->RefreshAndHold(context));
  const RemoteSnapshot held(core_, state);  // So that nothing of it is erased meanwhile.
  RAGTIME_ASSIGN_OR_RETURN(const auto nodes, core_->Nodes(context, *state));
  std::map<DocumentId, uint64_t> found;
  const auto damage = [&](std::string message) {
    if (damages.size() < kDamagesMax) damages.push_back({options_.name + "_nodes", std::move(message)});
  };
  for (NodeId last = 0; nodes != nullptr;) {
    RAGTIME_ASSIGN_OR_RETURN(auto rows, nodes->Scan(context, Filter(), last, kRowsPerScan, true));
    if (rows.empty()) break;
    for (CollectionRow& row : rows) {
      last = row.id;
      const RemoteState::FilePtr file = state->FindDocumentOfNode(row.id);
      if (file == nullptr) continue;
      ++found[file->id];
      const bool whole = IsWhole(row);
      const auto node = NodeOf(std::move(row), *state->dimension());
      if (!whole || !node.ok() || node->node.document_id != file->id) {
        damage(StrCat("node ", last, " of ", file->file_path, " is not as it was written"));
      }
    }
  }
  for (const auto& [id, first] : state->first_nodes()) {
    const RemoteState::FilePtr file = state->FindDocument(id);
    if (found[id] != file->nodes) {
      damage(StrCat(file->file_path, " has ", found[id], " nodes on the server, not ", file->nodes));
    }
  }
  return damages;
}

Result<StoreStatistics> RemoteStore::Backup(const Context&, const std::filesystem::path&, bool) const {
  return UnimplementedError(StrCat("a knowledge base on ", core_->server().name(), " cannot be backed up to a folder"),
                            "copy it with ragtime copy, or use the server's own backup");
}

}  // namespace ragtime
