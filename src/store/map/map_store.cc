// SPDX-License-Identifier: Apache-2.0
#include "store/map/map_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <span>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "store/batch_check.h"
#include "store/hits.h"
#include "store/query_terms.h"
#include "store/row_filter.h"

namespace ragtime {
namespace {

// Rows scanned between two looks at the clock: well under a millisecond.
constexpr size_t kRowsPerCheck = 4096;

float Score(std::span<const float> a, std::span<const float> b, Metric metric) {
  // Eight sums side by side, which the compiler keeps in one vector register; one sum would have to stay in order.
  std::array<float, 8> sums{};
  size_t i = 0;
  if (metric == Metric::kL2) {
    for (; i + 8 <= a.size(); i += 8) {
      for (size_t j = 0; j < 8; ++j) sums[j] -= (a[i + j] - b[i + j]) * (a[i + j] - b[i + j]);
    }
    for (; i < a.size(); ++i) sums[0] -= (a[i] - b[i]) * (a[i] - b[i]);
  } else {
    for (; i + 8 <= a.size(); i += 8) {
      for (size_t j = 0; j < 8; ++j) sums[j] += a[i + j] * b[i + j];
    }
    for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

class MapSnapshot : public Snapshot {
 public:
  // state->mutex must not be held.
  explicit MapSnapshot(std::shared_ptr<MapState> state) : state_(std::move(state)) {
    const std::unique_lock lock(state_->mutex);
    commit_ = state_->commit;
    state_->snapshots.insert(commit_);
    totals_ = state_->totals.at(commit_);
    dimension_ = state_->dimension;
    named_ = state_->named;
    fields_ = state_->fields;
  }

  ~MapSnapshot() override {
    const std::unique_lock lock(state_->mutex);
    state_->snapshots.erase(state_->snapshots.find(commit_));
  }

  uint64_t generation() const override { return totals_.generation; }
  const std::vector<FieldSpec>& fields() const override { return fields_; }

  Result<StoreStatistics> Statistics() const override {
    const std::shared_lock lock(state_->mutex);
    StoreStatistics statistics;
    statistics.files = totals_.files;
    statistics.folders = totals_.folders;
    statistics.nodes = totals_.keyword.nodes;
    for (const MapRow& row : state_->rows) statistics.deleted_nodes += row.life.until <= commit_ ? 1 : 0;
    statistics.size_bytes = state_->size_bytes();
    return statistics;
  }

  Result<std::vector<FileRecord>> Files() const override {
    const std::shared_lock lock(state_->mutex);
    std::vector<FileRecord> files;
    for (const auto& [id, versions] : state_->files) {
      if (auto file = state_->FindFile(id, commit_)) files.push_back(*std::move(file));
    }
    std::sort(files.begin(), files.end(),
              [](const FileRecord& a, const FileRecord& b) { return a.file_path < b.file_path; });
    return files;
  }

  Result<std::optional<FileRecord>> FindFile(DocumentId id) const override {
    const std::shared_lock lock(state_->mutex);
    return state_->FindFile(id, commit_);
  }

  Result<std::optional<FileRecord>> FindFile(std::string_view file_path) const override {
    const std::shared_lock lock(state_->mutex);
    return state_->FindFile(file_path, commit_);
  }

  Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId> ids) const override {
    const std::shared_lock lock(state_->mutex);
    std::vector<std::optional<Node>> nodes;
    for (const NodeId id : ids) {
      const auto row = std::lower_bound(state_->rows.begin(), state_->rows.end(), id,
                                        [](const MapRow& a, NodeId wanted) { return a.node.node.id < wanted; });
      const bool found = row != state_->rows.end() && row->node.node.id == id && row->life.Holds(commit_);
      nodes.push_back(found ? std::optional(row->node.node) : std::nullopt);
    }
    return nodes;
  }

  Result<std::vector<NewNode>> NodesOf(DocumentId id) const override {
    const std::shared_lock lock(state_->mutex);
    std::vector<NewNode> nodes;
    const auto rows = state_->rows_of.find(id);
    if (rows == state_->rows_of.end()) return nodes;
    for (const uint32_t row : rows->second) {
      if (state_->rows[row].life.Holds(commit_)) nodes.push_back(state_->rows[row].node);
    }
    return nodes;
  }

  Result<std::vector<Hit>> SearchVector(const Context& context, const VectorQuery& query) const override {
    std::vector<Hit> hits;
    RAGTIME_ASSIGN_OR_RETURN(const size_t dimension, DimensionFor(query, dimension_, named_));
    if (dimension == 0 || query.limit == 0) return hits;
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vector,
                             CheckQueryVector(query.vector, state_->metric, dimension));
    const std::shared_lock lock(state_->mutex);
    const auto score = [&](const MapRow& row) {
      if (query.key.empty()) {
        hits.push_back({row.node.node.id, Score(vector, row.node.vector, state_->metric)});
      } else if (const auto found = row.node.named.find(query.key); found != row.node.named.end()) {
        hits.push_back({row.node.node.id, Score(vector, found->second, state_->metric)});
      }
    };
    RAGTIME_RETURN_IF_ERROR(ForEachMatch(context, query.group, query.filter, score));
    KeepBest(hits, query.limit);
    return hits;
  }

  Result<uint64_t> CountNodes(const Context& context, const Filter& filter) const override {
    uint64_t count = 0;
    const std::shared_lock lock(state_->mutex);
    RAGTIME_RETURN_IF_ERROR(ForEachMatch(context, "", filter, [&count](const MapRow&) { ++count; }));
    return count;
  }

  Status VisitNodes(const Context& context, const Filter& filter,
                    const std::function<bool(const NodeRow&)>& visit) const override {
    const std::shared_lock lock(state_->mutex);
    bool more = true;
    return ForEachMatch(context, "", filter, [&](const MapRow& row) { more = more && visit(NodeRowOf(row)); });
  }

  Result<std::vector<Hit>> SearchKeyword(const Context& context, const KeywordQuery& query) const override {
    const auto& [k1, b] = state_->bm25;
    const auto nodes = static_cast<double>(totals_.keyword.nodes);
    const double average_length = nodes > 0 ? static_cast<double>(totals_.keyword.tokens) / nodes : 0;
    std::unordered_map<uint32_t, double> scores;
    const std::shared_lock lock(state_->mutex);
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<RowWords> wanted, RowsOf(query.filter));
    std::vector<WeightedTerm> terms = CountTerms(QueryTerms(query, state_->chinese.get()));
    if (terms.empty()) terms = CountTerms(WiderQueryTerms(query.text));
    for (const WeightedTerm& term : terms) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      const auto df = static_cast<double>(term.nodes);
      const double idf = std::log1p((nodes - df + 0.5) / (df + 0.5));
      for (const Posting& posting : state_->postings.at(term.term)) {
        const MapRow& row = state_->rows[posting.row];
        if (!Matches(row, query.group)) continue;
        if (wanted && ((*wanted)[posting.row / 64] >> (posting.row % 64) & 1) == 0) continue;
        const double tf = posting.count;
        scores[posting.row] += term.weight * idf * tf * (k1 + 1) /
                               (tf + k1 * (1 - b + b * static_cast<double>(row.tokens) / average_length));
      }
    }
    std::vector<Hit> hits;
    const std::vector<Phrase> phrases = QueryPhrases(query);
    for (const auto& [row, score] : scores) {
      const Node& node = state_->rows[row].node.node;
      if (!phrases.empty()) {
        RAGTIME_RETURN_IF_ERROR(context.Check());
        if (!HoldsPhrases(node.text, phrases)) continue;
      }
      hits.push_back({node.id, static_cast<float>(score)});
    }
    KeepBest(hits, query.limit);
    return hits;
  }

 private:
  static NodeRow NodeRowOf(const MapRow& row) {
    const Node& node = row.node.node;
    return {.node_id = node.id,
            .document_id = node.document_id,
            .group = node.group,
            .position = node.position,
            .page = node.page};
  }

  // Calls `use` for each row that lives, is of the group and matches. state_->mutex must be held.
  template <typename Use>
  Status ForEachMatch(const Context& context, const std::string& group, const Filter& filter, Use use) const {
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<RowWords> wanted, RowsOf(filter));
    if (wanted) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      ForEachRow(*wanted, [&](uint32_t row) {
        if (Matches(state_->rows[row], group)) use(state_->rows[row]);
      });
      return Status();
    }
    for (size_t i = 0; i < state_->rows.size(); ++i) {
      if (i % kRowsPerCheck == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      if (Matches(state_->rows[i], group)) use(state_->rows[i]);
    }
    return Status();
  }

  // The rows that match, dead ones too; none where all do. state_->mutex must be held.
  Result<std::optional<RowWords>> RowsOf(const Filter& filter) const {
    if (filter.matches_all()) return std::optional<RowWords>();
    RAGTIME_ASSIGN_OR_RETURN(RowWords words,
                             EvaluateFilter(filter.root(), state_->rows.size(),
                                            [this](const FilterNode& leaf) { return RowsOfLeaf(leaf); }));
    return std::optional(std::move(words));
  }

  Result<RowWords> RowsOfLeaf(const FilterNode& leaf) const {
    const std::vector<MapRow>& rows = state_->rows;
    RowWords words((rows.size() + 63) / 64);
    const auto set_where = [&](auto holds) {
      for (uint32_t row = 0; row < rows.size(); ++row) {
        if (holds(rows[row])) SetRows(words, row, 1);
      }
    };
    if (IsRowField(leaf.field)) {
      set_where([&leaf](const MapRow& row) { return MatchesLeaf(leaf, RowFieldValue(NodeRowOf(row), leaf.field)); });
      return words;
    }
    if (IsFileField(leaf.field)) {
      for (const auto& [id, of_document] : state_->rows_of) {
        const auto file = state_->FindFile(id, commit_);
        if (!file || !MatchesLeaf(leaf, FileFieldValue(*file, leaf.field))) continue;
        for (const uint32_t row : of_document) SetRows(words, row, 1);
      }
      return words;
    }
    const bool declared = std::any_of(state_->fields.begin(), state_->fields.end(), [&leaf](const FieldSpec& spec) {
      return spec.name == leaf.field && spec.type == leaf.type;
    });
    if (state_->columns == nullptr || !declared) {
      if (MatchesLeaf(leaf, FieldValue())) SetRows(words, 0, static_cast<uint32_t>(rows.size()));
      return words;
    }
    RAGTIME_ASSIGN_OR_RETURN(const ItemSet items, state_->columns->Match(leaf));
    const RowBitmap matching{items.words};
    set_where([&](const MapRow& row) { return matching.Contains(row.fields_item); });
    return words;
  }

  // Sets the counts of the terms and drops those that no live node has. state_->mutex must be held.
  std::vector<WeightedTerm> CountTerms(std::vector<WeightedTerm> terms) const {
    for (WeightedTerm& term : terms) {
      const auto found = state_->postings.find(term.term);
      if (found == state_->postings.end()) continue;
      for (const Posting& posting : found->second) term.nodes += state_->rows[posting.row].life.Holds(commit_) ? 1 : 0;
    }
    std::erase_if(terms, [](const WeightedTerm& term) { return term.nodes == 0; });
    return terms;
  }

  bool Matches(const MapRow& row, const std::string& group) const {
    return row.life.Holds(commit_) && (group.empty() || row.node.node.group == group);
  }

  const std::shared_ptr<MapState> state_;
  uint64_t commit_ = 0;
  MapTotals totals_;
  std::optional<size_t> dimension_;
  NamedDimensions named_;
  std::vector<FieldSpec> fields_;
};

class StateRows : public FileRows {
 public:
  explicit StateRows(const MapState& state) : state_(state) {}
  Result<std::optional<FileRecord>> Find(DocumentId id) const override { return state_.FindFile(id, state_.commit); }
  Result<std::optional<FileRecord>> Find(std::string_view path) const override {
    return state_.FindFile(path, state_.commit);
  }
  Result<uint64_t> CountChildren(DocumentId folder) const override {
    const auto found = state_.children.find(folder);
    return found == state_.children.end() ? 0 : found->second.size();
  }
  Result<std::vector<DocumentId>> Children(DocumentId folder) const override {
    const auto found = state_.children.find(folder);
    if (found == state_.children.end()) return std::vector<DocumentId>();
    return std::vector<DocumentId>(found->second.begin(), found->second.end());
  }

 private:
  const MapState& state_;
};

Status NotWriting() {
  return FailedPreconditionError("the store was not opened for writing", "call BeginWrite before Commit and Seal");
}

}  // namespace

MapStore::MapStore(const StoreConfig& config, std::shared_ptr<const FieldColumnsType> columns,
                   std::shared_ptr<const ChineseDictionary> chinese)
    : state_(std::make_shared<MapState>(config.metric.value_or(Metric::kCosine), config.bm25, std::move(columns),
                                        std::move(chinese))) {
  std::random_device random;
  state_->settings["uuid"] = HashHex(StrCat(random(), " ", random(), " ", random(), " ", random()));
  state_->settings["metric"] = MetricName(config.metric.value_or(Metric::kCosine));
}

Result<std::shared_ptr<const Snapshot>> MapStore::OpenSnapshot() const {
  return std::shared_ptr<const Snapshot>(std::make_shared<MapSnapshot>(state_));
}

Result<std::optional<std::string>> MapStore::Setting(std::string_view key) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->settings.find(key);
  if (found == state_->settings.end()) return std::optional<std::string>();
  return std::optional(found->second);
}

bool MapStore::IsMapFile(std::string_view uri) { return uri.ends_with(".ragmap"); }

Result<std::unique_ptr<MapStore>> MapStore::Open(const StoreConfig& config,
                                                 std::shared_ptr<const FieldColumnsType> columns, bool create,
                                                 std::shared_ptr<const ChineseDictionary> chinese) {
  if (!IsMapFile(config.uri)) return std::make_unique<MapStore>(config, std::move(columns), std::move(chinese));
  Result<MapContents> contents = ReadMapFile(config.uri);
  const bool missing = contents.status().code() == StatusCode::kNotFound;
  if (!contents.ok() && !(missing && create)) {
    return missing ? NotFoundError(StrCat("there is no map file ", config.uri),
                                   "run ragtime ingest to make one, or check the uri")
                   : contents.status();
  }
  StoreConfig recorded = config;
  if (contents.ok()) {
    recorded.metric = ParseMetric(contents->settings["metric"]);
    if (!recorded.metric || contents->settings["uuid"].empty()) {
      return DataLossError(StrCat("the map file ", config.uri, " does not record its metric and uuid"),
                           "ingest the documents again");
    }
    if (config.metric && config.metric != recorded.metric) {
      return FailedPreconditionError(StrCat("the map file ", config.uri, " was made for metric_type ",
                                            MetricName(*recorded.metric), ", not ", MetricName(*config.metric)),
                                     StrCat("set index_kwargs.metric_type to ", MetricName(*recorded.metric)));
    }
  }
  auto store = std::make_unique<MapStore>(recorded, std::move(columns), std::move(chinese));
  store->file_ = config.uri;
  if (contents.ok()) store->state_->Load(*std::move(contents));
  return store;
}

Status MapStore::SaveIfChanged() {
  if (file_.empty() || !changed_) return Status();
  // Only the writer changes the state, so that reading it needs no lock here.
  RAGTIME_RETURN_IF_ERROR(WriteMapFile(file_, state_->Save()));
  changed_ = false;
  return Status();
}

Status MapStore::BeginWrite(int64_t /*timeout_ms*/) {
  const std::lock_guard lock(writer_mutex_);
  if (!writing_) RAGTIME_RETURN_IF_ERROR(SaveIfChanged());
  writing_ = true;
  return Status();
}

void MapStore::EndWrite() {
  const std::lock_guard lock(writer_mutex_);
  if (writing_) (void)SaveIfChanged();  // Tried again, and told, by BeginWrite.
  writing_ = false;
}

Result<CommitResult> MapStore::Commit(const Context& context, WriteBatch batch) {
  const std::lock_guard writer(writer_mutex_);
  if (!writing_) return NotWriting();
  RAGTIME_RETURN_IF_ERROR(context.Check());
  // Only this thread changes the state, so that reading it needs no lock until Apply.
  NamedDimensions named = state_->named;
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<size_t> dimension,
                           CheckBatch(batch, state_->metric, state_->dimension, state_->fields, named));
  RAGTIME_ASSIGN_OR_RETURN(const FileChanges changes,
                           PlanFiles(StateRows(*state_), batch, state_->next_document_id, UnixTimeMs()));
  const std::unique_lock lock(state_->mutex);
  state_->Apply(batch, changes, dimension, std::move(named));
  if (dimension && !state_->settings.contains("dimension")) state_->settings["dimension"] = StrCat(*dimension);
  changed_ = true;
  return CommitResult{.generation = state_->totals.at(state_->commit).generation, .document_ids = changes.document_ids};
}

Status MapStore::Seal(const Context& context) {
  const std::lock_guard writer(writer_mutex_);
  if (!writing_) return NotWriting();
  RAGTIME_RETURN_IF_ERROR(context.Check());
  {
    const std::unique_lock lock(state_->mutex);
    state_->Reclaim();
  }
  return SaveIfChanged();
}

Result<StoreStatistics> MapStore::Backup(const Context& context, const std::filesystem::path& target,
                                         bool /*link*/) const {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  if (!IsMapFile(target.string())) {
    return InvalidArgumentError(
        StrCat("a store of type map is copied to a file, and ", target.string(), " is no name of one"),
        "give a name that ends in .ragmap");
  }
  std::error_code error;
  if (std::filesystem::exists(target, error)) {
    return AlreadyExistsError(StrCat(target.string(), " exists already"), "choose a name that is still free");
  }
  MapContents contents;
  {
    const std::shared_lock lock(state_->mutex);
    contents = state_->Save();
  }
  RAGTIME_RETURN_IF_ERROR(WriteMapFile(target, contents));
  RAGTIME_RETURN_IF_ERROR(ReadMapFile(target).status());
  RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, OpenSnapshot());
  return snapshot->Statistics();
}

}  // namespace ragtime
