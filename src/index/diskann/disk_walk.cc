// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/disk_walk.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "index/hnsw/frontier.h"
#include "index/hnsw/walk.h"
#include "index/kernels/kernels.h"

namespace ragtime {
namespace {

constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";
// Reading a block takes about as long as scanning the short codes of so many rows.
constexpr uint64_t kRowsOfRead = 150;
// A walk to `ef` rows has found the best region after this part of its steps, nearly always.
constexpr uint64_t kSettledShare = 2;

Status Damaged() { return DataLossError("the DISKANN index links to a row that it does not have", kRebuildRemedy); }

template <typename T>
const T* At(std::span<const std::byte> bytes, uint64_t offset) {
  return reinterpret_cast<const T*>(bytes.data() + offset);
}

// One walk over the lowest level.
class Walker {
 public:
  Walker(const DiskWalk::Graph& graph, std::span<const float> query, ShortQuery& short_query,
         const DiskWalkRequest& request)
      : graph_(graph),
        request_(request),
        short_query_(short_query),
        twins_(At<uint32_t>(graph.bytes, graph.layout.twins)),
        coded_query_(CodeQuery(query, {At<float>(graph.bytes, graph.layout.mean), graph.dimension}, graph.metric,
                               graph.norm_max)),
        kept_(request.ef),
        visited_(graph.rows) {}

  Result<std::optional<std::vector<BoundedRow>>> Run(const Context& context, uint32_t entry) {
    visited_.Insert(entry);
    RAGTIME_RETURN_IF_ERROR(Meet({&entry, 1}));
    std::vector<uint32_t> rows;  // To be followed once their blocks are here.
    for (size_t steps = 0;;) {
      rows.clear();
      while (wanted_.size() < request_.beam && !open_.empty() && kept_.Takes(open_.front().score)) {
        // What is wanted is elsewhere, once the walk has settled and what it would follow next is too far.
        if (steps > request_.ef / kSettledShare && BestUpper() < request_.score_min) break;
        ++steps;
        std::pop_heap(open_.begin(), open_.end(), IsWorse);
        const uint32_t row = open_.back().row;
        open_.pop_back();
        const uint32_t number = BlockOf(row);
        if (blocks_.contains(number)) {
          RAGTIME_RETURN_IF_ERROR(Follow(row));
        } else {
          Want(number);
          rows.push_back(row);
        }
      }
      if (wanted_.empty()) break;
      RAGTIME_RETURN_IF_ERROR(context.Check());
      RAGTIME_RETURN_IF_ERROR(ReadWanted());
      if (request_.selected < graph_.rows && blocks_.size() * kRowsOfRead > 2 * request_.selected) {
        return std::optional<std::vector<BoundedRow>>();
      }
      for (const uint32_t row : rows) RAGTIME_RETURN_IF_ERROR(Follow(row));
    }
    return std::optional(std::move(found_));
  }

 private:
  static bool IsWorse(const RowHit& a, const RowHit& b) {
    return a.score < b.score || (a.score == b.score && a.row > b.row);
  }
  float BestUpper() const { return open_.front().score + graph_.codes.MarginOf(short_query_, open_.front().row); }

  uint32_t BlockOf(uint32_t row) const { return row / graph_.layout.records_per_block; }
  void Want(uint32_t number) {
    if (std::find(wanted_.begin(), wanted_.end(), number) == wanted_.end()) wanted_.push_back(number);
  }

  // Rows that were not met before and are visited now.
  Status Meet(std::span<const uint32_t> rows) {
    float scores[kLinksOfRowMax];
    graph_.codes.Estimate(short_query_, rows, scores);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!kept_.Takes(scores[i])) continue;
      open_.push_back({rows[i], scores[i]});
      std::push_heap(open_.begin(), open_.end(), IsWorse);
      // A row and its twins count once.
      bool selected = !request_.excluded.Contains(rows[i]);
      RAGTIME_RETURN_IF_ERROR(
          ForEachTwin(rows[i], [&](uint32_t twin) { selected = selected || !request_.excluded.Contains(twin); }));
      if (selected) kept_.Offer(rows[i], scores[i]);
    }
    return Status();
  }

  // A chain ascends, and so it ends.
  template <typename Use>
  Status ForEachTwin(uint32_t row, const Use& use) const {
    for (uint32_t twin = twins_[row]; twin != kNoRow;) {
      if (twin >= graph_.rows || twin <= row) return Damaged();
      use(twin);
      row = twin;
      twin = twins_[row];
    }
    return Status();
  }

  Status ReadWanted() {
    RAGTIME_RETURN_IF_ERROR(graph_.source.ReadBlocks(wanted_, read_));
    for (size_t i = 0; i < wanted_.size(); ++i) {
      blocks_[wanted_[i]] = read_[i];
      RAGTIME_RETURN_IF_ERROR(Arrive(wanted_[i], read_[i].get()));
    }
    wanted_.clear();
    return Status();
  }

  // Every record of a block that was read is looked at, since it costs nothing more.
  Status Arrive(uint32_t number, const std::byte* block) {
    const DiskannLayout& layout = graph_.layout;
    const uint32_t first = number * layout.records_per_block;
    const uint32_t count = std::min(layout.records_per_block, graph_.rows - first);
    std::vector<uint32_t>& met = met_;
    met.clear();
    for (uint32_t i = 0; i < count; ++i) {
      const std::byte* record = block + size_t{i} * layout.record_bytes;
      RecordHead head;
      std::memcpy(&head, record, sizeof(head));
      if (head.row != first + i) return Damaged();
      uint32_t nearest;
      std::memcpy(&nearest, record + sizeof(head), sizeof(nearest));
      const bool is_new = visited_.Insert(head.row);
      // Nothing leads on from a twin, and it may have been found with the first of its chain.
      if (nearest == kNoRow && !is_new) continue;
      if (!request_.excluded.Contains(head.row)) found_.push_back(Score(head, record));
      if (nearest != kNoRow && is_new) met.push_back(head.row);
    }
    for (size_t i = 0; i < met.size(); i += kLinksOfRowMax) {
      RAGTIME_RETURN_IF_ERROR(
          Meet(std::span<const uint32_t>(met).subspan(i, std::min(kLinksOfRowMax, met.size() - i))));
    }
    return Status();
  }

  BoundedRow Score(const RecordHead& head, const std::byte* record) const {
    const auto stride = CodedLayout::CodeStride(graph_.dimension);
    const auto* codes = reinterpret_cast<const int8_t*>(record + graph_.layout.record_bytes - stride);
    int32_t product = 0;
    BestKernels().dot_codes(coded_query_.codes.data(), codes, stride, 1, &product);
    const float score = EstimateOf(coded_query_, head.coded, product);
    const float bound = BoundOf(coded_query_, head.coded);
    return {head.row, score - bound, score + bound};
  }

  // `row` is in a block that is here.
  Status Follow(uint32_t row) {
    const DiskannLayout& layout = graph_.layout;
    const std::byte* record =
        blocks_.at(BlockOf(row)).get() + size_t{row % layout.records_per_block} * layout.record_bytes;
    uint32_t links[kLinksOfRowMax];
    const size_t count = 2 * size_t{layout.graph.links};
    std::memcpy(links, record + sizeof(RecordHead), count * sizeof(uint32_t));
    uint32_t met[kLinksOfRowMax];
    size_t met_count = 0;
    if (!VisitLinks({links, count}, graph_.rows, visited_, met, met_count)) return Damaged();
    RAGTIME_RETURN_IF_ERROR(Meet({met, met_count}));
    if (twins_[row] == kNoRow) return Status();
    RecordHead head;
    std::memcpy(&head, record, sizeof(head));
    const BoundedRow bounds = Score(head, record);
    return ForEachTwin(row, [&](uint32_t twin) {
      if (!graph_.codes.AreEqual(row, twin)) {
        if (!blocks_.contains(BlockOf(twin))) Want(BlockOf(twin));
      } else if (visited_.Insert(twin) && !request_.excluded.Contains(twin)) {
        found_.push_back({twin, bounds.lower, bounds.upper});
      }
    });
  }

  const DiskWalk::Graph& graph_;
  const DiskWalkRequest& request_;
  ShortQuery& short_query_;
  const uint32_t* const twins_;
  const CodedQuery coded_query_;
  Frontier kept_;  // The nearest rows met that are selected: what is worse than all of them is not followed.
  VisitedRows visited_;
  std::vector<RowHit> open_;  // A heap with the best in front: met, not followed.
  std::vector<uint32_t> wanted_;
  std::vector<Block> read_;
  std::unordered_map<uint32_t, Block> blocks_;  // All that were read, by number.
  std::vector<uint32_t> met_;
  std::vector<BoundedRow> found_;
};

}  // namespace

// Where the walk over level 0 begins: what is nearest in the levels above.
Result<uint32_t> DiskWalk::Entry(ShortQuery& query) const {
  const DiskannLayout& layout = graph_.layout;
  const auto* rows = At<uint32_t>(graph_.bytes, layout.rows);
  uint32_t place = 0;
  // Links lead to places of the level only, but a damaged place may name no row.
  bool known = true;
  for (size_t level = layout.graph.levels; level-- > 0;) {
    const auto* links = At<uint32_t>(graph_.bytes, layout.level_links[level]);
    const auto links_of = [&](uint32_t p) {
      return std::span<const uint32_t>(links + size_t{p} * layout.graph.links, layout.graph.links);
    };
    const auto scores_of = [&](std::span<const uint32_t> places, float* scores) {
      uint32_t at[kLinksOfRowMax];
      for (size_t i = 0; i < places.size(); ++i) {
        at[i] = rows[places[i]];
        if (at[i] < graph_.rows) continue;
        known = false;
        at[i] = 0;
      }
      graph_.codes.Estimate(query, {at, places.size()}, scores);
    };
    if (!Descend(place, layout.graph.places[level], links_of, scores_of) || !known) return Damaged();
  }
  return rows[place];
}

Result<std::optional<std::vector<BoundedRow>>> DiskWalk::Run(const Context& context, std::span<const float> query,
                                                             const DiskWalkRequest& request) const {
  ShortQuery short_query = graph_.codes.Code(query);
  RAGTIME_ASSIGN_OR_RETURN(const uint32_t entry, Entry(short_query));
  return Walker(graph_, query, short_query, request).Run(context, entry);
}

}  // namespace ragtime
