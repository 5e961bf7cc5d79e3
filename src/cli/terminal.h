// SPDX-License-Identifier: Apache-2.0
//
// What a person sees: a progress bar where stderr is a terminal, plain lines where it is a log, warnings, sizes and
// times in words.
#ifndef RAGTIME_CLI_TERMINAL_H_
#define RAGTIME_CLI_TERMINAL_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/knowledge_base.h"

namespace ragtime::cli {

class ProgressPrinter {
 public:
  ProgressPrinter();
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  void Show(const IngestProgress& progress);

 private:
  void DrawBar(const IngestProgress& progress);
  void PrintLine(const IngestProgress& progress);

  const bool terminal_;
  bool drawn_ = false;
  std::string last_stage_;
  std::chrono::steady_clock::time_point last_shown_{};
};

void PrintWarnings(const std::vector<Warning>& warnings);

std::string Counted(uint64_t count, std::string_view noun);  // "1 file", "2 files"
std::string SizeInWords(uint64_t bytes);                     // "1.4 MiB"
std::string TimeInWords(double ms);                          // "0.42 ms", "3.1 s"
// One line of text, at most `characters_max` characters, with an ellipsis where it was cut.
std::string Excerpt(const std::string& text, size_t characters_max);
// Columns of a terminal that the text takes: a Chinese, Japanese or Korean character takes two.
size_t DisplayWidth(std::string_view text);

}  // namespace ragtime::cli

#endif  // RAGTIME_CLI_TERMINAL_H_
