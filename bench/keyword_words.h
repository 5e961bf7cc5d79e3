// SPDX-License-Identifier: Apache-2.0
//
// EachWord cuts a line of a corpus of bench/keyword_search.py at its spaces.
#ifndef RAGTIME_BENCH_KEYWORD_WORDS_H_
#define RAGTIME_BENCH_KEYWORD_WORDS_H_

#include <algorithm>
#include <string_view>

namespace ragtime {

// Calls take(word) for each word of the line.
template <typename Take>
void EachWord(std::string_view line, Take take) {
  for (size_t start = 0; start < line.size();) {
    const size_t end = std::min(line.find(' ', start), line.size());
    if (end > start) take(line.substr(start, end - start));
    start = end + 1;
  }
}

}  // namespace ragtime

#endif  // RAGTIME_BENCH_KEYWORD_WORDS_H_
