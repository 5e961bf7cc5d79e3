// SPDX-License-Identifier: Apache-2.0
#include "model/marker_filter.h"

namespace ragtime {

bool MarkerFilter::Allows(std::string_view piece) const {
  // Nearly every piece of every text takes this way.
  if (passage_count_ == 0 || (place_ == Place::kText && piece.find('[') == std::string_view::npos)) return true;
  MarkerFilter ahead = *this;
  for (const char c : piece) {
    if (!ahead.Step(c)) return false;
  }
  return true;
}

void MarkerFilter::Take(std::string_view piece) {
  if (passage_count_ == 0) return;
  for (const char c : piece) Step(c);
}

bool MarkerFilter::Step(char c) {
  const bool is_digit = c >= '0' && c <= '9';
  if (place_ == Place::kNumber) {
    if (c == ']') {
      place_ = Place::kText;
      return true;
    }
    if (!is_digit) return false;
    number_ = number_ * 10 + static_cast<size_t>(c - '0');
    return number_ <= passage_count_;
  }
  if (c == '[') {
    place_ = Place::kOpen;
    return true;
  }
  if (place_ == Place::kText) return true;
  if (is_digit) {
    number_ = static_cast<size_t>(c - '0');
    const bool allowed = place_ == Place::kOpen && number_ > 0 && number_ <= passage_count_;
    place_ = Place::kNumber;
    return allowed;
  }
  const bool is_gap = std::string_view(" \t\r\n+-#^(.,").find(c) != std::string_view::npos;
  place_ = is_gap ? Place::kGap : Place::kText;
  return true;
}

}  // namespace ragtime
