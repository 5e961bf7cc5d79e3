// SPDX-License-Identifier: Apache-2.0
//
// Whether another order of rows would pay: keyword_reorder bisection|random CORPUS SEGMENT_ROWS copies the lines of a
// corpus of bench/keyword_search.py to the standard output, those of each segment in another order, and says on the
// standard error how long finding the order took. keyword_ours builds from the copy and answers the same questions.
//
// "bisection" is recursive graph bisection (Dhulipala et al., 2016; Mackenzie et al., 2021): rows are divided into
// halves again and again, and in each division rows change sides as long as the gaps of the postings, estimated by
// their logarithms, get shorter. "random" shows what the order that is there is worth.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/stopwatch.h"
#include "keyword_words.h"
#include "text/token_table.h"

namespace ragtime {
namespace {

constexpr int kIterations = 20;
constexpr size_t kLeafRows = 16;

class Bisection {
 public:
  // Words of one row shorten no gap, and are left out.
  explicit Bisection(const TokenRows& rows) : order_(rows.lengths.size()) {
    std::vector<uint32_t> rows_of(rows.terms.size());
    for (const bool counting : {true, false}) {
      const uint32_t* token = rows.tokens.data();
      for (const uint32_t length : rows.lengths) {
        std::vector<uint32_t> row(token, token + length);
        token += length;
        std::sort(row.begin(), row.end());
        row.erase(std::unique(row.begin(), row.end()), row.end());
        if (counting) {
          for (const uint32_t term : row) ++rows_of[term];
          continue;
        }
        std::erase_if(row, [&](uint32_t term) { return rows_of[term] < 2; });
        terms_.insert(terms_.end(), row.begin(), row.end());
        ends_.push_back(terms_.size());
      }
    }
    left_.resize(rows.terms.size());
    right_.resize(rows.terms.size());
    gains_.resize(rows.terms.size());
    gains_made_.resize(rows.terms.size());
    gain_.resize(order_.size());
    logarithms_.resize(order_.size() + 2);
    for (size_t i = 1; i < logarithms_.size(); ++i) logarithms_[i] = std::log2(static_cast<float>(i));
    std::iota(order_.begin(), order_.end(), 0);
  }

  const std::vector<uint32_t>& Run() {
    Divide(order_);
    return order_;
  }

 private:
  std::span<const uint32_t> TermsOf(uint32_t row) const {
    const size_t start = row == 0 ? 0 : ends_[row - 1];
    return {terms_.data() + start, ends_[row] - start};
  }

  // The estimated bits of the gaps of a word of `rows` among `all`.
  float Bits(uint32_t rows, size_t all) const {
    return static_cast<float>(rows) * (logarithms_[all] - logarithms_[rows + 1]);
  }

  // What moving a row with the term out of each half saves.
  std::pair<float, float> Gains(uint32_t term, size_t left_rows, size_t right_rows) {
    if (gains_made_[term] != pass_) {
      gains_made_[term] = pass_;
      const uint32_t l = left_[term];
      const uint32_t r = right_[term];
      const float now = Bits(l, left_rows) + Bits(r, right_rows);
      gains_[term] = {l > 0 ? now - Bits(l - 1, left_rows) - Bits(r + 1, right_rows) : 0.0f,
                      r > 0 ? now - Bits(l + 1, left_rows) - Bits(r - 1, right_rows) : 0.0f};
    }
    return gains_[term];
  }

  void Divide(std::span<uint32_t> rows) {
    if (rows.size() <= kLeafRows) {
      std::sort(rows.begin(), rows.end());
      return;
    }
    const std::span<uint32_t> left = rows.first(rows.size() / 2);
    const std::span<uint32_t> right = rows.subspan(rows.size() / 2);
    Count(left, left_, 1);
    Count(right, right_, 1);
    for (int i = 0; i < kIterations && Exchange(left, right); ++i) {
    }
    Count(rows, left_, 0);
    Count(rows, right_, 0);
    Divide(left);
    Divide(right);
  }

  // Adds the rows' words, or clears their counts.
  void Count(std::span<const uint32_t> rows, std::vector<uint32_t>& counts, uint32_t one) {
    for (const uint32_t row : rows) {
      for (const uint32_t term : TermsOf(row)) counts[term] = one == 0 ? 0 : counts[term] + one;
    }
  }

  // False if there is nothing to win.
  bool Exchange(std::span<uint32_t> left, std::span<uint32_t> right) {
    ++pass_;
    for (const uint32_t row : left) {
      gain_[row] = 0;
      for (const uint32_t term : TermsOf(row)) gain_[row] += Gains(term, left.size(), right.size()).first;
    }
    for (const uint32_t row : right) {
      gain_[row] = 0;
      for (const uint32_t term : TermsOf(row)) gain_[row] += Gains(term, left.size(), right.size()).second;
    }
    const auto more = [this](uint32_t a, uint32_t b) { return gain_[a] > gain_[b] || (gain_[a] == gain_[b] && a < b); };
    std::sort(left.begin(), left.end(), more);
    std::sort(right.begin(), right.end(), more);
    size_t moved = 0;
    for (; moved < std::min(left.size(), right.size()); ++moved) {
      if (gain_[left[moved]] + gain_[right[moved]] <= 0) break;
      for (const uint32_t term : TermsOf(left[moved])) --left_[term], ++right_[term];
      for (const uint32_t term : TermsOf(right[moved])) ++left_[term], --right_[term];
      std::swap(left[moved], right[moved]);
    }
    return moved > 0;
  }

  std::vector<uint32_t> order_;
  std::vector<uint32_t> terms_;  // Of all rows; those of a row end at ends_.
  std::vector<size_t> ends_;
  std::vector<uint32_t> left_;  // By word: how many rows of the half hold it.
  std::vector<uint32_t> right_;
  std::vector<std::pair<float, float>> gains_;  // By word, made in the pass of gains_made_.
  std::vector<uint32_t> gains_made_;
  std::vector<float> gain_;  // By row.
  std::vector<float> logarithms_;
  uint32_t pass_ = 0;
};

void Write(const std::vector<std::string>& lines, const std::vector<uint32_t>& order) {
  for (const uint32_t row : order) std::cout << lines[row] << '\n';
}

int Run(std::string_view method, const char* corpus, size_t segment_rows) {
  std::ios::sync_with_stdio(false);
  std::mt19937 random(1);
  std::ifstream file(corpus);
  double ms = 0;
  std::vector<std::string> lines;
  const auto reorder = [&] {
    std::vector<uint32_t> order(lines.size());
    std::iota(order.begin(), order.end(), 0);
    if (method == "random") {
      std::shuffle(order.begin(), order.end(), random);
    } else {
      TokenTable table;
      for (const std::string& line : lines) {
        EachWord(line, [&](std::string_view word) { table.Add(word); });
        table.EndRow();
      }
      const Stopwatch stopwatch;
      order = Bisection(table.rows()).Run();
      ms += stopwatch.ElapsedMs();
    }
    Write(lines, order);
    lines.clear();
  };
  for (std::string line; std::getline(file, line);) {
    lines.push_back(std::move(line));
    if (lines.size() == segment_rows) reorder();
  }
  if (!lines.empty()) reorder();
  std::fprintf(stderr, "%.0f ms\n", ms);
  return std::cout.flush() ? 0 : 1;
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  const std::string_view method = argc == 4 ? argv[1] : "";
  if (method != "bisection" && method != "random") {
    std::fprintf(stderr, "usage: keyword_reorder bisection|random CORPUS SEGMENT_ROWS > REORDERED\n");
    return 2;
  }
  return ragtime::Run(method, argv[2], std::strtoull(argv[3], nullptr, 10));
}
