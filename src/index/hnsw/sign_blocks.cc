// SPDX-License-Identifier: Apache-2.0
#include "index/hnsw/sign_blocks.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/thread_pool.h"
#include "index/hnsw/hnsw_format.h"

namespace ragtime {
namespace {

constexpr size_t kTaskRows = 64;

// The nearest number of the upper 16 bits of a float.
uint16_t Upper(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((uint64_t{bits} + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
float FloatOf(uint16_t upper) { return std::bit_cast<float>(uint32_t{upper} << 16); }

struct RowToCode {
  VectorMatrix vectors;
  Metric metric;
  const float* rotated;
  SignLayout layout;

  const float* Rotated(uint32_t row) const { return rotated + size_t{row} * layout.dimensions; }

  // One link of `row`, the `slot`-th of its block.
  void Write(uint32_t row, uint32_t link, size_t slot, ScanFactors& factors, uint8_t* codes) const {
    const float* from = Rotated(row);
    const float* to = Rotated(link);
    double square = 0;
    double length = 0;
    double signs_of_row = 0;
    for (size_t i = 0; i < layout.dimensions; ++i) {
      const double difference = double{to[i]} - from[i];
      square += difference * difference;
      length += std::abs(difference);
      const bool up = difference >= 0;
      signs_of_row += up ? from[i] : -double{from[i]};
      const uint32_t bit = uint32_t{1} << (i % 4 + (slot < kScanTable ? 0 : 4));
      if (up) codes[i / 4 * kScanTable + slot % kScanTable] |= static_cast<uint8_t>(bit);
    }
    const bool l2 = metric == Metric::kL2;
    factors.scale[slot] = Upper(static_cast<float>(length > 0 ? (l2 ? 2 : 1) * square / length : 0));
    double add = -square;
    if (!l2) {
      const auto x = vectors.row(row);
      const auto y = vectors.row(link);
      add = 0;
      for (size_t i = 0; i < x.size(); ++i) add += x[i] * (double{y[i]} - x[i]);
    }
    factors.add[slot] = Upper(static_cast<float>(add - double{FloatOf(factors.scale[slot])} * signs_of_row));
  }
};

}  // namespace

void RotateFromMean(const Rotation& rotation, std::span<const float> x, std::span<const float> mean,
                    std::span<float> out) {
  for (size_t i = 0; i < x.size(); ++i) out[i] = x[i] - mean[i];
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(x.size()), out.end(), 0.0f);
  rotation.Apply(out);
}

SignQuery::SignQuery(const SignLayout& layout, const Rotation& rotation, std::span<const float> query,
                     std::span<const float> mean)
    : groups_(layout.groups()), tables_(groups_ * kScanTable) {
  std::vector<float> rotated(layout.dimensions);
  RotateFromMean(rotation, query, mean, rotated);
  // A table holds sums of four numbers with all signs, from -reach to reach.
  float largest = 0;
  for (size_t g = 0; g < groups_; ++g) {
    const float reach = ReachOf(rotated.data() + 4 * g);
    largest = std::max(largest, reach);
    shift_ -= reach;
  }
  // The sum of all has 16 bits.
  const float steps = static_cast<float>(std::min<size_t>(255, 65535 / groups_));
  const float inverse = largest > 0 ? steps / (2 * largest) : 0;
  // So short a query is as near to one side as to the other.
  if (!(largest > 0) || !std::isfinite(inverse)) return;
  unit_ = 2 * largest / steps;
  BestFastScan().tables(rotated.data(), groups_, inverse, steps, tables_.data());
}

Status WriteSignBlocks(const Context& context, VectorMatrix vectors, Metric metric, std::span<const float> mean,
                       std::span<const uint32_t> bottom, size_t links_of_row, size_t threads, std::byte* blocks) {
  const SignLayout layout = SignLayout::Of(vectors.dimension, links_of_row);
  const Rotation rotation(layout.dimensions);
  std::vector<float> rotated(vectors.rows * layout.dimensions);
  ThreadPool pool(std::max<size_t>(threads == 0 ? AvailableCores() : threads, 2) - 1);
  const size_t tasks = (vectors.rows + kTaskRows - 1) / kTaskRows;
  std::atomic<bool> stopped = false;
  const auto for_each_row = [&](const auto& use) {
    const auto task = [&](size_t t) {
      if (stopped || !context.Check().ok()) {
        stopped = true;
        return;
      }
      for (size_t row = t * kTaskRows; row < std::min(vectors.rows, (t + 1) * kTaskRows); ++row) {
        use(static_cast<uint32_t>(row));
      }
    };
    if (threads != 1) return pool.ParallelFor(tasks, task);
    for (size_t t = 0; t < tasks; ++t) task(t);
  };
  for_each_row([&](uint32_t row) {
    RotateFromMean(rotation, vectors.row(row), mean, {&rotated[row * layout.dimensions], layout.dimensions});
  });
  const RowToCode coder{vectors, metric, rotated.data(), layout};
  const uint16_t nowhere = Upper(-std::numeric_limits<float>::infinity());
  for_each_row([&](uint32_t row) {
    const auto links = bottom.subspan(row * links_of_row, links_of_row);
    for (size_t b = 0; b < layout.blocks; ++b) {
      std::byte* block = blocks + row * layout.row_size() + b * layout.block_size;
      ScanFactors factors = {};
      auto* codes = reinterpret_cast<uint8_t*>(block + sizeof(factors));
      std::memset(codes, 0, layout.block_size - sizeof(factors));
      for (size_t slot = 0; slot < kScanRows; ++slot) {
        const size_t i = b * kScanRows + slot;
        if (i < links.size() && links[i] != kNoRow) {
          coder.Write(row, links[i], slot, factors, codes);
        } else {
          factors.add[slot] = nowhere;
        }
      }
      std::memcpy(block, &factors, sizeof(factors));
    }
  });
  return stopped ? context.Check() : Status();
}

}  // namespace ragtime
