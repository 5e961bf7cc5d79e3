// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/short_codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "index/kernels/kernels.h"

namespace ragtime {
namespace {

// Rows that are unpacked at once: they stay in the nearest cache.
constexpr size_t kUnpackedRows = 16;
// Standard deviations that an estimate is taken to be off at most.
constexpr double kDeviations = 3;

// Codes lie in planes: the bits at 2^p of byte j are those of dimension j + p * (bytes of a code).
template <uint32_t kBits>
void Unpack(const uint8_t* code, size_t bytes, int8_t* out) {
  constexpr uint32_t kPlanes = 8 / kBits;
  constexpr uint8_t kMask = (1u << kBits) - 1;
  for (uint32_t plane = 0; plane < kPlanes; ++plane) {
    int8_t* to = out + plane * bytes;
    const uint32_t shift = plane * kBits;
    for (size_t j = 0; j < bytes; ++j) to[j] = static_cast<int8_t>(2 * ((code[j] >> shift) & kMask) - kMask);
  }
}

// The odd number nearest to `value` within the codes of `level_max`, which is 2^bits - 1.
int CodeOf(float value, int level_max) {
  const float clamped = std::clamp(value, static_cast<float>(-level_max), static_cast<float>(level_max));
  return std::clamp(2 * static_cast<int>(std::floor(clamped / 2)) + 1, -level_max, level_max);
}

}  // namespace

void ShortCodes::Write(VectorMatrix vectors, std::span<const float> mean, Metric metric, uint32_t bits, ShortRow* rows,
                       uint8_t* codes) {
  const size_t n = vectors.dimension;
  const Rotation rotation(n);
  const size_t stride = Stride(n, bits);
  const int level_max = (1 << bits) - 1;
  // Times the deviation of a dimension: what suits numbers of a normal distribution, and others around it.
  const float usual = bits == 1 ? 1.0f : bits == 2 ? 0.5f : 0.168f;
  std::vector<float> rotated(n);
  for (size_t r = 0; r < vectors.rows; ++r) {
    const std::span<const float> row = vectors.row(r);
    double square = 0;
    double centre = 0;
    for (size_t i = 0; i < n; ++i) {
      const double difference = double{row[i]} - mean[i];
      square += difference * difference;
      centre += difference * mean[i];
      rotated[i] = static_cast<float>(difference);
    }
    rotation.Apply(rotated);
    const auto deviation = static_cast<float>(std::sqrt(square / static_cast<double>(n)));
    // The unit whose codes point most nearly where the vector does.
    float best_unit = 0;
    double best = -1;
    double best_product = 0;
    double best_square = 0;
    for (const float times : {1.0f, 0.8f, 0.9f, 1.1f, 1.25f, 1.5f}) {
      const float unit = deviation * usual * times;
      if (!(unit > std::numeric_limits<float>::min())) break;
      double product = 0;
      double code_square = 0;
      for (const float value : rotated) {
        const int code = CodeOf(value / unit, level_max);
        product += double{value} * code;
        code_square += code * code;
      }
      const double fit = product * product / code_square;
      if (product > 0 && fit > best) {
        best = fit;
        best_unit = unit;
        best_product = product;
        best_square = code_square;
      }
      if (bits == 1) break;
    }
    ShortRow& known = rows[r];
    known.offset = static_cast<float>(metric == Metric::kL2 ? -square : centre);
    const double scale = best < 0 ? 0 : square / best_product;
    known.scale = static_cast<float>(scale);
    known.error =
        static_cast<float>(std::sqrt(std::max(0.0, scale * scale * best_square - square) / static_cast<double>(n)));
    if (best < 0) known.error = deviation;
    uint8_t* code = codes + r * stride;
    std::fill_n(code, stride, uint8_t{0});
    for (size_t i = 0; i < n && best >= 0; ++i) {
      const auto level = static_cast<uint32_t>((CodeOf(rotated[i] / best_unit, level_max) + level_max) / 2);
      code[i % stride] |= static_cast<uint8_t>(level << (i / stride * bits));
    }
  }
}

ShortQuery ShortCodes::Code(std::span<const float> query) const {
  const size_t n = query.size();
  ShortQuery coded;
  coded.codes.resize(stride_);
  coded.unpacked.resize(kUnpackedRows * stride_);
  std::vector<float> rotated(n);
  double square = 0;
  double centre = 0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = double{query[i]} - mean_[i];
    square += difference * difference;
    centre += double{query[i]} * mean_[i];
    rotated[i] = static_cast<float>(difference);
  }
  rotation_.Apply(rotated);
  const float scale = QuantizeCodes(rotated.data(), n, stride_, coded.codes.data());
  // score = <q, m> + <m, x - m> + <q - m, x - m>, or -|q - m|^2 - |x - m|^2 + 2 <q - m, x - m>.
  const bool l2 = metric_ == Metric::kL2;
  const float weight = l2 ? 2.0f : 1.0f;
  coded.offset = static_cast<float>(l2 ? -square : centre);
  coded.factor = weight * scale;
  coded.margin = static_cast<float>(kDeviations * weight * std::sqrt(square));
  return coded;
}

bool ShortCodes::AreEqual(uint32_t a, uint32_t b) const {
  const size_t bytes = size_t{stride_} * bits_ / 8;
  return std::memcmp(rows_ + a, rows_ + b, sizeof(ShortRow)) == 0 &&
         std::memcmp(codes_ + a * bytes, codes_ + b * bytes, bytes) == 0;
}

void ShortCodes::Estimate(ShortQuery& query, std::span<const uint32_t> rows, float* estimates) const {
  const size_t bytes = size_t{stride_} * bits_ / 8;
  for (const uint32_t row : rows) {
    __builtin_prefetch(rows_ + row);
    for (size_t at = 0; at < std::min<size_t>(bytes, 256); at += 64) __builtin_prefetch(codes_ + row * bytes + at);
  }
  std::array<int32_t, kUnpackedRows> products;
  for (size_t start = 0; start < rows.size(); start += kUnpackedRows) {
    const auto some = rows.subspan(start, std::min(kUnpackedRows, rows.size() - start));
    for (size_t i = 0; i < some.size(); ++i) {
      const uint8_t* code = codes_ + some[i] * bytes;
      int8_t* to = query.unpacked.data() + i * stride_;
      if (bits_ == 1) Unpack<1>(code, bytes, to);
      if (bits_ == 2) Unpack<2>(code, bytes, to);
      if (bits_ == 4) Unpack<4>(code, bytes, to);
    }
    BestKernels().dot_codes(query.codes.data(), query.unpacked.data(), stride_, some.size(), products.data());
    for (size_t i = 0; i < some.size(); ++i) {
      const ShortRow& row = rows_[some[i]];
      estimates[start + i] = row.offset + query.offset + query.factor * row.scale * static_cast<float>(products[i]);
    }
  }
}

}  // namespace ragtime
