// SPDX-License-Identifier: Apache-2.0
#include "index/kernels/coded_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/files.h"
#include "base/str_cat.h"
#include "index/kernels/selected_rows.h"
#include "index/kernels/top_hits.h"

namespace ragtime {
namespace {

// Longer vectors would overflow the square of a distance in float.
constexpr double kNormMax = 1e15;
// One row of 384 codes takes about 12 ns, so that the context is asked every 12 us.
constexpr size_t kBlockRows = CodedRows::kBatchRows;
// So few listed rows are scored from their vectors at once.
constexpr size_t kExactRows = 64;
// Hardly any estimate by codes of 4 bits is further off than so many deviations.
constexpr double kDeviations = 4;

double Norm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * value;
  return std::sqrt(sum);
}

// Not below `value`, as a float. The margin covers the rounding of the double sums behind it.
float RoundUp(double value) {
  return std::nextafter(static_cast<float>(value * (1 + 1e-9)), std::numeric_limits<float>::infinity());
}

float ExactScore(const Kernels& kernels, Metric metric, std::span<const float> query, std::span<const float> row) {
  if (metric == Metric::kL2) return -kernels.l2_squared(query.data(), row.data(), query.size());
  return kernels.dot(query.data(), row.data(), query.size());
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

// Codes rows one after the other, and computes, in double, what bounds the error of their codes.
class RowCoder {
 public:
  RowCoder(const std::vector<float>& mean, Metric metric, uint32_t bits)
      : mean_(mean),
        metric_(metric),
        code_count_(CodedLayout::CodeStride(mean.size(), bits)),
        values_(mean.size()),
        levels_(mean.size()) {
    if (bits == 4) rotation_.emplace(mean.size());
  }

  CodedRow Code(const float* row, std::byte* codes) {
    const size_t n = mean_.size();
    for (size_t i = 0; i < n; ++i) values_[i] = row[i] - mean_[i];
    CodedRow result;
    if (rotation_) {
      rotation_->Apply(values_);
      result.scale = QuantizeHalfCodes(values_, code_count_, reinterpret_cast<uint8_t*>(codes), levels_);
    } else {
      result.scale = QuantizeCodes(values_.data(), n, code_count_, reinterpret_cast<int8_t*>(codes));
    }
    double error = 0;
    double code_norm = 0;
    double centre = 0;
    double square = 0;
    for (size_t i = 0; i < n; ++i) {
      const double difference = double{row[i]} - mean_[i];
      const int code = rotation_ ? 2 * levels_[i] - kHalfCodeMax : reinterpret_cast<const int8_t*>(codes)[i];
      const double coded = double{result.scale} * code;
      // Without a rotation not values_[i], which is rounded.
      const double value = rotation_ ? double{values_[i]} : difference;
      error += (value - coded) * (value - coded);
      code_norm += coded * coded;
      centre += double{mean_[i]} * difference;
      square += difference * difference;
    }
    result.error = RoundUp(std::sqrt(error));
    result.code_norm = RoundUp(std::sqrt(code_norm));
    result.offset = static_cast<float>(metric_ == Metric::kL2 ? -square : centre);
    return result;
  }

 private:
  const std::vector<float>& mean_;
  const Metric metric_;
  const uint32_t code_count_;
  std::vector<float> values_;
  std::vector<uint8_t> levels_;
  std::optional<Rotation> rotation_;
};

// The rows that can still be among the best, as they are met.
class Candidates {
 public:
  Candidates(size_t limit, float score_min) : lower_bounds_(limit), threshold_(score_min) {}

  void Offer(uint32_t row, float estimate, float bound) {
    const float upper = estimate + bound;
    if (!(upper >= threshold_)) return;
    candidates_.push_back({row, upper});
    lower_bounds_.Offer({row, estimate - bound});
    if (lower_bounds_.full()) threshold_ = std::max(threshold_, lower_bounds_.worst().score);
  }

  float threshold() const { return threshold_; }
  std::vector<Candidate> Take() {
    std::erase_if(candidates_, [this](const Candidate& candidate) { return candidate.upper < threshold_; });
    return std::move(candidates_);
  }

 private:
  std::vector<Candidate> candidates_;
  TopHits lower_bounds_;
  float threshold_;
};

// Of the rows from `start` on, a multiple of 64, those that are not excluded.
uint64_t CountIncluded(RowBitmap excluded, size_t start, size_t count) {
  return CountSelected(count, RowBitmap{excluded.words.subspan(std::min(start / 64, excluded.words.size()))});
}

// Lists those rows and returns how many they are.
size_t ListIncluded(RowBitmap excluded, size_t start, size_t count, uint32_t* listed) {
  size_t found = 0;
  for (size_t first = start; first < start + count; first += 64) {
    uint64_t bits = first / 64 < excluded.words.size() ? ~excluded.words[first / 64] : ~uint64_t{0};
    const size_t left = start + count - first;
    if (left < 64) bits &= (uint64_t{1} << left) - 1;
    for (; bits != 0; bits &= bits - 1) {
      listed[found++] = static_cast<uint32_t>(first) + static_cast<uint32_t>(std::countr_zero(bits));
    }
  }
  return found;
}

}  // namespace

void CodedRows::Write(VectorMatrix vectors, Metric metric, const CodedLayout& layout, std::span<std::byte> bytes) {
  const std::vector<float> mean = Mean(vectors);
  std::memcpy(bytes.data() + layout.mean, mean.data(), mean.size() * sizeof(float));
  const size_t stride = size_t{CodedLayout::CodeStride(vectors.dimension, layout.bits)} * layout.bits / 8;
  RowCoder coder(mean, metric, layout.bits);
  for (size_t r = 0; r < vectors.rows; ++r) {
    const CodedRow row = coder.Code(vectors.row(r).data(), bytes.data() + layout.codes + r * stride);
    std::memcpy(bytes.data() + layout.rows + r * sizeof(row), &row, sizeof(row));
  }
}

CodedQuery CodeQuery(std::span<const float> query, std::span<const float> mean, Metric metric, double norm_max,
                     const Rotation* rotation) {
  const size_t n = query.size();
  const uint32_t stride = CodedLayout::CodeStride(n, rotation == nullptr ? 8 : 4);
  CodedQuery coded;
  coded.codes.resize(stride);
  std::vector<float> centred(n);
  for (size_t i = 0; i < n; ++i) centred[i] = query[i] - mean[i];
  if (rotation != nullptr) rotation->Apply(centred);
  const float scale = QuantizeCodes(centred.data(), n, stride, coded.codes.data());
  double norm = 0;
  double error = 0;
  double centre = 0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = double{query[i]} - mean[i];
    const double value = rotation == nullptr ? difference : double{centred[i]};
    const double rest = value - double{scale} * coded.codes[i];
    norm += difference * difference;
    error += rest * rest;
    centre += double{query[i]} * mean[i];
  }
  // score = <q, m> + <m, x - m> + <q - m, x - m>, or -|q - m|^2 - |x - m|^2 + 2 <q - m, x - m>.
  const bool l2 = metric == Metric::kL2;
  const float weight = l2 ? 2.0f : 1.0f;
  coded.query_offset = static_cast<float>(l2 ? -norm : centre);
  coded.factor = weight * scale;
  // What codes of 4 bits lose points anywhere, as the rotation does, so that another vector has a part of it with a
  // deviation of 1 / sqrt(n).
  const double share = rotation == nullptr ? 1 : std::min(1.0, kDeviations / std::sqrt(static_cast<double>(n)));
  coded.norm = RoundUp(share * weight * std::sqrt(norm));
  coded.code_error = RoundUp(share * weight * std::sqrt(error));
  // What rounding can do to the exact score, the estimate and the bound together: docs/formats/index-flat.md counts it.
  const double reach = Norm(query) + norm_max;
  coded.slack = RoundUp(reach * reach * (static_cast<double>(n) / 64 + 320) * 0x1p-24 + 1e-30);
  return coded;
}

void CodedRows::ReadCodesSoon(uint32_t r) const {
  ReadSoon(std::as_bytes(std::span(rows_ + r, 1)));
  ReadSoon(std::as_bytes(std::span(codes(r), stride_)));
}

void CodedRows::Products(const CodedQuery& query, uint32_t first, size_t count, int32_t* products) const {
  const int8_t* of_query = query.codes.data();
  if (bits_ == 4) {
    const auto* rows = reinterpret_cast<const uint8_t*>(codes(first));
    BestHalfCodeKernels().dot(of_query, rows, code_count_, count, products);
  } else {
    BestKernels().dot_codes(of_query, codes(first), code_count_, count, products);
  }
}

void CodedRows::Products(const CodedQuery& query, std::span<const uint32_t> rows, int32_t* products) const {
  const int8_t* of_query = query.codes.data();
  if (bits_ == 4) {
    const auto* codes = reinterpret_cast<const uint8_t*>(codes_);
    BestHalfCodeKernels().dot_listed(of_query, codes, code_count_, rows.data(), rows.size(), products);
  } else {
    BestKernels().dot_listed_codes(of_query, codes_, code_count_, rows.data(), rows.size(), products);
  }
}

void CodedRows::Estimate(const CodedQuery& query, std::span<const uint32_t> rows, float* estimates) const {
  int32_t products[kBatchRows];
  for (const uint32_t row : rows) __builtin_prefetch(rows_ + row);
  Products(query, rows, products);
  for (size_t i = 0; i < rows.size(); ++i) {
    const CodedRow& row = rows_[rows[i]];
    estimates[i] = EstimateOf(query, row, products[i]);
  }
}

Result<std::vector<RowHit>> CodedRows::Search(const Context& context, std::span<const float> query, size_t limit,
                                              const RowSelection& selection, float score_min) const {
  const size_t count = selection.listed ? selection.listed->size() : vectors_.rows;
  // Where a large part of the rows is wanted, the bounds would leave most of them in.
  if ((selection.listed && count <= kExactRows) || limit >= count / 4) {
    return ScanExactly(context, vectors_, metric_, query, limit, selection);
  }
  RAGTIME_ASSIGN_OR_RETURN(std::vector<Candidate> candidates, Scan(context, Code(query), limit, selection, score_min));
  return ScoreExactly(context, query, limit, std::move(candidates), score_min);
}

Result<std::vector<Candidate>> CodedRows::Scan(const Context& context, const CodedQuery& query, size_t limit,
                                               const RowSelection& selection, float score_min) const {
  Candidates candidates(limit, score_min);
  float estimates[kBlockRows];
  if (selection.listed) {
    for (size_t start = 0; start < selection.listed->size(); start += kBlockRows) {
      RAGTIME_RETURN_IF_ERROR(context.Check());
      const auto rows = selection.listed->subspan(start, std::min(kBlockRows, selection.listed->size() - start));
      for (const uint32_t row : rows) {
        if (row >= vectors_.rows) return InvalidArgumentError(StrCat("the index has no row ", row));
      }
      Estimate(query, rows, estimates);
      for (size_t i = 0; i < rows.size(); ++i) candidates.Offer(rows[i], estimates[i], BoundOf(query, rows[i]));
    }
    return candidates.Take();
  }
  int32_t products[kBlockRows];
  float bounds[kBlockRows];
  const RowBitmap excluded = selection.excluded;
  // Of blocks that are not read whole; those of several blocks are scored together.
  static_assert(kBlockRows % 64 == 0);
  uint32_t listed[2 * kBlockRows];
  size_t waiting = 0;
  const auto score_listed = [&] {
    for (size_t i = 0; i < waiting; i += kBlockRows) {
      const std::span<const uint32_t> rows(listed + i, std::min(kBlockRows, waiting - i));
      Estimate(query, rows, estimates);
      for (size_t r = 0; r < rows.size(); ++r) candidates.Offer(rows[r], estimates[r], BoundOf(query, rows[r]));
    }
    waiting = 0;
  };
  for (size_t start = 0; start < vectors_.rows; start += kBlockRows) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    const size_t count = std::min(kBlockRows, vectors_.rows - start);
    const uint64_t included = CountIncluded(excluded, start, count);
    if (included == 0) continue;
    // Reading on is faster than jumping, as long as half of what is read is wanted.
    if (included < count / 2) {
      waiting += ListIncluded(excluded, start, count, listed + waiting);
      if (waiting >= kBlockRows) score_listed();
      continue;
    }
    Products(query, static_cast<uint32_t>(start), count, products);
    const CodedRow* rows = rows_ + start;
    for (size_t i = 0; i < count; ++i) {
      estimates[i] =
          rows[i].offset + query.query_offset + query.factor * rows[i].scale * static_cast<float>(products[i]);
      bounds[i] = query.norm * rows[i].error + query.code_error * rows[i].code_norm + query.slack;
    }
    for (size_t i = 0; i < count; ++i) {
      if (!(estimates[i] + bounds[i] >= candidates.threshold())) continue;
      const auto row = static_cast<uint32_t>(start + i);
      if (!excluded.Contains(row)) candidates.Offer(row, estimates[i], bounds[i]);
    }
  }
  score_listed();
  return candidates.Take();
}

Result<std::vector<RowHit>> CodedRows::ScoreExactly(const Context& context, std::span<const float> query, size_t limit,
                                                    std::vector<Candidate> candidates, float score_min,
                                                    bool from_disk) const {
  // The most promising first: their scores soon rule out the rest, whose vectors then need not be read.
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.upper > b.upper || (a.upper == b.upper && a.row < b.row);
  });
  const Kernels& kernels = BestKernels();
  TopHits top(limit);
  if (from_disk) {
    for (const Candidate& candidate : candidates) ReadSoon(std::as_bytes(vectors_.row(candidate.row)));
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].upper < (top.full() ? std::max(top.worst().score, score_min) : score_min)) break;
    if (i % kBlockRows == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
    const uint32_t row = candidates[i].row;
    const float score = ExactScore(kernels, metric_, query, vectors_.row(row));
    if (!(score < score_min)) top.Offer({row, score});
  }
  return top.Take();
}

Result<std::vector<RowHit>> ScanExactly(const Context& context, VectorMatrix vectors, Metric metric,
                                        std::span<const float> query, size_t limit, const RowSelection& selection) {
  const Kernels& kernels = BestKernels();
  TopHits top(limit);
  const size_t count = selection.listed ? selection.listed->size() : vectors.rows;
  for (size_t i = 0; i < count; ++i) {
    if (i % kBlockRows == 0) RAGTIME_RETURN_IF_ERROR(context.Check());
    const auto row = selection.listed ? (*selection.listed)[i] : static_cast<uint32_t>(i);
    if (row >= vectors.rows) return InvalidArgumentError(StrCat("the index has no row ", row));
    if (selection.listed || !selection.excluded.Contains(row)) {
      top.Offer({row, ExactScore(kernels, metric, query, vectors.row(row))});
    }
  }
  return top.Take();
}

Status CheckShape(VectorMatrix vectors, std::string_view type) {
  // The last number is what marks the end of a list of links.
  if (vectors.rows >= std::numeric_limits<uint32_t>::max()) {
    return InvalidArgumentError(StrCat("an index of type ", type, " cannot number that many rows: ", vectors.rows));
  }
  if (vectors.dimension == 0 || vectors.dimension > kCodesMax) {
    return InvalidArgumentError(
        StrCat("the dimension of an index of type ", type, " must be from 1 to ", kCodesMax, ": ", vectors.dimension));
  }
  return Status();
}

Result<double> CheckVectors(VectorMatrix vectors) {
  double norm_max = 0;
  for (size_t r = 0; r < vectors.rows; ++r) {
    const double norm = Norm(vectors.row(r));
    if (!(norm <= kNormMax)) {
      return InvalidArgumentError(StrCat("a vector is not finite, or longer than 1e15: row ", r),
                                  "Check the embedding model: it must return finite numbers.");
    }
    norm_max = std::max(norm_max, norm * (1 + 1e-9));
  }
  return norm_max;
}

Status CheckQuery(VectorMatrix vectors, std::span<const float> query) {
  if (query.size() != vectors.dimension) {
    return InvalidArgumentError(
        StrCat("the query vector has another dimension than the index: ", query.size(), ", index ", vectors.dimension),
        "Embed the question with the model that the knowledge base was made with.");
  }
  if (!(Norm(query) <= kNormMax)) return InvalidArgumentError("the query vector is not finite, or longer than 1e15");
  return Status();
}

}  // namespace ragtime
