// SPDX-License-Identifier: Apache-2.0
//
// RunBuilder collects the TextRuns of a text while it is written from front to back; ComposeRuns joins two such maps.
#ifndef RAGTIME_INGEST_READ_RUN_BUILDER_H_
#define RAGTIME_INGEST_READ_RUN_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/status.h"

namespace ragtime {

// A text needs a run for every few dozen bytes; a file made to need one for each byte must not fill the memory (256
// MiB).
inline constexpr size_t kRunsMax = size_t{8} << 20;

class RunBuilder {
 public:
  // From `text_start` on, text and source advance together. Costs nothing where the run before goes on.
  void AddVerbatim(uint64_t text_start, uint64_t source_start) {
    if (!runs_.empty()) {
      const TextRun& last = runs_.back();
      if (last.verbatim && last.source_start + (text_start - last.text_start) == source_start) return;
    }
    Add({text_start, source_start, true, source_start});
  }

  // From `text_start` on, the text came from [source_start, source_end) by decoding.
  void AddDecoded(uint64_t text_start, uint64_t source_start, uint64_t source_end) {
    Add({text_start, source_start, false, source_end});
  }

  // The text written so far ends at `text_end`. Empty if there were more than kRunsMax.
  std::vector<TextRun> Finish(uint64_t text_end) {
    if (too_many_) return {};
    CloseLast(text_end);
    return std::move(runs_);
  }

 private:
  void Add(const TextRun& run) {
    CloseLast(run.text_start);
    if (!runs_.empty() && runs_.back().text_start == run.text_start) {
      runs_.back() = run;  // Nothing was written under the run before.
    } else if (runs_.size() < kRunsMax) {
      runs_.push_back(run);
    } else {
      too_many_ = true;
    }
  }

  void CloseLast(uint64_t text_end) {
    if (runs_.empty() || !runs_.back().verbatim) return;
    runs_.back().source_end = runs_.back().source_start + (text_end - runs_.back().text_start);
  }

  std::vector<TextRun> runs_;
  bool too_many_ = false;
};

// `outer` leads from a text to a middle, `inner` from the middle to the source; the result leads from the text, which
// ends at `text_end`, to the source. Positions of `outer` in the middle must not descend.
std::vector<TextRun> ComposeRuns(std::vector<TextRun> outer, uint64_t text_end, const std::vector<TextRun>& inner);

// kResourceExhausted if the document's text has more runs than kRunsMax.
Status CheckRuns(const Document& document);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_READ_RUN_BUILDER_H_
