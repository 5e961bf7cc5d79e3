// SPDX-License-Identifier: Apache-2.0
#include "index/hnsw/link_filling.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/thread_pool.h"
#include "index/hnsw/hnsw_format.h"
#include "index/kernels/kernels.h"

namespace ragtime {
namespace {

constexpr size_t kTaskRows = 64;
// Of the rows two links away, so many of the nearest are looked at.
constexpr size_t kCandidatesMax = 300;
// A row is left out whose way from a link, squared and times this, is shorter than from the row itself: first those that
// the links of the graph would leave out, then fewer (bench/vector_search.cc; 1.15 to 1.5 were tried).
constexpr float kShares[] = {1.0f, 1.3f};

// Squared distances between rows, by their codes; of inner products, between the vectors with one more dimension that
// makes all of them equally long, as the graph has them.
class Distances {
 public:
  Distances(const CodedRows& coded, Metric metric, double norm_max)
      : coded_(coded), l2_(metric == Metric::kL2), square_max_(static_cast<float>(norm_max * norm_max)) {
    if (metric != Metric::kInnerProduct) return;
    for (size_t r = 0; r < coded.vectors().rows; ++r) {
      double square = 0;
      for (const float value : coded.vectors().row(r)) square += double{value} * value;
      heights_.push_back(static_cast<float>(std::sqrt(std::max(0.0, norm_max * norm_max - square))));
    }
  }

  // At most CodedRows::kBatchRows.
  void Of(uint32_t row, std::span<const uint32_t> others, float* distances) const {
    int32_t products[CodedRows::kBatchRows];
    BestKernels().dot_listed_codes(coded_.codes(row), coded_.codes(0),
                                   CodedLayout::CodeStride(coded_.vectors().dimension), others.data(), others.size(),
                                   products);
    const CodedRow& x = coded_.row(row);
    for (size_t i = 0; i < others.size(); ++i) {
      const CodedRow& y = coded_.row(others[i]);
      const float inner = x.scale * y.scale * static_cast<float>(products[i]);
      float score = x.offset + y.offset + inner;
      if (!heights_.empty()) score += heights_[row] * heights_[others[i]];
      distances[i] = l2_ ? -(0.5f * (x.offset + y.offset) + inner) : square_max_ - score;
    }
  }

 private:
  const CodedRows& coded_;
  const bool l2_;
  const float square_max_;
  std::vector<float> heights_;  // Of kInnerProduct.
};

struct Near {
  float distance;
  uint32_t row;
  bool taken;
};

struct Scratch {
  std::vector<uint32_t> rows;
  std::vector<float> distances;
  std::vector<Near> near;
};

class Filler {
 public:
  Filler(const Distances& distances, size_t links_of_row, std::span<const uint32_t> bottom)
      : distances_(distances), links_of_row_(links_of_row), bottom_(bottom) {}

  // The new links of `row`.
  void Fill(uint32_t row, std::span<uint32_t> links, Scratch& scratch) const {
    const std::span<const uint32_t> old = LinksOf(row);
    size_t count = old.size();
    std::copy(old.begin(), old.end(), links.begin());
    std::fill(links.begin() + static_cast<std::ptrdiff_t>(count), links.end(), kNoRow);
    if (count == 0 || count == links.size()) return;
    FindNear(row, old, scratch);
    for (const float share : kShares) {
      for (Near& near : scratch.near) {
        if (count == links.size()) return;
        if (near.taken || !IsApart(near, links.first(count), share)) continue;
        links[count++] = near.row;
        near.taken = true;
      }
    }
    for (const Near& near : scratch.near) {
      if (count == links.size()) return;
      if (!near.taken) links[count++] = near.row;
    }
  }

 private:
  std::span<const uint32_t> LinksOf(uint32_t row) const {
    const auto links = bottom_.subspan(size_t{row} * links_of_row_, links_of_row_);
    return links.first(static_cast<size_t>(std::find(links.begin(), links.end(), kNoRow) - links.begin()));
  }

  // The rows two links away and not linked, nearest first.
  void FindNear(uint32_t row, std::span<const uint32_t> links, Scratch& scratch) const {
    std::vector<uint32_t>& rows = scratch.rows;
    rows.clear();
    for (const uint32_t link : links) {
      const auto next = LinksOf(link);
      rows.insert(rows.end(), next.begin(), next.end());
    }
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    std::erase_if(rows,
                  [&](uint32_t r) { return r == row || std::find(links.begin(), links.end(), r) != links.end(); });
    scratch.distances.resize(rows.size());
    for (size_t i = 0; i < rows.size(); i += CodedRows::kBatchRows) {
      const size_t some = std::min(CodedRows::kBatchRows, rows.size() - i);
      distances_.Of(row, std::span(rows).subspan(i, some), scratch.distances.data() + i);
    }
    scratch.near.clear();
    for (size_t i = 0; i < rows.size(); ++i) {
      // None that is not a number.
      if (scratch.distances[i] == scratch.distances[i]) scratch.near.push_back({scratch.distances[i], rows[i], false});
    }
    std::sort(scratch.near.begin(), scratch.near.end(), [](const Near& a, const Near& b) {
      return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
    });
    if (scratch.near.size() > kCandidatesMax) scratch.near.resize(kCandidatesMax);
  }

  bool IsApart(const Near& near, std::span<const uint32_t> links, float share) const {
    constexpr size_t kAtOnce = 8;
    float distances[kAtOnce];
    for (size_t i = 0; i < links.size(); i += kAtOnce) {
      const auto some = links.subspan(i, std::min(kAtOnce, links.size() - i));
      distances_.Of(near.row, some, distances);
      for (size_t j = 0; j < some.size(); ++j) {
        if (distances[j] * share < near.distance) return false;
      }
    }
    return true;
  }

  const Distances& distances_;
  const size_t links_of_row_;
  const std::span<const uint32_t> bottom_;
};

}  // namespace

Status FillLinks(const Context& context, const CodedRows& coded, Metric metric, double norm_max, size_t threads,
                 size_t links_of_row, std::span<uint32_t> bottom) {
  const Distances distances(coded, metric, norm_max);
  // What is read is not written, so that the links do not depend on the threads.
  const std::vector<uint32_t> old(bottom.begin(), bottom.end());
  const Filler filler(distances, links_of_row, old);
  const size_t rows = coded.vectors().rows;
  std::atomic<bool> stopped = false;
  const auto task = [&](size_t t) {
    if (stopped || !context.Check().ok()) {
      stopped = true;
      return;
    }
    Scratch scratch;
    for (size_t row = t * kTaskRows; row < std::min(rows, (t + 1) * kTaskRows); ++row) {
      filler.Fill(static_cast<uint32_t>(row), bottom.subspan(row * links_of_row, links_of_row), scratch);
    }
  };
  const size_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  if (threads == 1) {
    for (size_t t = 0; t < tasks; ++t) task(t);
  } else {
    ThreadPool pool(std::max<size_t>(threads == 0 ? AvailableCores() : threads, 2) - 1);
    pool.ParallelFor(tasks, task);
  }
  return stopped ? context.Check() : Status();
}

}  // namespace ragtime
