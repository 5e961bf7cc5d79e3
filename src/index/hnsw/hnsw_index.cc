// SPDX-License-Identifier: Apache-2.0
#include "index/hnsw/hnsw_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "index/hnsw/hnsw_builder.h"
#include "index/hnsw/hnsw_format.h"
#include "index/hnsw/nearest_rows.h"
#include "index/hnsw/room_of_thread.h"
#include "index/hnsw/walk.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/disk_wait.h"
#include "index/kernels/selected_rows.h"

namespace ragtime {
namespace {

constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";
// A walk scores about so many rows for each that it keeps, and takes about so many times as long for one of them as a
// scan does (bench/vector_search.cc, 384 dimensions).
constexpr uint64_t kScoredForKept = 12;
constexpr uint64_t kWalkCost = 6;
constexpr size_t kStepsBetweenChecks = 64;
// A walk to `ef` rows has found the best region after this part of its steps, nearly always.
constexpr uint64_t kSettledShare = 2;

Status CheckRows(VectorMatrix vectors, std::string_view type) {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, type));
  if (vectors.rows <= NearestRows::kRowsMax) return Status();
  return InvalidArgumentError(StrCat("an index of type ", type, " cannot number that many rows: ", vectors.rows));
}

uint64_t HeaderHash(const HnswHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(HnswHeader, header_hash)));
}

class HnswIndex final : public VectorIndex {
 public:
  // `bytes` hold what HnswLayout says, checked by Open.
  HnswIndex(std::span<const std::byte> bytes, const HnswLayout& layout, VectorMatrix vectors, Metric metric,
            double norm_max, uint32_t ef)
      : bytes_(bytes),
        layout_(layout),
        rows_(static_cast<uint32_t>(vectors.rows)),
        coded_(bytes, layout.codes, vectors, metric, norm_max),
        ef_(ef) {}

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& parameters) const override {
    RAGTIME_RETURN_IF_ERROR(CheckQuery(coded_.vectors(), query));
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (limit == 0) return std::vector<RowHit>();
    const uint64_t selected = CountSelected(rows_, selection);
    const uint64_t ef = std::min<uint64_t>(std::max<uint64_t>(parameters.ef > 0 ? parameters.ef : ef_, limit), rows_);
    // A walk meets the selected rows among all others.
    const auto square = static_cast<double>(selected) * static_cast<double>(selected);
    if (square <= static_cast<double>(kWalkCost * kScoredForKept * ef) * rows_) {
      return coded_.Search(context, query, limit, selection, parameters.score_min);
    }
    const CodedQuery coded = coded_.Code(query);
    // A selection that large lists its rows only to be scanned; a walk goes by the bitmap.
    std::optional<std::vector<Candidate>> candidates;
    DiskWait disk;
    if (selected == rows_) {
      RAGTIME_ASSIGN_OR_RETURN(candidates, WalkOverAll(context, coded, ef, parameters.score_min, disk));
    } else {
      RAGTIME_ASSIGN_OR_RETURN(candidates, WalkOverSelected(context, coded, ef, selected, selection.excluded, disk));
    }
    // Rows that no link leads to, or a walk that got no further among excluded rows.
    const auto good_enough = [&parameters](const Candidate& candidate) {
      return candidate.upper >= parameters.score_min;
    };
    if (!candidates || (candidates->size() < std::min<uint64_t>(limit, selected) &&
                        std::all_of(candidates->begin(), candidates->end(), good_enough))) {
      return coded_.Search(context, query, limit, selection, parameters.score_min);
    }
    return coded_.ScoreExactly(context, query, limit, std::move(*candidates), parameters.score_min, disk.waited());
  }

 private:
  const uint32_t* At(uint64_t offset) const { return reinterpret_cast<const uint32_t*>(bytes_.data() + offset); }
  std::span<const uint32_t> BottomLinks(uint32_t row) const {
    const size_t links = 2 * size_t{layout_.links};
    return {At(layout_.bottom) + row * links, links};
  }
  void PrefetchLinks(uint32_t row) const {
    const std::span<const uint32_t> links = BottomLinks(row);
    for (size_t i = 0; i < links.size(); i += 16) __builtin_prefetch(links.data() + i);
  }
  // While the disk is waited for, all that a step to the rows and one from them need is asked for at once.
  void AskDisk(std::span<const uint32_t> rows, DiskWait& disk) const {
    disk.Step();
    if (!disk.waits()) return;
    for (const uint32_t row : rows) {
      coded_.ReadCodesSoon(row);
      ReadSoon(std::as_bytes(BottomLinks(row)));
    }
  }
  static Status Damaged() {
    return DataLossError("the HNSW index links to a row that it does not have", kRebuildRemedy);
  }

  // The rows that a step scores.
  struct Step {
    uint32_t rows[kLinksOfRowMax];
    size_t count = 0;
  };
  // What following the row leads to and was not visited yet, with its codes on their way; false where links lead
  // nowhere.
  bool Collect(uint32_t row, VisitedRows& visited, DiskWait& disk, Step& step) const {
    if (!VisitLinks(BottomLinks(row), rows_, visited, step.rows, step.count)) return false;
    AskDisk({step.rows, step.count}, disk);
    for (size_t i = 0; i < step.count; ++i) coded_.PrefetchCodes(step.rows[i]);
    return true;
  }

  // Where the walk over level 0 begins: what is nearest in the levels above.
  Result<uint32_t> Entry(const CodedQuery& query, DiskWait& disk) const {
    uint32_t place = 0;
    const uint32_t* rows = At(layout_.rows);
    // Links lead to places of the level only, but a damaged place may name no row.
    bool known = true;
    for (size_t level = layout_.levels; level-- > 0;) {
      const uint32_t* links = At(layout_.level_links[level]);
      const auto links_of = [this, links](uint32_t p) {
        return std::span<const uint32_t>(links + size_t{p} * layout_.links, layout_.links);
      };
      const auto scores_of = [&](std::span<const uint32_t> places, float* scores) {
        uint32_t at[kLinksOfRowMax];
        for (size_t i = 0; i < places.size(); ++i) {
          at[i] = rows[places[i]];
          if (at[i] < rows_) continue;
          known = false;
          at[i] = 0;
        }
        AskDisk({at, places.size()}, disk);
        coded_.Estimate(query, {at, places.size()}, scores);
      };
      if (!Descend(place, layout_.places[level], links_of, scores_of) || !known) return Damaged();
    }
    return rows[place];
  }

  Result<std::vector<Candidate>> WalkOverAll(const Context& context, const CodedQuery& query, uint64_t ef,
                                             float score_min, DiskWait& disk) const {
    RAGTIME_ASSIGN_OR_RETURN(const uint32_t entry, Entry(query, disk));
    const RoomOfThread room(rows_, ef);
    NearestRows& nearest = room.nearest();
    VisitedRows& visited = room.visited();
    visited.Insert(entry);
    // Only of damaged codes it is no number, and then nothing is found.
    if (const float score = EstimateOf(query, entry); score > nearest.bar()) nearest.Offer(entry, score);
    NearRow row;
    Step lists[2];
    Step* step = &lists[0];
    Step* next_step = &lists[1];
    float scores[kLinksOfRowMax];
    bool more = nearest.Next(row);
    if (more && !Collect(row.row, visited, disk, *step)) return Damaged();
    for (size_t steps = 1; more; ++steps) {
      if (steps % kStepsBetweenChecks == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      // What is wanted is elsewhere, once the walk has settled and what it would follow next is too far.
      if (steps > ef / kSettledShare && row.score < score_min) break;
      // What comes next is settled before this step's rows are scored, so that its bytes are on their way meanwhile.
      const bool settled = nearest.Next(row);
      if (settled && !Collect(row.row, visited, disk, *next_step)) return Damaged();
      coded_.Estimate(query, {step->rows, step->count}, scores);
      for (size_t i = 0; i < step->count; ++i) {
        if (!(scores[i] > nearest.bar())) continue;
        PrefetchLinks(step->rows[i]);  // It may be followed soon.
        nearest.Offer(step->rows[i], scores[i]);
      }
      more = settled || nearest.Next(row);
      if (more && !settled && !Collect(row.row, visited, disk, *next_step)) return Damaged();
      std::swap(step, next_step);
    }
    std::vector<Candidate> candidates;
    candidates.reserve(nearest.count());
    for (size_t i = 0; i < nearest.count(); ++i) {
      const NearRow near = nearest.At(i);
      __builtin_prefetch(At(layout_.twins) + near.row);
      candidates.push_back({near.row, near.score + coded_.BoundOf(query, near.row)});
    }
    const size_t met = candidates.size();
    for (size_t i = 0; i < met; ++i) {
      RAGTIME_RETURN_IF_ERROR(ForEachTwin(candidates[i].row, [&](uint32_t twin) {
        candidates.push_back({twin, EstimateOf(query, twin) + coded_.BoundOf(query, twin)});
      }));
    }
    return candidates;
  }

  // None where a scan is cheaper after all: among rows that are near the query and excluded, a walk is long.
  Result<std::optional<std::vector<Candidate>>> WalkOverSelected(const Context& context, const CodedQuery& query,
                                                                 uint64_t ef, uint64_t selected, RowBitmap excluded,
                                                                 DiskWait& disk) const {
    RAGTIME_ASSIGN_OR_RETURN(const uint32_t entry, Entry(query, disk));
    const RoomOfThread room(rows_, ef);
    NearestRows& kept = room.nearest();
    VisitedRows& visited = room.visited();
    std::vector<RowHit> open;  // A heap with the best in front: met, not followed.
    const auto worse = [](const RowHit& a, const RowHit& b) {
      return a.score < b.score || (a.score == b.score && a.row > b.row);
    };
    const auto meet = [&](uint32_t row, float score) {
      if (!(score > kept.bar())) return Status();
      PrefetchLinks(row);  // It may be followed soon.
      open.push_back({row, score});
      std::push_heap(open.begin(), open.end(), worse);
      if (!excluded.Contains(row)) kept.Offer(row, score);
      return ForEachTwin(row, [&](uint32_t twin) {
        if (excluded.Contains(twin)) return;
        const float of_twin = EstimateOf(query, twin);
        if (of_twin > kept.bar()) kept.Offer(twin, of_twin);
      });
    };
    const auto next = [&](uint32_t& row) {
      if (open.empty() || !(open.front().score > kept.bar())) return false;
      row = open.front().row;
      std::pop_heap(open.begin(), open.end(), worse);
      open.pop_back();
      return true;
    };
    const auto collect = [&](uint32_t row, Step& step) {
      if (!Collect(row, visited, disk, step)) return false;
      for (size_t i = 0; i < step.count; ++i) __builtin_prefetch(At(layout_.twins) + step.rows[i]);
      return true;
    };
    visited.Insert(entry);
    RAGTIME_RETURN_IF_ERROR(meet(entry, EstimateOf(query, entry)));
    uint32_t row = 0;
    Step lists[2];
    Step* step = &lists[0];
    Step* next_step = &lists[1];
    float scores[kLinksOfRowMax];
    bool more = next(row);
    if (more && !collect(row, *step)) return Damaged();
    for (size_t steps = 1; more; ++steps) {
      if (steps % kStepsBetweenChecks == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      if (visited.count() * kWalkCost > 2 * selected) return std::optional<std::vector<Candidate>>();
      const bool settled = next(row);
      if (settled && !collect(row, *next_step)) return Damaged();
      coded_.Estimate(query, {step->rows, step->count}, scores);
      for (size_t i = 0; i < step->count; ++i) RAGTIME_RETURN_IF_ERROR(meet(step->rows[i], scores[i]));
      more = settled || next(row);
      if (more && !settled && !collect(row, *next_step)) return Damaged();
      std::swap(step, next_step);
    }
    std::vector<Candidate> candidates;
    candidates.reserve(kept.count());
    for (size_t i = 0; i < kept.count(); ++i) {
      const NearRow near = kept.At(i);
      candidates.push_back({near.row, near.score + coded_.BoundOf(query, near.row)});
    }
    return std::optional(std::move(candidates));
  }

  float EstimateOf(const CodedQuery& query, uint32_t row) const {
    float score = 0;
    coded_.Estimate(query, std::span<const uint32_t>(&row, 1), &score);
    return score;
  }

  // A chain ascends, and so it ends.
  template <typename Use>
  Status ForEachTwin(uint32_t row, const Use& use) const {
    const uint32_t* twins = At(layout_.twins);
    for (uint32_t twin = twins[row]; twin != kNoRow;) {
      if (twin >= rows_ || twin <= row) return Damaged();
      use(twin);
      row = twin;
      twin = twins[row];
    }
    return Status();
  }

  const std::span<const std::byte> bytes_;
  const HnswLayout layout_;
  const uint32_t rows_;
  const CodedRows coded_;
  const uint32_t ef_;
};

}  // namespace

uint32_t HnswEfFor(uint64_t rows) {
  const double root = std::sqrt(static_cast<double>(std::max(rows, kHnswRowsMeasured)) / kHnswRowsMeasured);
  return static_cast<uint32_t>(std::lround(kHnswEf * root));
}

uint32_t HnswIndexType::version() const { return kHnswVersion; }
uint32_t HnswIndexType::version_min() const { return kHnswVersionOf8Bits; }

Result<std::vector<std::byte>> HnswIndexType::Build(const Context& context, VectorMatrix vectors, Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckRows(vectors, name()));
  HnswHeader header = {};
  std::copy(std::begin(kHnswMagic), std::end(kHnswMagic), header.magic);
  const bool few = bits_ == 0 && vectors.dimension <= kHnsw8BitDimensionsMax;
  header.version = few || bits_ == 8 ? kHnswVersionOf8Bits : kHnswVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = vectors.rows;
  header.dimension = static_cast<uint32_t>(vectors.dimension);
  header.links = parameters_.m;
  header.ef_construction = parameters_.ef_construction;
  header.has_graph = vectors.rows >= kHnswGraphRowsMin ? 1 : 0;
  RAGTIME_ASSIGN_OR_RETURN(header.norm_max, CheckVectors(vectors));
  header.header_hash = HeaderHash(header);

  const uint32_t bits = HnswBitsOf(header.version);
  const HnswLayout layout = HnswLayout::Of(vectors.rows, vectors.dimension, header.links, bits);
  std::vector<std::byte> bytes(header.has_graph != 0 ? layout.size : sizeof(header));
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (header.has_graph == 0) return bytes;
  CodedRows::Write(vectors, metric, layout.codes, bytes);
  RAGTIME_RETURN_IF_ERROR(context.Check());
  // Rows are linked by codes of 8 bits whatever the walk goes by, so that the graph is the same.
  std::vector<std::byte> wide;
  const CodedLayout wide_layout = CodedLayout::Of(0, vectors.rows, vectors.dimension);
  if (bits != 8) {
    wide.resize(wide_layout.size);
    CodedRows::Write(vectors, metric, wide_layout, wide);
  }
  const CodedRows coded = bits == 8 ? CodedRows(bytes, layout.codes, vectors, metric, header.norm_max)
                                    : CodedRows(wide, wide_layout, vectors, metric, header.norm_max);
  RAGTIME_RETURN_IF_ERROR(LinkRows(context, coded, metric, header.norm_max, parameters_, layout, bytes));
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> HnswIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                         Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckRows(vectors, name()));
  HnswHeader header;
  if (bytes.size() < sizeof(header)) {
    return DataLossError(StrCat("the HNSW index is truncated: ", bytes.size(), " bytes"), kRebuildRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kHnswMagic), std::end(kHnswMagic), header.magic)) {
    return DataLossError("the bytes are not an HNSW index", kRebuildRemedy);
  }
  if (header.version > kHnswVersion) {
    return FailedPreconditionError(
        StrCat("the HNSW index was written by a newer version: format ", header.version, ", known ", kHnswVersion),
        "Use a newer ragtime, or build the index again.");
  }
  if (header.version < kHnswVersionOf8Bits || header.header_hash != HeaderHash(header) ||
      header.links < kHnswLinksMin || header.links > kHnswLinksMax ||
      header.has_graph != (header.rows >= kHnswGraphRowsMin ? 1 : 0)) {
    return DataLossError("the header of the HNSW index is damaged", kRebuildRemedy);
  }
  if (header.rows != vectors.rows || header.dimension != vectors.dimension ||
      header.metric != static_cast<uint32_t>(metric)) {
    return DataLossError(StrCat("the HNSW index belongs to other vectors: ", header.rows, " x ", header.dimension,
                                ", expected ", vectors.rows, " x ", vectors.dimension),
                         kRebuildRemedy);
  }
  const HnswLayout layout = HnswLayout::Of(vectors.rows, vectors.dimension, header.links, HnswBitsOf(header.version));
  const uint64_t size = header.has_graph != 0 ? layout.size : sizeof(header);
  if (bytes.size() != size) {
    return DataLossError(StrCat("the HNSW index has a wrong size: ", bytes.size(), " bytes, expected ", size),
                         kRebuildRemedy);
  }
  if (header.has_graph == 0) return std::unique_ptr<VectorIndex>(new ScannedIndex(vectors, metric));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(CodedRow) != 0) {
    return InvalidArgumentError("the bytes of an HNSW index must be aligned");
  }
  const uint32_t ef = parameters_.ef > 0 ? parameters_.ef : HnswEfFor(vectors.rows);
  return std::unique_ptr<VectorIndex>(new HnswIndex(bytes, layout, vectors, metric, header.norm_max, ef));
}

Result<std::unique_ptr<VectorIndex>> HnswIndexType::OpenInFile(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                               Metric metric, const IndexFile& /*file*/) const {
  // A walk jumps. The vectors are read from end to end by who merges them, and stay as they are.
  ReadAtRandom(bytes);
  return Open(bytes, vectors, metric);
}

}  // namespace ragtime
