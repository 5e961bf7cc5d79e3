// SPDX-License-Identifier: Apache-2.0
//
// Median gives the middle one of some values; of an even number the greater of the two.
#ifndef RAGTIME_BASE_MEDIAN_H_
#define RAGTIME_BASE_MEDIAN_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ragtime {

// 0 where there are none.
inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace ragtime

#endif  // RAGTIME_BASE_MEDIAN_H_
