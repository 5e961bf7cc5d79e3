// SPDX-License-Identifier: Apache-2.0
//
// Quantile and Median say of some values how large those in the middle and at the end are.
#ifndef RAGTIME_BASE_MEDIAN_H_
#define RAGTIME_BASE_MEDIAN_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace ragtime {

// The value that `share` (0 to 1) of the others do not exceed, itself one of them: 0.99 is the 99th percentile, 1 the
// greatest. 0 where there are none.
inline double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto rank = std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// The middle one; of an even number the greater of the two.
inline double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

}  // namespace ragtime

#endif  // RAGTIME_BASE_MEDIAN_H_
