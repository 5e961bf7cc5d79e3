// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/search_lanes.h"

#include <algorithm>
#include <numeric>

namespace ragtime {
namespace {

constexpr size_t kThreadsMax = 8;

}  // namespace

SearchLanes::SearchLanes(size_t threads, uint64_t least_rows)
    : threads_(threads != 0 ? threads : std::clamp<size_t>(AvailableCores() / 2, 1, kThreadsMax)),
      least_rows_(least_rows) {}

std::vector<std::vector<size_t>> SearchLanes::Of(std::span<const uint64_t> rows) const {
  if (rows.empty()) return {};
  const auto large = static_cast<size_t>(
      std::count_if(rows.begin(), rows.end(), [this](uint64_t count) { return count >= least_rows_; }));
  std::vector<std::vector<size_t>> lanes(std::clamp<size_t>(large, 1, threads_));
  // The largest first, each to the lane that has least.
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a] > rows[b]; });
  std::vector<uint64_t> loads(lanes.size());
  for (const size_t segment : order) {
    const auto lane = static_cast<size_t>(std::min_element(loads.begin(), loads.end()) - loads.begin());
    lanes[lane].push_back(segment);
    loads[lane] += rows[segment];
  }
  for (std::vector<size_t>& lane : lanes) std::sort(lane.begin(), lane.end());
  return lanes;
}

void SearchLanes::Run(size_t lanes, const std::function<void(size_t)>& body) {
  if (lanes < 2) {
    if (lanes == 1) body(0);
    return;
  }
  std::call_once(once_, [this] { pool_.emplace(threads_ - 1); });
  pool_->ParallelFor(lanes, body);
}

}  // namespace ragtime
