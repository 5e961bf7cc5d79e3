// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/diskann_index.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/diskann/disk_walk.h"
#include "index/diskann/diskann_builder.h"
#include "index/diskann/diskann_format.h"
#include "index/diskann/record_source.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/selected_rows.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";
// A walk to `ef` of n rows takes about as long as a scan of so many short codes for each row kept.
constexpr uint64_t kScannedForKept = 72;
// So few rows are scored from their vectors at once.
constexpr size_t kExactRows = 256;
// Vectors that are read together while a result is scored.
constexpr size_t kScoredAtOnce = 32;
constexpr size_t kScannedAtOnce = 256;
// Of the vectors, what is in memory where no other limit is set.
constexpr uint64_t kMemoryShare = 8;

// The error of a score falls with the root of the dimension.
uint32_t BitsFor(size_t dimension) { return dimension < 128 ? 4 : 2; }

uint64_t HeaderHash(const DiskannHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(DiskannHeader, header_hash)));
}

class DiskannIndex final : public VectorIndex {
 public:
  // `bytes` hold what DiskannLayout says, checked by Open.
  DiskannIndex(std::span<const std::byte> bytes, const DiskannLayout& layout, VectorMatrix vectors, Metric metric,
               const DiskannHeader& header, const DiskannParameters& parameters, std::shared_ptr<DiskannShared> shared,
               std::optional<DiskFile> file, const IndexFile& where, int64_t room)
      : layout_(layout),
        vectors_(vectors),
        rows_(static_cast<uint32_t>(vectors.rows)),
        metric_(metric),
        parameters_(parameters),
        source_(std::move(shared), layout_, bytes, vectors, std::move(file), where, room),
        short_(reinterpret_cast<const ShortRow*>(bytes.data() + layout.short_rows),
               reinterpret_cast<const uint8_t*>(bytes.data() + layout.short_codes),
               {reinterpret_cast<const float*>(bytes.data() + layout.mean), vectors.dimension}, metric, header.bits),
        walk_({bytes, layout_, rows_, header.norm_max, metric, vectors.dimension, short_, source_}) {}

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& parameters) const override {
    RAGTIME_RETURN_IF_ERROR(CheckQuery(vectors_, query));
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (limit == 0) return std::vector<RowHit>();
    const uint64_t selected = CountSelected(rows_, selection);
    // Where a large part of the rows is wanted, nothing would rule the others out.
    if (selected <= kExactRows || limit >= selected / 4) return ScanVectors(context, query, limit, selection);
    // Short codes choose what is read, so that more must be kept than are wanted.
    const uint64_t kept = parameters.ef > 0 ? parameters.ef : parameters_.search_list;
    const uint64_t ef = std::min<uint64_t>(std::max<uint64_t>(kept, 2 * limit), rows_);
    // A walk meets the selected rows among all others.
    const auto square = static_cast<double>(selected) * static_cast<double>(selected);
    if (square <= static_cast<double>(kScannedForKept * ef) * rows_) {
      return ScanCodes(context, query, limit, selection, parameters.score_min);
    }
    const DiskWalkRequest request{.ef = ef,
                                  .beam = parameters_.beamwidth,
                                  .selected = selected,
                                  .excluded = selected == rows_ ? RowBitmap{} : selection.excluded,
                                  .score_min = parameters.score_min};
    RAGTIME_ASSIGN_OR_RETURN(auto met, walk_.Run(context, query, request));
    // Rows that no link leads to, or a walk that got no further among excluded rows.
    const auto good_enough = [&parameters](const BoundedRow& row) { return row.upper >= parameters.score_min; };
    if (!met ||
        (met->size() < std::min<uint64_t>(limit, selected) && std::all_of(met->begin(), met->end(), good_enough))) {
      return ScanCodes(context, query, limit, selection, parameters.score_min);
    }
    return ScoreVectors(context, query, limit, *std::move(met), parameters.score_min);
  }

 private:
  float ExactScore(std::span<const float> query, const float* row) const {
    return metric_ == Metric::kL2 ? -L2Squared(query.data(), row, query.size()) : Dot(query.data(), row, query.size());
  }

  // Calls use(rows) for the rows of the selection, some at a time.
  template <typename Use>
  Status ForSelected(const Context& context, const RowSelection& selection, const Use& use) const {
    uint32_t some[kScannedAtOnce];
    size_t found = 0;
    const size_t count = selection.listed ? selection.listed->size() : rows_;
    for (size_t i = 0; i < count; ++i) {
      const auto row = selection.listed ? (*selection.listed)[i] : static_cast<uint32_t>(i);
      if (row >= rows_) return InvalidArgumentError(StrCat("the index has no row ", row));
      if (selection.listed || !selection.excluded.Contains(row)) some[found++] = row;
      if (found < kScannedAtOnce && i + 1 < count) continue;
      RAGTIME_RETURN_IF_ERROR(context.Check());
      RAGTIME_RETURN_IF_ERROR(use(std::span<const uint32_t>(some, found)));
      found = 0;
    }
    return Status();
  }

  // Reads and scores every vector of the selection.
  Result<std::vector<RowHit>> ScanVectors(const Context& context, std::span<const float> query, size_t limit,
                                          const RowSelection& selection) const {
    TopHits top(limit);
    std::vector<float> vectors;
    const Status scanned = ForSelected(context, selection, [&](std::span<const uint32_t> rows) -> Status {
      RAGTIME_RETURN_IF_ERROR(source_.ReadVectors(rows, vectors));
      for (size_t i = 0; i < rows.size(); ++i) {
        top.Offer({rows[i], ExactScore(query, vectors.data() + i * query.size())});
      }
      return Status();
    });
    RAGTIME_RETURN_IF_ERROR(scanned);
    return top.Take();
  }

  // Scans the short codes of the selection, then scores what they leave open.
  Result<std::vector<RowHit>> ScanCodes(const Context& context, std::span<const float> query, size_t limit,
                                        const RowSelection& selection, float score_min) const {
    ShortQuery coded = short_.Code(query);
    std::vector<BoundedRow> open;
    TopHits lower(limit);
    float threshold = score_min;
    const Status scanned = ForSelected(context, selection, [&](std::span<const uint32_t> rows) -> Status {
      float estimates[kScannedAtOnce];
      short_.Estimate(coded, rows, estimates);
      for (size_t i = 0; i < rows.size(); ++i) {
        const float margin = short_.MarginOf(coded, rows[i]);
        if (!(estimates[i] + margin >= threshold)) continue;
        open.push_back({rows[i], estimates[i] - margin, estimates[i] + margin});
        lower.Offer({rows[i], estimates[i] - margin});
        if (lower.full()) threshold = std::max(threshold, lower.worst().score);
      }
      return Status();
    });
    RAGTIME_RETURN_IF_ERROR(scanned);
    return ScoreVectors(context, query, limit, std::move(open), score_min);
  }

  // The best `limit` of `rows` by exact score, for which it reads no more vectors than it must.
  Result<std::vector<RowHit>> ScoreVectors(const Context& context, std::span<const float> query, size_t limit,
                                           std::vector<BoundedRow> rows, float score_min) const {
    TopHits lower(limit);
    for (const BoundedRow& row : rows) lower.Offer({row.row, row.lower});
    const float threshold = lower.full() ? std::max(lower.worst().score, score_min) : score_min;
    std::erase_if(rows, [threshold](const BoundedRow& row) { return !(row.upper >= threshold); });
    std::sort(rows.begin(), rows.end(), [](const BoundedRow& a, const BoundedRow& b) {
      return a.upper > b.upper || (a.upper == b.upper && a.row < b.row);
    });
    TopHits top(limit);
    std::vector<uint32_t> some;
    std::vector<float> vectors;
    for (size_t i = 0; i < rows.size(); i += some.size()) {
      if (top.full() && rows[i].upper < top.worst().score) break;
      RAGTIME_RETURN_IF_ERROR(context.Check());
      some.clear();
      for (size_t j = i; j < std::min(rows.size(), i + kScoredAtOnce); ++j) some.push_back(rows[j].row);
      RAGTIME_RETURN_IF_ERROR(source_.ReadVectors(some, vectors));
      for (size_t j = 0; j < some.size(); ++j) {
        const float score = ExactScore(query, vectors.data() + j * query.size());
        if (!(score < score_min)) top.Offer({some[j], score});
      }
    }
    return top.Take();
  }

  const DiskannLayout layout_;
  const VectorMatrix vectors_;
  const uint32_t rows_;
  const Metric metric_;
  const DiskannParameters parameters_;
  const RecordSource source_;
  const ShortCodes short_;
  const DiskWalk walk_;
};

}  // namespace

DiskannIndexType::DiskannIndexType(const HnswParameters& graph, const DiskannParameters& parameters,
                                   const DiskannReading& reading)
    : graph_(graph),
      parameters_(parameters),
      reading_(reading),
      shared_(std::make_shared<DiskannShared>(reading.io_uring)) {
  shared_->cache.ChangeCapacity(static_cast<int64_t>(parameters.memory_bytes_max));
}

uint32_t DiskannIndexType::version() const { return kDiskannVersion; }

DiskannStatistics DiskannIndexType::statistics() const {
  return {.reads = shared_->reader.reads(),
          .cached_bytes = shared_->cache.size_bytes(),
          .io_uring = shared_->reader.uses_io_uring()};
}

Result<std::vector<std::byte>> DiskannIndexType::Build(const Context& context, VectorMatrix vectors,
                                                       Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, name()));
  DiskannHeader header = {};
  std::copy(std::begin(kDiskannMagic), std::end(kDiskannMagic), header.magic);
  header.version = kDiskannVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = vectors.rows;
  header.dimension = static_cast<uint32_t>(vectors.dimension);
  header.links = graph_.m;
  header.ef_construction = graph_.ef_construction;
  header.has_graph = vectors.rows >= kHnswGraphRowsMin ? 1 : 0;
  header.bits = reading_.bits != 0 ? reading_.bits : BitsFor(vectors.dimension);
  RAGTIME_ASSIGN_OR_RETURN(header.norm_max, CheckVectors(vectors));
  header.header_hash = HeaderHash(header);

  const DiskannLayout layout = DiskannLayout::Of(vectors.rows, vectors.dimension, header.links, header.bits);
  std::vector<std::byte> bytes(header.has_graph != 0 ? layout.size : sizeof(header));
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (header.has_graph == 0) return bytes;
  RAGTIME_RETURN_IF_ERROR(WriteDiskann(context, vectors, metric, header.norm_max, graph_, header.bits, layout, bytes));
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> DiskannIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                            Metric metric) const {
  return OpenInFile(bytes, vectors, metric, {});
}

Result<std::unique_ptr<VectorIndex>> DiskannIndexType::OpenInFile(std::span<const std::byte> bytes,
                                                                  VectorMatrix vectors, Metric metric,
                                                                  const IndexFile& where) const {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, name()));
  DiskannHeader header;
  if (bytes.size() < sizeof(header)) {
    return DataLossError(StrCat("the DISKANN index is truncated: ", bytes.size(), " bytes"), kRebuildRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kDiskannMagic), std::end(kDiskannMagic), header.magic)) {
    return DataLossError("the bytes are not a DISKANN index", kRebuildRemedy);
  }
  if (header.version > kDiskannVersion) {
    return FailedPreconditionError(StrCat("the DISKANN index was written by a newer version: format ", header.version,
                                          ", known ", kDiskannVersion),
                                   "Use a newer ragtime, or build the index again.");
  }
  if (header.version != kDiskannVersion || header.header_hash != HeaderHash(header) || header.links < kHnswLinksMin ||
      header.links > kHnswLinksMax || !ShortCodes::IsKnown(header.bits) ||
      header.has_graph != (header.rows >= kHnswGraphRowsMin ? 1 : 0)) {
    return DataLossError("the header of the DISKANN index is damaged", kRebuildRemedy);
  }
  if (header.rows != vectors.rows || header.dimension != vectors.dimension ||
      header.metric != static_cast<uint32_t>(metric)) {
    return DataLossError(StrCat("the DISKANN index belongs to other vectors: ", header.rows, " x ", header.dimension,
                                ", expected ", vectors.rows, " x ", vectors.dimension),
                         kRebuildRemedy);
  }
  const DiskannLayout layout = DiskannLayout::Of(vectors.rows, vectors.dimension, header.links, header.bits);
  const uint64_t size = header.has_graph != 0 ? layout.size : sizeof(header);
  if (bytes.size() != size) {
    return DataLossError(StrCat("the DISKANN index has a wrong size: ", bytes.size(), " bytes, expected ", size),
                         kRebuildRemedy);
  }
  if (header.has_graph == 0) return std::unique_ptr<VectorIndex>(new ScannedIndex(vectors, metric));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(ShortRow) != 0) {
    return InvalidArgumentError("the bytes of a DISKANN index must be aligned");
  }
  std::optional<DiskFile> file;
  int64_t room = 0;
  if (where.descriptor >= 0) {
    RAGTIME_ASSIGN_OR_RETURN(file, DiskFile::Open(where.descriptor, where.path, reading_.direct));
    // What the mapped part takes is taken from the cache.
    room = -static_cast<int64_t>(layout.resident);
    if (parameters_.memory_bytes_max == 0) {
      room += static_cast<int64_t>(vectors.rows * vectors.dimension * sizeof(float) / kMemoryShare);
    }
  }
  return std::unique_ptr<VectorIndex>(
      new DiskannIndex(bytes, layout, vectors, metric, header, parameters_, shared_, std::move(file), where, room));
}

}  // namespace ragtime
