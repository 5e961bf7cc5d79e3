// SPDX-License-Identifier: Apache-2.0
#include "index/hnsw/fast_hnsw_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/str_cat.h"
#include "index/hnsw/hnsw_format.h"
#include "index/hnsw/nearest_rows.h"
#include "index/hnsw/room_of_thread.h"
#include "index/hnsw/sign_blocks.h"
#include "index/hnsw/walk.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/selected_rows.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";
// A step of a walk takes about so many times as long as one row of a scan (bench/vector_search.cc, 384 dimensions).
constexpr uint64_t kStepCost = 40;
constexpr size_t kStepsBetweenChecks = 64;
// As in HNSW: a walk has found the best region after this part of its steps, nearly always.
constexpr uint64_t kSettledShare = 2;

uint64_t HeaderHash(const FastHnswHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(FastHnswHeader, header_hash)));
}

// Where the parts of the HNSW index and the blocks lie.
struct Parts {
  HnswHeader hnsw;
  HnswLayout layout;  // From the start of the HNSW index.
  SignLayout signs;
  uint64_t blocks = 0;  // From the start of all bytes.
  uint64_t size = 0;

  // `header` has passed HNSW's checks, or is to be written.
  static Parts Of(const HnswHeader& header, uint64_t hnsw_size) {
    Parts parts{.hnsw = header, .layout = {}, .signs = {}};
    parts.layout = HnswLayout::Of(header.rows, header.dimension, header.links);
    parts.signs = SignLayout::Of(header.dimension, 2 * size_t{header.links});
    parts.blocks = CodedLayout::Align(sizeof(FastHnswHeader) + hnsw_size);
    parts.size = header.has_graph != 0 ? parts.blocks + header.rows * parts.signs.row_size()
                                       : sizeof(FastHnswHeader) + hnsw_size;
    return parts;
  }
};

class FastHnswIndex final : public VectorIndex {
 public:
  // `bytes` are as `parts` says, and `hnsw` is the index within, opened.
  FastHnswIndex(std::span<const std::byte> bytes, const Parts& parts, VectorMatrix vectors, Metric metric, uint32_t ef,
                std::unique_ptr<VectorIndex> hnsw)
      : hnsw_bytes_(bytes.subspan(sizeof(FastHnswHeader))),
        blocks_(bytes.data() + parts.blocks),
        layout_(parts.layout),
        signs_(parts.signs),
        rotation_(parts.signs.dimensions),
        rows_(static_cast<uint32_t>(vectors.rows)),
        coded_(hnsw_bytes_, parts.layout.codes, vectors, metric, parts.hnsw.norm_max),
        mean_(reinterpret_cast<const float*>(hnsw_bytes_.data() + parts.layout.codes.mean), vectors.dimension),
        ef_(ef),
        hnsw_(std::move(hnsw)) {}

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& parameters) const override {
    RAGTIME_RETURN_IF_ERROR(CheckQuery(coded_.vectors(), query));
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (limit == 0) return std::vector<RowHit>();
    const uint64_t selected = CountSelected(rows_, selection);
    if (2 * selected < rows_) return hnsw_->Search(context, query, limit, selection, parameters);
    // Excluded rows take their share of those that are kept.
    uint64_t ef = std::max<uint64_t>(parameters.ef > 0 ? parameters.ef : ef_, limit);
    ef = (std::min<uint64_t>(ef, rows_) * rows_ + selected - 1) / selected;
    if (ef * kStepCost >= rows_) return hnsw_->Search(context, query, limit, selection, parameters);
    RAGTIME_ASSIGN_OR_RETURN(
        std::vector<Candidate> candidates,
        Walk(context, query, ef, limit, selected == rows_ ? RowBitmap{} : selection.excluded, parameters.score_min));
    const bool few = candidates.size() < std::min<uint64_t>(limit, selected) &&
                     std::all_of(
                         candidates.begin(), candidates.end(),
                         [&parameters](const Candidate& candidate) { return candidate.upper >= parameters.score_min; });
    if (few) return coded_.Search(context, query, limit, selection, parameters.score_min);
    return coded_.ScoreExactly(context, query, limit, std::move(candidates), parameters.score_min);
  }

 private:
  const uint32_t* At(uint64_t offset) const { return reinterpret_cast<const uint32_t*>(hnsw_bytes_.data() + offset); }
  const uint32_t* LinksOf(uint32_t row) const { return At(layout_.bottom) + size_t{row} * 2 * layout_.links; }
  static Status Damaged() {
    return DataLossError("the HNSW index links to a row that it does not have", kRebuildRemedy);
  }

  // What following the row reads, in two parts: so many lines at once would keep everything else waiting. Inlined,
  // since GCC 12 takes a function that only prefetches for one without effect and drops the call.
  [[gnu::always_inline]] void PrefetchCodes(uint32_t row) const {
    const int8_t* codes = coded_.codes(row);
    for (size_t i = 0; i < CodedLayout::CodeStride(mean_.size()); i += 64) __builtin_prefetch(codes + i, 0, 2);
    __builtin_prefetch(&coded_.row(row), 0, 2);
    __builtin_prefetch(At(layout_.twins) + row, 0, 2);
    const uint32_t* links = LinksOf(row);
    for (size_t i = 0; i < 2 * size_t{layout_.links}; i += 16) __builtin_prefetch(links + i, 0, 2);
  }
  [[gnu::always_inline]] void PrefetchBlocks(uint32_t row) const {
    const std::byte* block = blocks_ + size_t{row} * signs_.row_size();
    for (size_t i = 0; i < signs_.row_size(); i += 64) __builtin_prefetch(block + i, 0, 2);
  }

  // As HNSW: what is nearest in the levels above.
  Result<uint32_t> Entry(const CodedQuery& query) const {
    uint32_t place = 0;
    const uint32_t* rows = At(layout_.rows);
    bool known = true;
    for (size_t level = layout_.levels; level-- > 0;) {
      const uint32_t* links = At(layout_.level_links[level]);
      const auto links_of = [this, links](uint32_t p) {
        return std::span<const uint32_t>(links + size_t{p} * layout_.links, layout_.links);
      };
      const auto scores_of = [&](std::span<const uint32_t> places, float* scores) {
        uint32_t at[kLinksOfRowMax];
        for (size_t i = 0; i < places.size(); ++i) {
          known = known && rows[places[i]] < rows_;
          at[i] = known ? rows[places[i]] : 0;
        }
        coded_.Estimate(query, {at, places.size()}, scores);
      };
      if (!Descend(place, layout_.places[level], links_of, scores_of) || !known) return Damaged();
    }
    return rows[place];
  }

  // The rows that can be among the best `limit` of those that were followed.
  class Followed {
   public:
    Followed(const FastHnswIndex& index, const CodedQuery& query, size_t limit, RowBitmap excluded)
        : index_(index), query_(query), excluded_(excluded), limit_(limit), lower_bounds_(limit) {}

    // Adds the row and its twins, and gives the score of its codes; false for a chain of twins that leads nowhere.
    bool Add(uint32_t row, float& score) {
      index_.coded_.Estimate(query_, std::span<const uint32_t>(&row, 1), &score);
      Offer(row, score);
      const uint32_t* twins = index_.At(index_.layout_.twins);
      for (uint32_t twin = twins[row]; twin != kNoRow;) {
        if (twin >= index_.rows_ || twin <= row) return false;
        float of_twin = 0;
        index_.coded_.Estimate(query_, std::span<const uint32_t>(&twin, 1), &of_twin);
        Offer(twin, of_twin);
        row = twin;
        twin = twins[row];
      }
      return true;
    }
    std::vector<Candidate> Take() {
      if (limit_ > 0 && lower_bounds_.full()) {
        std::erase_if(candidates_, [this](const Candidate& c) { return c.upper < lower_bounds_.worst().score; });
      }
      return std::move(candidates_);
    }

   private:
    void Offer(uint32_t row, float score) {
      if (excluded_.Contains(row)) return;
      const float bound = index_.coded_.BoundOf(query_, row);
      if (lower_bounds_.full() && !(score + bound >= lower_bounds_.worst().score)) return;
      candidates_.push_back({row, score + bound});
      lower_bounds_.Offer({row, score - bound});
    }

    const FastHnswIndex& index_;
    const CodedQuery& query_;
    const RowBitmap excluded_;
    const size_t limit_;
    TopHits lower_bounds_;
    std::vector<Candidate> candidates_;
  };

  Result<std::vector<Candidate>> Walk(const Context& context, std::span<const float> query, uint64_t ef, size_t limit,
                                      RowBitmap excluded, float score_min) const {
    const CodedQuery coded = coded_.Code(query);
    const SignQuery signs(signs_, rotation_, query, mean_);
    const FastScanQuery scan = signs.scan();
    const auto score_block = BestFastScan().score;
    RAGTIME_ASSIGN_OR_RETURN(const uint32_t entry, Entry(coded));
    const RoomOfThread room(rows_, ef);
    NearestRows& nearest = room.nearest();
    VisitedRows& visited = room.visited();
    Followed followed(*this, coded, limit, excluded);
    float score = 0;
    coded_.Estimate(coded, std::span<const uint32_t>(&entry, 1), &score);
    visited.Insert(entry);
    nearest.Offer(entry, score);
    NearRow row;
    NearRow next;
    bool more = nearest.Next(row);
    for (size_t steps = 1; more; ++steps) {
      if (steps % kStepsBetweenChecks == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      if (steps > ef / kSettledShare && row.score < score_min) break;
      // What comes next is settled before this row's links are known, so that its bytes are on their way meanwhile.
      const bool settled = nearest.Next(next);
      if (settled) PrefetchCodes(next.row);
      if (!followed.Add(row.row, score)) return Damaged();
      if (settled) PrefetchBlocks(next.row);
      const uint32_t* links = LinksOf(row.row);
      for (size_t b = 0; b < signs_.blocks; ++b) {
        const std::byte* block = blocks_ + size_t{row.row} * signs_.row_size() + b * signs_.block_size;
        const auto& factors = *reinterpret_cast<const ScanFactors*>(block);
        const auto* codes = reinterpret_cast<const uint8_t*>(block + sizeof(ScanFactors));
        float scores[kScanRows];
        for (uint32_t above = score_block(scan, codes, factors, score, nearest.bar(), scores); above != 0;
             above &= above - 1) {
          const auto slot = static_cast<size_t>(std::countr_zero(above));
          const size_t i = b * kScanRows + slot;
          if (i >= 2 * size_t{layout_.links}) break;  // Only of damaged factors.
          if (links[i] >= rows_) return Damaged();
          if (!(scores[slot] > nearest.bar()) || !visited.Insert(links[i])) continue;
          nearest.Offer(links[i], scores[slot]);
        }
      }
      more = settled || nearest.Next(next);
      if (more && !settled) {
        PrefetchCodes(next.row);
        PrefetchBlocks(next.row);
      }
      row = next;
    }
    std::vector<Candidate> candidates = followed.Take();
    for (const Candidate& candidate : candidates) {
      const auto vector = coded_.vectors().row(candidate.row);
      for (size_t i = 0; i < vector.size(); i += 16) __builtin_prefetch(vector.data() + i, 0, 2);
    }
    return candidates;
  }

  const std::span<const std::byte> hnsw_bytes_;
  const std::byte* const blocks_;
  const HnswLayout layout_;
  const SignLayout signs_;
  const Rotation rotation_;
  const uint32_t rows_;
  const CodedRows coded_;
  const std::span<const float> mean_;
  const uint32_t ef_;
  const std::unique_ptr<VectorIndex> hnsw_;
};

}  // namespace

Result<std::vector<std::byte>> FastHnswIndexType::Build(const Context& context, VectorMatrix vectors,
                                                        Metric metric) const {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<std::byte> hnsw, hnsw_.Build(context, vectors, metric));
  HnswHeader of_hnsw;
  std::memcpy(&of_hnsw, hnsw.data(), sizeof(of_hnsw));
  const Parts parts = Parts::Of(of_hnsw, hnsw.size());
  FastHnswHeader header = {};
  std::copy(std::begin(kFastHnswMagic), std::end(kFastHnswMagic), header.magic);
  header.version = kFastHnswVersion;
  header.hnsw_size = hnsw.size();
  header.header_hash = HeaderHash(header);
  std::vector<std::byte> bytes(parts.size);
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), hnsw.data(), hnsw.size());
  hnsw = {};
  if (of_hnsw.has_graph == 0) return bytes;
  const std::span<std::byte> inner = std::span(bytes).subspan(sizeof(header), header.hnsw_size);
  const size_t links_of_row = 2 * size_t{of_hnsw.links};
  const std::span<const uint32_t> bottom(reinterpret_cast<const uint32_t*>(inner.data() + parts.layout.bottom),
                                         vectors.rows * links_of_row);
  const std::span<const float> mean(reinterpret_cast<const float*>(inner.data() + parts.layout.codes.mean),
                                    vectors.dimension);
  RAGTIME_RETURN_IF_ERROR(WriteSignBlocks(context, vectors, metric, mean, bottom, links_of_row, parameters_.threads,
                                          bytes.data() + parts.blocks));
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> FastHnswIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                             Metric metric) const {
  FastHnswHeader header;
  if (bytes.size() < sizeof(header) + sizeof(HnswHeader)) {
    return DataLossError(StrCat("the HNSW_FAST index is truncated: ", bytes.size(), " bytes"), kRebuildRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kFastHnswMagic), std::end(kFastHnswMagic), header.magic)) {
    return DataLossError("the bytes are not an HNSW_FAST index", kRebuildRemedy);
  }
  if (header.version > kFastHnswVersion) {
    return FailedPreconditionError(StrCat("the HNSW_FAST index was written by a newer version: format ", header.version,
                                          ", known ", kFastHnswVersion),
                                   "Use a newer ragtime, or build the index again.");
  }
  if (header.version != kFastHnswVersion || header.header_hash != HeaderHash(header) ||
      header.hnsw_size < sizeof(HnswHeader) || header.hnsw_size > bytes.size() - sizeof(header)) {
    return DataLossError("the header of the HNSW_FAST index is damaged", kRebuildRemedy);
  }
  const std::span<const std::byte> inner = bytes.subspan(sizeof(header), header.hnsw_size);
  RAGTIME_ASSIGN_OR_RETURN(std::unique_ptr<VectorIndex> hnsw, hnsw_.Open(inner, vectors, metric));
  HnswHeader of_hnsw;
  std::memcpy(&of_hnsw, inner.data(), sizeof(of_hnsw));
  if (of_hnsw.version != kHnswVersionOf8Bits) {
    return DataLossError(StrCat("the HNSW_FAST index holds an HNSW index of format ", of_hnsw.version, ", expected ",
                                kHnswVersionOf8Bits),
                         kRebuildRemedy);
  }
  const Parts parts = Parts::Of(of_hnsw, header.hnsw_size);
  if (bytes.size() != parts.size) {
    return DataLossError(
        StrCat("the HNSW_FAST index has a wrong size: ", bytes.size(), " bytes, expected ", parts.size),
        kRebuildRemedy);
  }
  if (of_hnsw.has_graph == 0) return hnsw;
  const uint32_t ef = parameters_.ef > 0 ? parameters_.ef : HnswEfFor(vectors.rows);
  return std::unique_ptr<VectorIndex>(new FastHnswIndex(bytes, parts, vectors, metric, ef, std::move(hnsw)));
}

Result<std::unique_ptr<VectorIndex>> FastHnswIndexType::OpenInFile(std::span<const std::byte> bytes,
                                                                   VectorMatrix vectors, Metric metric,
                                                                   const IndexFile& /*file*/) const {
  // A walk jumps, and this profile is for those who have the memory.
  KeepInLargePages(bytes);
  return Open(bytes, vectors, metric);
}

}  // namespace ragtime
