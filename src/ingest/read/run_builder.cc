// SPDX-License-Identifier: Apache-2.0
#include "ingest/read/run_builder.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

uint64_t StartOf(const TextRun& run, uint64_t position) {
  return run.verbatim ? run.source_start + (position - run.text_start) : run.source_start;
}

// Where the bytes before `position`, which is in `run` or at its end, end in the source.
uint64_t EndOf(const TextRun& run, uint64_t position) {
  return run.verbatim ? run.source_start + (position - run.text_start) : run.source_end;
}

}  // namespace

std::vector<TextRun> ComposeRuns(std::vector<TextRun> outer, uint64_t text_end, const std::vector<TextRun>& inner) {
  if (inner.empty()) return {};
  if (inner.size() == 1 && inner[0].verbatim) {  // UTF-8, which most files are: nothing but a byte order mark to add.
    for (TextRun& run : outer) {
      run.source_start += inner[0].source_start;
      run.source_end += inner[0].source_start;
    }
    return outer;
  }
  RunBuilder runs;
  size_t at = 0;  // The run of `inner` that holds the current position of the middle.
  auto seek = [&](uint64_t position) {
    while (at + 1 < inner.size() && inner[at + 1].text_start <= position) ++at;
  };
  for (size_t i = 0; i < outer.size(); ++i) {
    const TextRun& run = outer[i];
    const uint64_t run_end = i + 1 < outer.size() ? outer[i + 1].text_start : text_end;
    seek(run.source_start);
    if (!run.verbatim) {
      const uint64_t start = StartOf(inner[at], run.source_start);
      uint64_t end = start;
      if (run.source_end > run.source_start) {
        seek(run.source_end - 1);
        end = EndOf(inner[at], run.source_end);
      }
      runs.AddDecoded(run.text_start, start, end);
      continue;
    }
    for (uint64_t text = run.text_start; text < run_end;) {
      const uint64_t middle = run.source_start + (text - run.text_start);
      seek(middle);
      if (inner[at].verbatim) {
        runs.AddVerbatim(text, StartOf(inner[at], middle));
      } else {
        runs.AddDecoded(text, inner[at].source_start, inner[at].source_end);
      }
      if (at + 1 == inner.size()) break;
      text += std::min(inner[at + 1].text_start - middle, run_end - text);
    }
  }
  return runs.Finish(text_end);
}

Status CheckRuns(const Document& document) {
  if (document.text.empty() || !document.runs.empty()) return Status();
  return ResourceExhaustedError(
      StrCat("the file alternates between text and markup more often than ", kRunsMax, " times"),
      "split the file into smaller ones");
}

}  // namespace ragtime
