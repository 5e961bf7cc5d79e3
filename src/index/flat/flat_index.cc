// SPDX-License-Identifier: Apache-2.0
#include "index/flat/flat_index.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/flat/flat_format.h"
#include "index/kernels/coded_rows.h"

namespace ragtime {
namespace {

constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";

uint64_t HeaderHash(const FlatHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(FlatHeader, header_hash)));
}

class FlatIndex final : public VectorIndex {
 public:
  // `bytes` hold what FlatLayout says, checked by Open.
  FlatIndex(std::span<const std::byte> bytes, VectorMatrix vectors, Metric metric, double norm_max)
      : vectors_(vectors), metric_(metric) {
    if (FlatLayout::CodeStride(vectors.rows, vectors.dimension) == 0) return;
    coded_.emplace(bytes, FlatLayout::Codes(vectors.rows, vectors.dimension), vectors, metric, norm_max);
  }

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection,
                                     const VectorSearchParameters& parameters) const override {
    RAGTIME_RETURN_IF_ERROR(CheckQuery(vectors_, query));
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (limit == 0) return std::vector<RowHit>();
    if (!coded_) return ScanExactly(context, vectors_, metric_, query, limit, selection);
    return coded_->Search(context, query, limit, selection, parameters.score_min);
  }

 private:
  const VectorMatrix vectors_;
  const Metric metric_;
  std::optional<CodedRows> coded_;
};

}  // namespace

uint32_t FlatIndexType::version() const { return kFlatVersion; }

Result<std::vector<std::byte>> FlatIndexType::Build(const Context& context, VectorMatrix vectors, Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, "FLAT"));
  FlatHeader header = {};
  std::copy(std::begin(kFlatMagic), std::end(kFlatMagic), header.magic);
  header.version = kFlatVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = vectors.rows;
  header.dimension = static_cast<uint32_t>(vectors.dimension);
  header.code_stride = FlatLayout::CodeStride(vectors.rows, vectors.dimension);
  RAGTIME_ASSIGN_OR_RETURN(header.norm_max, CheckVectors(vectors));
  header.header_hash = HeaderHash(header);

  std::vector<std::byte> bytes(FlatLayout::Size(vectors.rows, vectors.dimension));
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (header.code_stride > 0) {
    CodedRows::Write(vectors, metric, FlatLayout::Codes(vectors.rows, vectors.dimension), bytes);
  }
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> FlatIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                         Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors, "FLAT"));
  FlatHeader header;
  if (bytes.size() < sizeof(header)) {
    return DataLossError(StrCat("the FLAT index is truncated: ", bytes.size(), " bytes"), kRebuildRemedy);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (!std::equal(std::begin(kFlatMagic), std::end(kFlatMagic), header.magic)) {
    return DataLossError("the bytes are not a FLAT index", kRebuildRemedy);
  }
  if (header.version > kFlatVersion) {
    return FailedPreconditionError(
        StrCat("the FLAT index was written by a newer version: format ", header.version, ", known ", kFlatVersion),
        "Use a newer ragtime, or build the index again.");
  }
  if (header.version != kFlatVersion || header.header_hash != HeaderHash(header)) {
    return DataLossError("the header of the FLAT index is damaged", kRebuildRemedy);
  }
  if (header.rows != vectors.rows || header.dimension != vectors.dimension ||
      header.metric != static_cast<uint32_t>(metric)) {
    return DataLossError(StrCat("the FLAT index belongs to other vectors: ", header.rows, " x ", header.dimension,
                                ", expected ", vectors.rows, " x ", vectors.dimension),
                         kRebuildRemedy);
  }
  const uint64_t size = FlatLayout::Size(vectors.rows, vectors.dimension);
  if (bytes.size() != size || header.code_stride != FlatLayout::CodeStride(vectors.rows, vectors.dimension)) {
    return DataLossError(StrCat("the FLAT index has a wrong size: ", bytes.size(), " bytes, expected ", size),
                         kRebuildRemedy);
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(CodedRow) != 0) {
    return InvalidArgumentError("the bytes of a FLAT index must be aligned");
  }
  return std::unique_ptr<VectorIndex>(new FlatIndex(bytes, vectors, metric, header.norm_max));
}

}  // namespace ragtime
