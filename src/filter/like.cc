// SPDX-License-Identifier: Apache-2.0
#include "filter/like.h"

#include <algorithm>

#include "text/utf8.h"

namespace ragtime {

LikePattern::LikePattern(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%') {
      // Two runs are one.
      if (steps_.empty() || steps_.back().kind != Step::kAnyRun) steps_.push_back({Step::kAnyRun});
    } else if (pattern[i] == '_') {
      steps_.push_back({Step::kCharacter});
    } else {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      steps_.push_back({Step::kByte, pattern[i]});
    }
  }
  const auto literal_end =
      std::find_if(steps_.begin(), steps_.end(), [](const Step& step) { return step.kind != Step::kByte; });
  for (auto step = steps_.begin(); step != literal_end; ++step) prefix_ += step->byte;
  is_literal_ = literal_end == steps_.end();
  is_prefix_ = !is_literal_ && literal_end->kind == Step::kAnyRun && literal_end + 1 == steps_.end();
}

bool LikePattern::Matches(std::string_view text) const {
  // Only the last run that was met ever needs to take more: what stands before it has matched, and a longer run
  // further left would leave less text for the same steps. So the cost is at most steps x text.
  size_t step = 0;
  size_t position = 0;
  size_t run_step = SIZE_MAX;
  size_t run_end = 0;
  while (position < text.size() || step < steps_.size()) {
    if (step < steps_.size()) {
      const Step& current = steps_[step];
      if (current.kind == Step::kAnyRun) {
        if (step + 1 == steps_.size()) return true;
        run_step = step++;
        run_end = position;
        continue;
      }
      if (position < text.size()) {
        if (current.kind == Step::kCharacter) {
          position += DecodeUtf8(text, position).size_bytes;
          ++step;
          continue;
        }
        if (current.byte == text[position]) {
          ++position;
          ++step;
          continue;
        }
      }
    }
    if (run_step == SIZE_MAX || run_end >= text.size()) return false;
    run_end += DecodeUtf8(text, run_end).size_bytes;
    position = run_end;
    step = run_step + 1;
  }
  return true;
}

}  // namespace ragtime
