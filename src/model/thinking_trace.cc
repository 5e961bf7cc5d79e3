// SPDX-License-Identifier: Apache-2.0
#include "model/thinking_trace.h"

#include <algorithm>

namespace ragtime {

void ThinkingTrace::Take(std::string_view piece) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  if (place_ == Place::kAnswer) return;
  text_ += piece;
  if (place_ == Place::kStart) {
    text_.erase(0, std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
    if (kOpen.starts_with(text_) && text_ != kOpen) return;
    if (!text_.starts_with(kOpen)) {
      place_ = Place::kAnswer;
      return;
    }
    place_ = Place::kThinking;
    text_.erase(0, kOpen.size());
  } else {
    ++tokens_;
  }
  if (text_.find(kClose) != std::string::npos) {
    place_ = Place::kAnswer;
  } else if (text_.size() >= kClose.size()) {
    text_.erase(0, text_.size() - kClose.size() + 1);
  }
}

}  // namespace ragtime
