// SPDX-License-Identifier: Apache-2.0
#include "index/ivf/ivf_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/ivf/ivf_builder.h"
#include "index/ivf/ivf_format.h"
#include "index/ivf/product_codes.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/selected_rows.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";
// What k-means needs for each centre to be worth something; Faiss warns below it.
constexpr uint64_t kRowsOfCentre = 39;
// Where nlist is left open: with fewer rows a scan of all is as fast (docs/formats/index-ivf.md).
constexpr uint64_t kIvfRowsMin = 8192;
constexpr std::array<std::string_view, 4> kNames = {"IVF_FLAT", "IVF_SQ8", "IVF_PQ", "PQ"};
constexpr size_t kBlockRows = CodedRows::kBatchRows;

uint64_t HeaderHash(const IvfHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(IvfHeader, header_hash)));
}

bool HasLists(IvfKind kind) { return kind != IvfKind::kPq; }
bool HasProducts(IvfKind kind) { return kind == IvfKind::kIvfPq || kind == IvfKind::kPq; }

// What Open needs to be sure of before it takes sizes from the header.
bool IsPossible(const IvfHeader& header, IvfKind kind) {
  if (header.kind != static_cast<uint32_t>(kind) || header.trained > 1) return false;
  if (header.trained == 0) return header.lists == 0 && header.parts == 0 && header.bits == 0;
  if (HasLists(kind) ? header.lists == 0 || header.lists > kIvfListsMax : header.lists != 0) return false;
  if (!HasProducts(kind)) return header.parts == 0 && header.bits == 0;
  return (header.bits == 4 || header.bits == 8) && header.parts > 0 && header.parts <= header.dimension &&
         ProductShape::Of(header.dimension, header.parts, header.bits).parts == header.parts;
}

class IvfIndex final : public VectorIndex {
 public:
  // `bytes` hold what IvfLayout says of `header`, checked by Open.
  IvfIndex(std::span<const std::byte> bytes, const IvfHeader& header, VectorMatrix vectors, Metric metric,
           const IvfParameters& parameters)
      : bytes_(bytes),
        layout_(IvfLayout::Of(header)),
        header_(header),
        vectors_(vectors),
        metric_(metric),
        parameters_(parameters) {
    if (layout_.codes.size > 0) coded_.emplace(bytes, layout_.codes, vectors, metric, header.norm_max);
    if (header.parts > 0) {
      products_.emplace(bytes, layout_, ProductShape::Of(header.dimension, header.parts, header.bits),
                        metric == Metric::kL2);
    }
  }

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& parameters) const override {
    RAGTIME_RETURN_IF_ERROR(CheckQuery(vectors_, query));
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (limit == 0) return std::vector<RowHit>();
    const uint64_t selected = CountSelected(vectors_.rows, selection);
    const uint64_t nprobe = std::min<uint64_t>(parameters.nprobe > 0 ? parameters.nprobe : parameters_.nprobe,
                                               std::max<uint64_t>(header_.lists, 1));
    const uint64_t refine_k = parameters.refine_k > 0 ? parameters.refine_k : parameters_.refine_k;
    // So many rows are scored exactly in the end, unless bounds say which need it.
    const uint64_t kept = products_ ? std::min<uint64_t>(limit, vectors_.rows) * refine_k : limit;
    // So many selected rows are looked at: as many as nprobe lists have, where nothing is excluded.
    const uint64_t wanted = std::max(header_.lists == 0 ? 0 : nprobe * vectors_.rows / header_.lists, kept);
    if (selected <= wanted) {
      if (coded_) return coded_->Search(context, query, limit, selection, parameters.score_min);
      return ScanExactly(context, vectors_, metric_, query, limit, selection);
    }
    if (products_) {
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<uint32_t> rows,
                               BestByProducts(context, query, kept, nprobe, wanted, selection.excluded));
      return ScanExactly(context, vectors_, metric_, query, limit, {{}, rows});
    }
    std::vector<uint32_t> rows;
    rows.reserve(wanted + wanted / 2);
    RAGTIME_RETURN_IF_ERROR(ForEachList(query, nprobe, [&](uint32_t /*list*/, std::span<const uint32_t> listed) {
      for (const uint32_t row : listed) {
        if (row >= vectors_.rows) return Result<bool>(Damaged());
        if (!selection.excluded.Contains(row)) rows.push_back(row);
      }
      return Result<bool>(rows.size() >= wanted);
    }));
    if (coded_) return coded_->Search(context, query, limit, {{}, rows}, parameters.score_min);
    return ScanExactly(context, vectors_, metric_, query, limit, {{}, rows});
  }

 private:
  template <typename T>
  const T* At(uint64_t offset) const {
    return reinterpret_cast<const T*>(bytes_.data() + offset);
  }
  static Status Damaged() {
    return DataLossError("a list of the IVF index names a row that it does not have", kRebuildRemedy);
  }
  std::span<const float> Centre(uint32_t list) const {
    return {At<float>(layout_.centres) + size_t{list} * vectors_.dimension, vectors_.dimension};
  }

  // The lists by the scores of their centres, the best `count`.
  std::vector<RowHit> Nearest(std::span<const float> query, size_t count) const {
    const Kernels& kernels = BestKernels();
    TopHits top(count);
    for (uint32_t list = 0; list < header_.lists; ++list) {
      const float* const centre = Centre(list).data();
      top.Offer({list, metric_ == Metric::kL2 ? -kernels.l2_squared(query.data(), centre, query.size())
                                              : kernels.dot(query.data(), centre, query.size())});
    }
    return top.Take();
  }

  // The nearest nprobe lists, and then on until `use` has enough. use(list, rows) returns whether it has.
  template <typename Use>
  Status ForEachList(std::span<const float> query, size_t nprobe, const Use& use) const {
    const uint32_t* const starts = At<uint32_t>(layout_.starts);
    std::vector<RowHit> lists = Nearest(query, nprobe);
    for (size_t i = 0; i < header_.lists; ++i) {
      if (i == nprobe) lists = Nearest(query, header_.lists);
      const uint32_t list = lists[i].row;
      const uint32_t start = starts[list];
      const uint32_t end = starts[list + 1];
      if (start > end || end > vectors_.rows) return Damaged();
      RAGTIME_ASSIGN_OR_RETURN(const bool enough,
                               use(list, std::span(At<uint32_t>(layout_.rows) + start, end - start)));
      if (enough && i + 1 >= nprobe) break;
    }
    return Status();
  }

  // The best `kept` rows by their codes.
  Result<std::vector<uint32_t>> BestByProducts(const Context& context, std::span<const float> query, uint64_t kept,
                                               size_t nprobe, uint64_t wanted, RowBitmap excluded) const {
    const std::vector<float> table = products_->Table(query);
    const bool all = excluded.words.empty();
    TopHits top(kept);
    std::array<uint32_t, kBlockRows> rows;
    std::array<uint32_t, kBlockRows> places;
    std::array<float, kBlockRows> estimates;
    uint64_t met = 0;
    // rows_of is null where a row's place is its number.
    const auto scan = [&](uint32_t start, uint32_t end, const uint32_t* rows_of, float centre_score) {
      while (start < end) {
        RAGTIME_RETURN_IF_ERROR(context.Check());
        size_t count = 0;
        for (; start < end && count < kBlockRows; ++start) {
          const uint32_t row = rows_of == nullptr ? start : rows_of[start];
          if (row >= vectors_.rows) return Damaged();
          if (!all && excluded.Contains(row)) continue;
          rows[count] = row;
          places[count++] = start;
        }
        products_->Estimate(table, {places.data(), count}, estimates.data());
        for (size_t i = 0; i < count; ++i) top.Offer({rows[i], estimates[i] + centre_score});
        met += count;
      }
      return Status();
    };
    if (header_.lists == 0) {
      RAGTIME_RETURN_IF_ERROR(scan(0, static_cast<uint32_t>(vectors_.rows), nullptr, 0));
    } else {
      const uint32_t* const all_rows = At<uint32_t>(layout_.rows);
      RAGTIME_RETURN_IF_ERROR(ForEachList(query, nprobe, [&](uint32_t list, std::span<const uint32_t> listed) {
        const auto start = static_cast<uint32_t>(listed.data() - all_rows);
        const float product = Dot(query.data(), Centre(list).data(), query.size());
        const Status status = scan(start, start + static_cast<uint32_t>(listed.size()), all_rows,
                                   metric_ == Metric::kL2 ? 2 * product : product);
        return status.ok() ? Result<bool>(met >= wanted) : Result<bool>(status);
      }));
    }
    std::vector<uint32_t> best;
    for (const RowHit& hit : top.Take()) best.push_back(hit.row);
    return best;
  }

  const std::span<const std::byte> bytes_;
  const IvfLayout layout_;
  const IvfHeader header_;
  const VectorMatrix vectors_;
  const Metric metric_;
  const IvfParameters parameters_;
  std::optional<CodedRows> coded_;
  std::optional<ProductCodes> products_;
};

}  // namespace

std::string_view IvfIndexType::name() const { return kNames[static_cast<size_t>(kind_)]; }

uint32_t IvfIndexType::version() const { return kIvfVersion; }

uint64_t IvfIndexType::rows_min() const {
  uint64_t rows = 0;
  if (HasLists(kind_)) rows = parameters_.nlist == 0 ? kIvfRowsMin : kRowsOfCentre * parameters_.nlist;
  if (HasProducts(kind_)) rows = std::max(rows, kRowsOfCentre << parameters_.nbits);
  return rows;
}

uint32_t IvfIndexType::ListsFor(uint64_t rows) const {
  if (!HasLists(kind_)) return 0;
  if (parameters_.nlist > 0) return parameters_.nlist;
  const auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(rows)));
  return static_cast<uint32_t>(std::min<uint64_t>({4 * root, rows / kRowsOfCentre, kIvfListsMax}));
}

Result<std::vector<std::byte>> IvfIndexType::Build(const Context& context, VectorMatrix vectors, Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, name()));
  IvfHeader header = {};
  std::copy(std::begin(kIvfMagic), std::end(kIvfMagic), header.magic);
  header.version = kIvfVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = vectors.rows;
  header.dimension = static_cast<uint32_t>(vectors.dimension);
  header.kind = static_cast<uint32_t>(kind_);
  header.trained = vectors.rows >= rows_min() ? 1 : 0;
  if (header.trained != 0) {
    header.lists = ListsFor(vectors.rows);
    if (HasProducts(kind_)) {
      const uint64_t parts = parameters_.m > 0 ? parameters_.m : (vectors.dimension + 3) / 4;
      header.parts = ProductShape::Of(vectors.dimension, parts, parameters_.nbits).parts;
      header.bits = parameters_.nbits;
    }
  }
  RAGTIME_ASSIGN_OR_RETURN(header.norm_max, CheckVectors(vectors));
  header.header_hash = HeaderHash(header);

  std::vector<std::byte> bytes(header.trained != 0 ? IvfLayout::Of(header).size : sizeof(header));
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (header.trained != 0) {
    RAGTIME_RETURN_IF_ERROR(FillIvf(context, vectors, metric, header, parameters_.threads, bytes));
  }
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> IvfIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                        Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, name()));
  IvfHeader header;
  if (bytes.size() < sizeof(header)) {
    return DataLossError(StrCat("the ", name(), " index is truncated: ", bytes.size(), " bytes"), kRebuildRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kIvfMagic), std::end(kIvfMagic), header.magic)) {
    return DataLossError(StrCat("the bytes are not an index of type ", name()), kRebuildRemedy);
  }
  if (header.version > kIvfVersion) {
    return FailedPreconditionError(StrCat("the ", name(), " index was written by a newer version: format ",
                                          header.version, ", known ", kIvfVersion),
                                   "Use a newer ragtime, or build the index again.");
  }
  if (header.version != kIvfVersion || header.header_hash != HeaderHash(header) || !IsPossible(header, kind_)) {
    return DataLossError(StrCat("the header of the ", name(), " index is damaged"), kRebuildRemedy);
  }
  if (header.rows != vectors.rows || header.dimension != vectors.dimension ||
      header.metric != static_cast<uint32_t>(metric)) {
    return DataLossError(StrCat("the ", name(), " index belongs to other vectors: ", header.rows, " x ",
                                header.dimension, ", expected ", vectors.rows, " x ", vectors.dimension),
                         kRebuildRemedy);
  }
  const uint64_t size = header.trained != 0 ? IvfLayout::Of(header).size : sizeof(header);
  if (bytes.size() != size) {
    return DataLossError(StrCat("the ", name(), " index has a wrong size: ", bytes.size(), " bytes, expected ", size),
                         kRebuildRemedy);
  }
  if (header.trained == 0) return std::unique_ptr<VectorIndex>(new ScannedIndex(vectors, metric));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(CodedRow) != 0) {
    return InvalidArgumentError(StrCat("the bytes of an ", name(), " index must be aligned"));
  }
  return std::unique_ptr<VectorIndex>(new IvfIndex(bytes, header, vectors, metric, parameters_));
}

}  // namespace ragtime
