// SPDX-License-Identifier: Apache-2.0
#include "index/flat/flat_index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "index/flat/flat_format.h"
#include "index/kernels/kernels.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

// Longer vectors would overflow the square of a distance in float.
constexpr double kNormMax = 1e15;
constexpr size_t kBlockRows =
    1024;  // One row of 384 codes takes about 12 ns, so that the context is asked every 12 us.
constexpr char kRebuildRemedy[] = "Build the index again from the vectors.";

double Norm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * value;
  return std::sqrt(sum);
}

// Not below `value`, as a float. The margin covers the rounding of the double sums behind it.
float RoundUp(double value) {
  return std::nextafter(static_cast<float>(value * (1 + 1e-9)), std::numeric_limits<float>::infinity());
}

uint64_t HeaderHash(const FlatHeader& header) {
  return Hash64(std::as_bytes(std::span(&header, 1)).first(offsetof(FlatHeader, header_hash)));
}

float ExactScore(const Kernels& kernels, Metric metric, std::span<const float> query, std::span<const float> row) {
  if (metric == Metric::kL2) return -kernels.l2_squared(query.data(), row.data(), query.size());
  return kernels.dot(query.data(), row.data(), query.size());
}

Status CheckShape(VectorMatrix vectors) {
  if (vectors.rows > std::numeric_limits<uint32_t>::max()) {
    return InvalidArgumentError(StrCat("a FLAT index cannot number that many rows: ", vectors.rows));
  }
  if (vectors.dimension == 0 || vectors.dimension > kCodesMax) {
    return InvalidArgumentError(
        StrCat("the dimension of a FLAT index must be from 1 to ", kCodesMax, ": ", vectors.dimension));
  }
  return Status();
}

// The mean of the rows. What lies between the rows and their mean is what codes can tell apart: texts of one language
// or subject have vectors that share most of their length.
std::vector<float> Mean(VectorMatrix vectors) {
  std::vector<double> sums(vectors.dimension);
  for (size_t r = 0; r < vectors.rows; ++r) {
    const float* row = vectors.data + r * vectors.dimension;
    for (size_t i = 0; i < vectors.dimension; ++i) sums[i] += row[i];
  }
  std::vector<float> mean(vectors.dimension);
  for (size_t i = 0; i < vectors.dimension; ++i)
    mean[i] = static_cast<float>(sums[i] / static_cast<double>(vectors.rows));
  return mean;
}

// Codes one row and computes, in double, what bounds the error of the codes.
FlatRow CodeRow(const float* row, const std::vector<float>& mean, Metric metric, uint32_t stride, int8_t* codes,
                std::vector<float>& scratch) {
  const size_t n = mean.size();
  for (size_t i = 0; i < n; ++i) scratch[i] = row[i] - mean[i];
  FlatRow result;
  result.scale = QuantizeCodes(scratch.data(), n, stride, codes);
  double error = 0;
  double code_norm = 0;
  double centre = 0;
  double square = 0;
  for (size_t i = 0; i < n; ++i) {
    // Not scratch[i], which is rounded.
    const double difference = double{row[i]} - mean[i];
    const double coded = double{result.scale} * codes[i];
    error += (difference - coded) * (difference - coded);
    code_norm += coded * coded;
    centre += double{mean[i]} * difference;
    square += difference * difference;
  }
  result.error = RoundUp(std::sqrt(error));
  result.code_norm = RoundUp(std::sqrt(code_norm));
  result.offset = static_cast<float>(metric == Metric::kL2 ? -square : centre);
  return result;
}

// A question in the terms of the first pass: for every row
//   |exact score - (offset + query_offset + factor * scale * <codes, row's codes>)| <= norm * error + code_error *
//   code_norm + slack.
struct CodedQuery {
  std::vector<int8_t> codes;
  float query_offset = 0;
  float factor = 0;
  float norm = 0;
  float code_error = 0;
  float slack = 0;
};

CodedQuery CodeQuery(std::span<const float> query, const float* mean, Metric metric, uint32_t stride, double norm_max) {
  const size_t n = query.size();
  CodedQuery coded;
  coded.codes.resize(stride);
  std::vector<float> centred(n);
  for (size_t i = 0; i < n; ++i) centred[i] = query[i] - mean[i];
  const float scale = QuantizeCodes(centred.data(), n, stride, coded.codes.data());
  double norm = 0;
  double error = 0;
  double centre = 0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = double{query[i]} - mean[i];
    const double rest = difference - double{scale} * coded.codes[i];
    norm += difference * difference;
    error += rest * rest;
    centre += double{query[i]} * mean[i];
  }
  // score = <q, m> + <m, x - m> + <q - m, x - m>, or -|q - m|^2 - |x - m|^2 + 2 <q - m, x - m>.
  const bool l2 = metric == Metric::kL2;
  const float weight = l2 ? 2.0f : 1.0f;
  coded.query_offset = static_cast<float>(l2 ? -norm : centre);
  coded.factor = weight * scale;
  coded.norm = RoundUp(weight * std::sqrt(norm));
  coded.code_error = RoundUp(weight * std::sqrt(error));
  // What rounding can do to the exact score, the estimate and the bound together: docs/formats/index-flat.md counts it.
  const double reach = Norm(query) + norm_max;
  coded.slack = RoundUp(reach * reach * (static_cast<double>(n) / 64 + 320) * 0x1p-24 + 1e-30);
  return coded;
}

struct Candidate {
  uint32_t row;
  float upper;  // No exact score of the row is larger.
};

class FlatIndex final : public VectorIndex {
 public:
  // `bytes` hold what FlatLayout says, checked by Open.
  FlatIndex(std::span<const std::byte> bytes, VectorMatrix vectors, Metric metric, double norm_max)
      : vectors_(vectors),
        metric_(metric),
        norm_max_(norm_max),
        stride_(FlatLayout::CodeStride(vectors.rows, vectors.dimension)) {
    const FlatLayout layout = FlatLayout::Of(vectors.rows, vectors.dimension);
    mean_ = reinterpret_cast<const float*>(bytes.data() + layout.mean);
    rows_ = reinterpret_cast<const FlatRow*>(bytes.data() + layout.rows);
    codes_ = reinterpret_cast<const int8_t*>(bytes.data() + layout.codes);
  }

  Result<std::vector<RowHit>> Search(const Context& context, std::span<const float> query, size_t limit,
                                     const RowSelection& selection) const override {
    if (query.size() != vectors_.dimension) {
      return InvalidArgumentError(StrCat("the query vector has another dimension than the index: ", query.size(),
                                         ", index ", vectors_.dimension),
                                  "Embed the question with the model that the knowledge base was made with.");
    }
    if (!(Norm(query) <= kNormMax)) return InvalidArgumentError("the query vector is not finite, or longer than 1e15");
    RAGTIME_RETURN_IF_ERROR(context.Check());
    if (limit == 0) return std::vector<RowHit>();
    if (selection.listed) return ScoreListed(context, query, limit, *selection.listed);
    const RowBitmap excluded = selection.excluded;
    // Where a large part of the rows is wanted, the bounds would leave most of them in.
    if (stride_ == 0 || limit >= vectors_.rows / 4) return ScanExactly(context, query, limit, excluded);
    const CodedQuery coded = CodeQuery(query, mean_, metric_, stride_, norm_max_);
    RAGTIME_ASSIGN_OR_RETURN(std::vector<Candidate> candidates, ScanCodes(context, coded, limit, excluded));
    return ScoreExactly(context, query, limit, std::move(candidates));
  }

 private:
  Result<std::vector<RowHit>> ScanExactly(const Context& context, std::span<const float> query, size_t limit,
                                          RowBitmap excluded) const {
    const Kernels& kernels = BestKernels();
    TopHits top(limit);
    for (size_t r = 0; r < vectors_.rows; ++r) {
      if (r % kBlockRows == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      const auto row = static_cast<uint32_t>(r);
      if (!excluded.Contains(row)) top.Offer({row, ExactScore(kernels, metric_, query, vectors_.row(r))});
    }
    return top.Take();
  }

  Result<std::vector<RowHit>> ScoreListed(const Context& context, std::span<const float> query, size_t limit,
                                          std::span<const uint32_t> rows) const {
    const Kernels& kernels = BestKernels();
    TopHits top(limit);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i % kBlockRows == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      if (rows[i] >= vectors_.rows) return InvalidArgumentError(StrCat("the FLAT index has no row ", rows[i]));
      top.Offer({rows[i], ExactScore(kernels, metric_, query, vectors_.row(rows[i]))});
    }
    return top.Take();
  }

  // All rows that can be among the best `limit`: at least `limit` rows have an exact score that no other row's reaches.
  Result<std::vector<Candidate>> ScanCodes(const Context& context, const CodedQuery& query, size_t limit,
                                           RowBitmap excluded) const {
    const Kernels& kernels = BestKernels();
    std::vector<Candidate> candidates;
    TopHits lower_bounds(limit);
    float threshold = -std::numeric_limits<float>::infinity();
    int32_t products[kBlockRows];
    float estimates[kBlockRows];
    float bounds[kBlockRows];
    for (size_t start = 0; start < vectors_.rows; start += kBlockRows) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      const size_t count = std::min(kBlockRows, vectors_.rows - start);
      kernels.dot_codes(query.codes.data(), codes_ + start * stride_, stride_, count, products);
      const FlatRow* rows = rows_ + start;
      for (size_t i = 0; i < count; ++i) {
        estimates[i] =
            rows[i].offset + query.query_offset + query.factor * rows[i].scale * static_cast<float>(products[i]);
        bounds[i] = query.norm * rows[i].error + query.code_error * rows[i].code_norm + query.slack;
      }
      for (size_t i = 0; i < count; ++i) {
        const float upper = estimates[i] + bounds[i];
        if (!(upper >= threshold)) continue;
        const auto row = static_cast<uint32_t>(start + i);
        if (excluded.Contains(row)) continue;
        candidates.push_back({row, upper});
        lower_bounds.Offer({row, estimates[i] - bounds[i]});
        if (lower_bounds.full()) threshold = lower_bounds.worst().score;
      }
    }
    std::erase_if(candidates, [threshold](const Candidate& candidate) { return candidate.upper < threshold; });
    return candidates;
  }

  Result<std::vector<RowHit>> ScoreExactly(const Context& context, std::span<const float> query, size_t limit,
                                           std::vector<Candidate> candidates) const {
    // The most promising first: their scores soon rule out the rest, whose vectors then need not be read.
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.upper > b.upper || (a.upper == b.upper && a.row < b.row);
    });
    const Kernels& kernels = BestKernels();
    TopHits top(limit);
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (top.full() && candidates[i].upper < top.worst().score) break;
      if (i % kBlockRows == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
      const uint32_t row = candidates[i].row;
      top.Offer({row, ExactScore(kernels, metric_, query, vectors_.row(row))});
    }
    return top.Take();
  }

  const VectorMatrix vectors_;
  const Metric metric_;
  const double norm_max_;
  const uint32_t stride_;
  const float* mean_;
  const FlatRow* rows_;
  const int8_t* codes_;
};

}  // namespace

uint32_t FlatIndexType::version() const { return kFlatVersion; }

Result<std::vector<std::byte>> FlatIndexType::Build(VectorMatrix vectors, Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors));
  FlatHeader header = {};
  std::copy(std::begin(kFlatMagic), std::end(kFlatMagic), header.magic);
  header.version = kFlatVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = vectors.rows;
  header.dimension = static_cast<uint32_t>(vectors.dimension);
  header.code_stride = FlatLayout::CodeStride(vectors.rows, vectors.dimension);
  for (size_t r = 0; r < vectors.rows; ++r) {
    const double norm = Norm(vectors.row(r));
    if (!(norm <= kNormMax)) {
      return InvalidArgumentError(StrCat("a vector is not finite, or longer than 1e15: row ", r),
                                  "Check the embedding model: it must return finite numbers.");
    }
    header.norm_max = std::max(header.norm_max, norm * (1 + 1e-9));
  }
  header.header_hash = HeaderHash(header);

  const FlatLayout layout = FlatLayout::Of(vectors.rows, vectors.dimension);
  std::vector<std::byte> bytes(layout.size);
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (header.code_stride == 0) return bytes;
  const std::vector<float> mean = Mean(vectors);
  std::memcpy(bytes.data() + layout.mean, mean.data(), mean.size() * sizeof(float));
  std::vector<float> scratch(vectors.dimension);
  for (size_t r = 0; r < vectors.rows; ++r) {
    auto* codes = reinterpret_cast<int8_t*>(bytes.data() + layout.codes + r * header.code_stride);
    const FlatRow row = CodeRow(vectors.row(r).data(), mean, metric, header.code_stride, codes, scratch);
    std::memcpy(bytes.data() + layout.rows + r * sizeof(row), &row, sizeof(row));
  }
  return bytes;
}

Result<std::unique_ptr<VectorIndex>> FlatIndexType::Open(std::span<const std::byte> bytes, VectorMatrix vectors,
                                                         Metric metric) const {
  RAGTIME_RETURN_IF_ERROR(CheckShape(vectors));
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
  const uint64_t size = FlatLayout::Of(vectors.rows, vectors.dimension).size;
  if (bytes.size() != size || header.code_stride != FlatLayout::CodeStride(vectors.rows, vectors.dimension)) {
    return DataLossError(StrCat("the FLAT index has a wrong size: ", bytes.size(), " bytes, expected ", size),
                         kRebuildRemedy);
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(FlatRow) != 0) {
    return InvalidArgumentError("the bytes of a FLAT index must be aligned");
  }
  return std::unique_ptr<VectorIndex>(new FlatIndex(bytes, vectors, metric, header.norm_max));
}

}  // namespace ragtime
