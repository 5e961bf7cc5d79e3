// SPDX-License-Identifier: Apache-2.0
#include "store/remote_snapshot.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/count_bits.h"
#include "base/str_cat.h"
#include "store/batch_check.h"
#include "store/hits.h"
#include "store/phrase_search.h"
#include "store/query_terms.h"
#include "store/remote_rows.h"

namespace ragtime {
namespace {

// The most that one search asks a server for; Milvus takes no more than 16,384.
constexpr size_t kHitsMax = 16000;
// Rows whose vectors are fetched and scored here, where the server's index misses some of them.
constexpr uint64_t kScoredHereMax = 20000;
constexpr size_t kRowsPerScan = 1000;

float Score(std::span<const float> a, std::span<const float> b, Metric metric) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    const double y = b[i];
    sum += metric == Metric::kL2 ? -(x - y) * (x - y) : x * y;
  }
  return static_cast<float>(sum);
}

void AddRange(const NodeRange& range, std::vector<int64_t>& ids) {
  for (uint64_t i = 0; i < range.count; ++i) ids.push_back(range.first + static_cast<NodeId>(i));
}

}  // namespace

RemoteSnapshot::RemoteSnapshot(std::shared_ptr<RemoteCore> core, std::shared_ptr<const RemoteState> state)
    : core_(std::move(core)), state_(std::move(state)) {}

RemoteSnapshot::~RemoteSnapshot() { core_->Release(state_->counters().version); }

Result<StoreStatistics> RemoteSnapshot::Statistics() const {
  StoreStatistics statistics;
  statistics.folders = state_->folders();
  statistics.files = state_->files().size() - state_->folders();
  statistics.nodes = state_->nodes();
  for (const NodeRange& range : state_->retired()) statistics.deleted_nodes += range.count;
  return statistics;
}

Result<std::vector<FileRecord>> RemoteSnapshot::Files() const {
  std::vector<FileRecord> files;
  files.reserve(state_->files().size());
  for (const auto& [path, file] : state_->files()) files.push_back(*file);
  return files;
}

// Why a node that this state has is not on the server.
Status RemoteSnapshot::Gone(const Context& context, NodeId node) const {
  RAGTIME_ASSIGN_OR_RETURN(const auto now, core_->Refresh(context));
  if (now->FindDocumentOfNode(node) == nullptr) {
    return Status(StatusCode::kAborted, StrCat("the node ", node, " was replaced while it was read"), "ask again");
  }
  return DataLossError(StrCat("the node ", node, " is missing on ", core_->server().name()),
                       "run ragtime verify, and ingest the document again");
}

Result<std::vector<std::optional<Node>>> RemoteSnapshot::GetNodes(std::span<const NodeId> ids) const {
  std::vector<std::optional<Node>> nodes(ids.size());
  std::unordered_map<NodeId, std::vector<size_t>> wanted;
  std::vector<int64_t> seen;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (state_->FindDocumentOfNode(ids[i]) == nullptr) continue;
    auto& places = wanted[ids[i]];
    if (places.empty()) seen.push_back(ids[i]);
    places.push_back(i);
  }
  if (seen.empty()) return nodes;
  const Context context;
  RAGTIME_ASSIGN_OR_RETURN(const auto collection, core_->Nodes(context, *state_));
  RAGTIME_ASSIGN_OR_RETURN(auto rows, collection->Get(context, seen, false));
  for (CollectionRow& row : rows) {
    const auto found = wanted.find(row.id);
    if (found == wanted.end()) continue;
    RAGTIME_ASSIGN_OR_RETURN(const NewNode node, NodeOf(std::move(row), 0));
    for (const size_t place : found->second) nodes[place] = node.node;
    wanted.erase(found);
  }
  for (const auto& [id, places] : wanted) {
    // One that was replaced meanwhile is a deleted one; one that is lost is an error.
    const Status gone = Gone(context, id);
    if (gone.code() != StatusCode::kAborted) return gone;
  }
  return nodes;
}

Result<std::vector<NewNode>> RemoteSnapshot::Fetch(const Context& context, std::span<const NodeRange> ranges,
                                                   bool with_vectors) const {
  std::vector<int64_t> ids;
  for (const NodeRange& range : ranges) AddRange(range, ids);
  std::vector<NewNode> nodes;
  if (ids.empty()) return nodes;
  RAGTIME_ASSIGN_OR_RETURN(const auto collection, core_->Nodes(context, *state_));
  RAGTIME_ASSIGN_OR_RETURN(auto rows, collection->Get(context, ids, with_vectors));
  const size_t dimension = with_vectors ? state_->dimension().value_or(0) : 0;
  for (CollectionRow& row : rows) {
    RAGTIME_ASSIGN_OR_RETURN(NewNode node, NodeOf(std::move(row), dimension));
    nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end(), [](const NewNode& a, const NewNode& b) { return a.node.id < b.node.id; });
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i >= nodes.size() || nodes[i].node.id != ids[i]) return Gone(context, ids[i]);
  }
  return nodes;
}

Result<std::vector<NewNode>> RemoteSnapshot::NodesOf(DocumentId id) const {
  const NodeRange range = state_->RangeOf(id);
  return Fetch(Context(), std::span(&range, 1), true);
}

Result<std::shared_ptr<const WordReplica::View>> RemoteSnapshot::Words(const Context& context) const {
  return core_->words().ViewOf(context, *state_, [&](std::span<const NodeRange> ranges) -> Result<std::vector<Node>> {
    RAGTIME_ASSIGN_OR_RETURN(std::vector<NewNode> fetched, Fetch(context, ranges, false));
    std::vector<Node> nodes;
    nodes.reserve(fetched.size());
    for (NewNode& node : fetched) nodes.push_back(std::move(node.node));
    return nodes;
  });
}

Status RemoteSnapshot::WithWords(const Context& context, const std::function<Status(const View&)>& use) const {
  Result<std::shared_ptr<const View>> view = Words(context);
  Status status = view.ok() ? use(**view) : view.status();
  if (status.code() != StatusCode::kDataLoss) return status;
  // The files on this machine may be damaged; they are made from the server, so they are made again.
  core_->words().Forget();
  RAGTIME_ASSIGN_OR_RETURN(const auto again, Words(context));
  return use(*again);
}

Result<RowWords> RemoteSnapshot::MatchingRows(const WordReplica::Part& part, const Filter& filter,
                                              const std::string& group) const {
  const Segment& segment = *part.segment;
  const auto rows_of_leaf = [&](const FilterNode& leaf) -> Result<RowWords> {
    RowWords words((size_t{segment.rows()} + 63) / 64);
    if (IsRowField(leaf.field)) {
      for (uint32_t row = 0; row < segment.rows(); ++row) {
        RAGTIME_ASSIGN_OR_RETURN(const NodeRow node, segment.ReadRow(row));
        if (MatchesLeaf(leaf, RowFieldValue(node, leaf.field))) SetRows(words, row, 1);
      }
      return words;
    }
    for (uint32_t i = 0; i < segment.document_count(); ++i) {
      RAGTIME_ASSIGN_OR_RETURN(const DocumentRows rows, segment.document(i));
      const RemoteState::FilePtr file = state_->FindDocument(rows.document_id);
      if (file != nullptr && MatchesDocument(leaf, *file, state_->fields())) {
        SetRows(words, rows.first_row, rows.row_count);
      }
    }
    return words;
  };
  RAGTIME_ASSIGN_OR_RETURN(RowWords words, EvaluateFilter(filter.root(), segment.rows(), rows_of_leaf));
  for (size_t i = 0; i < words.size(); ++i) words[i] &= ~part.excluded[i];
  if (!group.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(const std::span<const uint64_t> outside, segment.RowsOutside(group));
    for (size_t i = 0; i < outside.size(); ++i) words[i] &= ~outside[i];
  }
  return words;
}

Result<uint64_t> RemoteSnapshot::CountNodes(const Context& context, const Filter& filter) const {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  uint64_t count = 0;
  if (!NamesRowField(filter.root())) {
    for (const auto& [id, first] : state_->first_nodes()) {
      const RemoteState::FilePtr file = state_->FindDocument(id);
      if (MatchesDocument(filter.root(), *file, state_->fields())) count += file->nodes;
    }
    return count;
  }
  RAGTIME_RETURN_IF_ERROR(WithWords(context, [&](const View& view) -> Status {
    count = 0;
    for (const WordReplica::Part& part : view.parts) {
      RAGTIME_ASSIGN_OR_RETURN(const RowWords words, MatchingRows(part, filter, ""));
      count += CountBits(words);
    }
    return Status();
  }));
  return count;
}

Status RemoteSnapshot::VisitNodes(const Context& context, const Filter& filter,
                                  const std::function<bool(const NodeRow&)>& visit) const {
  struct Found {
    NodeId id;
    const Segment* segment;
    uint32_t row;
  };
  std::vector<Found> found;
  std::vector<std::shared_ptr<const Segment>> segments;  // Kept open.
  const auto collect = [&](const View& view) -> Status {
    found.clear();
    for (const WordReplica::Part& part : view.parts) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      RAGTIME_ASSIGN_OR_RETURN(const RowWords words, MatchingRows(part, filter, ""));
      segments.push_back(part.segment);
      ForEachRow(words, [&](uint32_t row) { found.push_back({part.segment->node_id(row), part.segment.get(), row}); });
    }
    return Status();
  };
  RAGTIME_RETURN_IF_ERROR(WithWords(context, collect));
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.id < b.id; });
  for (size_t i = 0; i < found.size(); ++i) {
    if (i % 4096 == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(const NodeRow row, found[i].segment->ReadRow(found[i].row));
    if (!visit(row)) break;
  }
  return Status();
}

Result<std::vector<Hit>> RemoteSnapshot::SearchVector(const Context& context, const VectorQuery& query) const {
  std::vector<Hit> hits;
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_RETURN_IF_ERROR(DimensionFor(query, state_->dimension(), {}).status());
  if (state_->dimension().value_or(0) == 0 || query.limit == 0) return hits;
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vector,
                           CheckQueryVector(query.vector, state_->metric(), *state_->dimension()));
  if (state_->nodes() == 0) return hits;
  RAGTIME_ASSIGN_OR_RETURN(const auto nodes, core_->Nodes(context, *state_));
  const RemoteFilterPlan plan = PlanRemoteFilter(query.filter, query.group, *state_, *nodes);
  if (plan.none) return hits;
  std::unordered_set<NodeId> matching;
  if (!plan.exact && !plan.of_documents) {
    RAGTIME_RETURN_IF_ERROR(WithWords(context, [&](const View& view) -> Status {
      for (const WordReplica::Part& part : view.parts) {
        RAGTIME_ASSIGN_OR_RETURN(const RowWords words, MatchingRows(part, query.filter, query.group));
        ForEachRow(words, [&](uint32_t row) { matching.insert(part.segment->node_id(row)); });
      }
      return Status();
    }));
    if (matching.empty()) return hits;
  }
  const std::function<bool(NodeId)> wanted = [&](NodeId id) {
    const RemoteState::FilePtr file = state_->FindDocumentOfNode(id);
    if (file == nullptr) return false;
    if (plan.exact) return true;
    if (plan.of_documents) return MatchesDocument(query.filter.root(), *file, state_->fields());
    return matching.contains(id);
  };

  // One more than is asked for, so that a tie at the end shows: of equal scores the smaller ids are to be found.
  const uint64_t unseen = std::min<uint64_t>(state_->retired().size(), 100);
  size_t fetched = static_cast<size_t>(std::min<uint64_t>(query.limit + 1 + unseen, kHitsMax));
  for (;;) {
    RAGTIME_ASSIGN_OR_RETURN(const auto found, nodes->SearchVector(context, vector, fetched, plan.filter));
    hits.clear();
    float worst = std::numeric_limits<float>::infinity();
    for (const CollectionHit& hit : found) {
      if (std::isnan(hit.score)) return InternalError(StrCat(core_->server().name(), " answered with a score of NaN"));
      worst = std::min(worst, hit.score);
      if (wanted(hit.id)) hits.push_back({.node_id = hit.id, .score = hit.score});
    }
    const bool all = found.size() < fetched;
    KeepBest(hits, query.limit);
    if (hits.size() == query.limit && (all || hits.back().score > worst)) return hits;
    if (all) {
      // A graph may miss rows, above all where a filter leaves few: what it cannot find is scored here.
      RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, nodes->Count(context, plan.filter));
      if (count <= found.size() || count > kScoredHereMax) return hits;
      return ScoreHere(context, *nodes, vector, query.limit, plan.filter, wanted);
    }
    if (fetched == kHitsMax) break;
    fetched = std::min(fetched * 4, kHitsMax);
  }
  RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, nodes->Count(context, plan.filter));
  if (count > kScoredHereMax && hits.size() == query.limit) return hits;
  return ScoreHere(context, *nodes, vector, query.limit, plan.filter, wanted);
}

Result<std::vector<Hit>> RemoteSnapshot::ScoreHere(const Context& context, const Collection& nodes,
                                                   std::span<const float> vector, size_t limit, const Filter& filter,
                                                   const std::function<bool(NodeId)>& wanted) const {
  std::vector<Hit> hits;
  for (NodeId last = 0;;) {
    RAGTIME_ASSIGN_OR_RETURN(const auto rows, nodes.Scan(context, filter, last, kRowsPerScan, true));
    for (const CollectionRow& row : rows) {
      last = row.id;
      if (row.vector.size() != vector.size() || !wanted(row.id)) continue;
      hits.push_back({.node_id = row.id, .score = Score(vector, row.vector, state_->metric())});
    }
    if (rows.size() < kRowsPerScan) break;
  }
  KeepBest(hits, limit);
  return hits;
}

Status RemoteSnapshot::SearchWords(const Context& context, const View& view, const KeywordQuery& query,
                                   std::vector<Hit>& hits) const {
  hits.clear();
  const auto count = [&](std::vector<WeightedTerm> terms) -> Result<std::vector<WeightedTerm>> {
    for (const WordReplica::Part& part : view.parts) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* index, part.segment->keyword_index());
      for (WeightedTerm& term : terms) {
        RAGTIME_ASSIGN_OR_RETURN(const uint64_t rows, index->CountRows(term.term, {part.excluded}));
        term.nodes += rows;
      }
    }
    std::erase_if(terms, [](const WeightedTerm& term) { return term.nodes == 0; });
    return terms;
  };
  RAGTIME_ASSIGN_OR_RETURN(std::vector<WeightedTerm> terms, count(QueryTerms(query, core_->words().chinese())));
  if (terms.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(terms, count(WiderQueryTerms(query.text)));
  }
  if (terms.empty() || query.limit == 0) return Status();
  const std::vector<Phrase> phrases = QueryPhrases(query);
  for (const WordReplica::Part& part : view.parts) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RowWords excluded = part.excluded;
    if (!query.group.empty() || !query.filter.matches_all()) {
      RAGTIME_ASSIGN_OR_RETURN(excluded, MatchingRows(part, query.filter, query.group));
      for (uint64_t& word : excluded) word = ~word;
    }
    RAGTIME_ASSIGN_OR_RETURN(const auto found,
                             ragtime::SearchWords(context, *part.segment, terms, phrases, view.statistics, query.limit,
                                                  RowSelection(RowBitmap{excluded})));
    for (const RowHit& hit : found) {
      if (hit.row >= part.segment->rows() || std::isnan(hit.score)) {
        return DataLossError(StrCat("the words of ", part.segment->name(), " are damaged"));
      }
      hits.push_back({.node_id = part.segment->node_id(hit.row), .score = hit.score});
    }
  }
  KeepBest(hits, query.limit);
  return Status();
}

Result<std::vector<Hit>> RemoteSnapshot::SearchKeyword(const Context& context, const KeywordQuery& query) const {
  std::vector<Hit> hits;
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_RETURN_IF_ERROR(
      WithWords(context, [&](const View& view) { return SearchWords(context, view, query, hits); }));
  return hits;
}

}  // namespace ragtime
