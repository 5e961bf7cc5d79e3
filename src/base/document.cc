// SPDX-License-Identifier: Apache-2.0
#include "ragtime/document.h"

#include <algorithm>

namespace ragtime {

std::string_view FileStatusName(FileStatus status) {
  switch (status) {
    case FileStatus::kPending:
      return "pending";
    case FileStatus::kReady:
      return "ready";
    case FileStatus::kFailed:
      return "failed";
  }
  return "failed";
}

std::optional<Span> Document::SourceSpan(uint64_t start, uint64_t end) const {
  if (runs.empty() || start >= end) return std::nullopt;
  auto after = [this](uint64_t position) {
    return std::upper_bound(runs.begin(), runs.end(), position,
                            [](uint64_t p, const TextRun& run) { return p < run.text_start; });
  };
  auto first = after(start);
  auto last = after(end - 1);
  if (first == runs.begin() || last == runs.begin()) return std::nullopt;
  --first;
  --last;
  Span span;
  span.start = first->verbatim ? first->source_start + (start - first->text_start) : first->source_start;
  span.end = last->verbatim ? last->source_start + (end - last->text_start) : last->source_end;
  if (span.start >= span.end) return std::nullopt;
  return span;
}

}  // namespace ragtime
