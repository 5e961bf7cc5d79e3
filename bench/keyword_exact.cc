// SPDX-License-Identifier: Apache-2.0
//
// What is right in bench/keyword_search.py, found without any index: keyword_exact CORPUS QUESTIONS LIMIT prints, for
// each question, its LIMIT best rows by the formula of include/ragtime/index.h, best first, and behind them the rows
// that have the last one's score too: a JSON list of lists.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "keyword_words.h"
#include "ragtime/index.h"

namespace ragtime {
namespace {

constexpr size_t kTiesMax = 1000;

struct HashOf {
  using is_transparent = void;
  size_t operator()(std::string_view word) const { return Hash64(word); }
};

struct Question {
  std::vector<size_t> words;
  std::vector<std::pair<float, uint32_t>> best;  // -score, row
};

class Exact {
 public:
  Exact(const char* questions, size_t limit) : limit_(limit) {
    std::ifstream lines(questions);
    for (std::string line; std::getline(lines, line);) {
      questions_.emplace_back();
      EachWord(line, [&](std::string_view word) {
        const size_t number = numbers_.try_emplace(std::string(word), numbers_.size()).first->second;
        questions_.back().words.push_back(number);
      });
    }
    askers_.resize(numbers_.size());
    for (size_t q = 0; q < questions_.size(); ++q) {
      for (const size_t word : questions_[q].words) {
        if (askers_[word].empty() || askers_[word].back() != q) askers_[word].push_back(q);
      }
    }
    rows_of_.resize(numbers_.size());
    count_.resize(numbers_.size());
  }

  void CountRows(const char* corpus) {
    EachRow(corpus, [&](uint32_t, size_t length) {
      tokens_ += length;
      ++rows_;
      for (const size_t word : here_) ++rows_of_[word];
    });
  }

  void Score(const char* corpus) {
    const Bm25Parameters parameters;
    const double average = static_cast<double>(tokens_) / static_cast<double>(rows_);
    std::vector<uint32_t> asked(questions_.size());  // The last row that was scored, + 1.
    EachRow(corpus, [&](uint32_t row, size_t length) {
      for (const size_t any : here_) {
        for (const size_t q : askers_[any]) {
          if (asked[q] == row + 1) continue;
          asked[q] = row + 1;
          double sum = 0;
          for (const size_t word : questions_[q].words) {
            const double tf = count_[word];
            const double n = static_cast<double>(rows_of_[word]);
            const double idf = std::log(1 + (static_cast<double>(rows_) - n + 0.5) / (n + 0.5));
            const double norm = 1 - parameters.b + parameters.b * static_cast<double>(length) / average;
            sum += idf * tf * (parameters.k1 + 1) / (tf + parameters.k1 * norm);
          }
          questions_[q].best.push_back({-static_cast<float>(sum), row});
          if (questions_[q].best.size() >= 8 * kTiesMax) KeepBest(questions_[q].best);
        }
      }
    });
    for (Question& question : questions_) KeepBest(question.best);
  }

  void Print() const {
    std::printf("[");
    for (size_t q = 0; q < questions_.size(); ++q) {
      std::printf("%s[", q == 0 ? "" : ", ");
      const auto& best = questions_[q].best;
      for (size_t i = 0; i < best.size(); ++i) std::printf("%s%u", i == 0 ? "" : ", ", best[i].second);
      std::printf("]");
    }
    std::printf("]\n");
  }

 private:
  // Calls take(row, length) with count_ set for the words of the row that are asked for, which here_ lists.
  template <typename Take>
  void EachRow(const char* corpus, Take take) {
    std::ifstream lines(corpus);
    uint32_t row = 0;
    for (std::string line; std::getline(lines, line); ++row) {
      size_t length = 0;
      EachWord(line, [&](std::string_view word) {
        ++length;
        const auto found = numbers_.find(word);
        if (found != numbers_.end() && count_[found->second]++ == 0) here_.push_back(found->second);
      });
      take(row, length);
      for (const size_t word : here_) count_[word] = 0;
      here_.clear();
    }
  }

  void KeepBest(std::vector<std::pair<float, uint32_t>>& best) const {
    std::sort(best.begin(), best.end());
    if (best.size() <= limit_) return;
    size_t end = limit_;
    while (end < best.size() && end < kTiesMax && best[end].first == best[limit_ - 1].first) ++end;
    best.resize(end);
  }

  const size_t limit_;
  std::vector<Question> questions_;
  std::unordered_map<std::string, size_t, HashOf, std::equal_to<>> numbers_;
  // By word.
  std::vector<std::vector<size_t>> askers_;
  std::vector<uint64_t> rows_of_;
  std::vector<uint32_t> count_;
  std::vector<size_t> here_;
  uint64_t rows_ = 0;
  uint64_t tokens_ = 0;
};

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: keyword_exact CORPUS QUESTIONS LIMIT\n");
    return 2;
  }
  ragtime::Exact exact(argv[2], std::strtoull(argv[3], nullptr, 10));
  exact.CountRows(argv[1]);
  exact.Score(argv[1]);
  exact.Print();
  return 0;
}
