// SPDX-License-Identifier: Apache-2.0
//
// Our side of bench/keyword_search.py:
//   keyword_ours words              reads a text a line and prints its words, one space between them
//   keyword_ours search CORPUS QUERIES SEGMENT_ROWS ROUNDS [DELETED_PERCENT]
//
// CORPUS holds the words of a row a line, QUERIES those of a question. The rows are put into indexes of SEGMENT_ROWS,
// one after the other, as the segments of a store are. A question is asked as the store asks it: its words are counted
// in every index, then every index is searched, knowing what the ones before it found. Prints one JSON line: what
// building took, the bytes, and for the ten and the hundred best rows the time of each question (the least of ROUNDS)
// and its rows.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "index/bm25/bm25_index.h"
#include "text/token_table.h"
#include "text/words.h"

namespace ragtime {
namespace {

std::vector<std::string> ReadWords(const std::string& line) {
  std::istringstream words(line);
  std::vector<std::string> all;
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

int PrintWords() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    bool first = true;
    for (const std::string& word : SplitWords(line)) {
      std::cout << (first ? "" : " ") << word;
      first = false;
    }
    std::cout << '\n';
  }
  return 0;
}

struct Part {
  uint32_t first_row = 0;
  std::vector<std::byte> bytes;
  std::unique_ptr<KeywordIndex> index;
  std::vector<uint64_t> deleted;
};

class Corpus {
 public:
  Status Build(const char* path, size_t segment_rows, uint32_t deleted_percent) {
    std::ifstream lines(path);
    std::vector<std::vector<std::string>> rows;
    uint32_t row = 0;
    for (std::string line; std::getline(lines, line);) {
      words_bytes_ += line.size() + 1;
      rows.push_back(ReadWords(line));
      if (rows.size() == segment_rows) RAGTIME_RETURN_IF_ERROR(Add(rows, row, deleted_percent));
    }
    return rows.empty() ? Status() : Add(rows, row, deleted_percent);
  }

  Result<std::vector<RowHit>> Search(std::vector<WeightedTerm> terms, size_t limit) const {
    for (const Part& part : parts_) {
      for (WeightedTerm& term : terms) {
        RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, part.index->CountRows(term.term, {part.deleted}));
        term.nodes += count;
      }
    }
    std::vector<RowHit> hits;
    for (const Part& part : parts_) {
      RowSelection selection(RowBitmap{part.deleted});
      if (hits.size() >= limit) selection.least_score = hits.back().score;
      RAGTIME_ASSIGN_OR_RETURN(std::vector<RowHit> found,
                               part.index->Search(Context{}, terms, statistics_, limit, selection));
      for (RowHit& hit : found) hit.row += part.first_row;
      hits.insert(hits.end(), found.begin(), found.end());
      std::sort(hits.begin(), hits.end(), [](const RowHit& a, const RowHit& b) {
        return a.score > b.score || (a.score == b.score && a.row < b.row);
      });
      hits.resize(std::min(hits.size(), limit));
    }
    return hits;
  }

  void PrintBuild() const {
    size_t bytes = 0;
    for (const Part& part : parts_) bytes += part.bytes.size();
    std::printf("\"rows\": %llu, \"words\": %llu, \"words_bytes\": %zu, \"build_ms\": %.1f, \"bytes\": %zu, ",
                static_cast<unsigned long long>(rows_), static_cast<unsigned long long>(statistics_.tokens),
                words_bytes_, build_ms_, bytes);
  }

 private:
  Status Add(std::vector<std::vector<std::string>>& rows, uint32_t& first_row, uint32_t deleted_percent) {
    const Bm25IndexType type;
    Part part;
    part.first_row = first_row;
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(part.bytes, type.Build(TokenTable(rows).rows()));
    build_ms_ += stopwatch.ElapsedMs();
    if (deleted_percent > 0) part.deleted.resize((rows.size() + 63) / 64);
    for (uint32_t r = 0; r < rows.size(); ++r) {
      // Scattered, and the same in every run.
      if ((first_row + r) * uint64_t{2654435761} % 100 < deleted_percent) {
        part.deleted[r / 64] |= uint64_t{1} << (r % 64);
        continue;
      }
      ++statistics_.nodes;
      statistics_.tokens += rows[r].size();
    }
    RAGTIME_ASSIGN_OR_RETURN(part.index, type.Open(part.bytes));
    first_row += static_cast<uint32_t>(rows.size());
    rows_ = first_row;
    rows.clear();
    parts_.push_back(std::move(part));
    return Status();
  }

  std::vector<Part> parts_;
  KeywordStatistics statistics_;
  uint64_t rows_ = 0;
  size_t words_bytes_ = 0;
  double build_ms_ = 0;
};

Status Ask(const Corpus& corpus, const std::vector<std::vector<WeightedTerm>>& questions, size_t limit, int rounds) {
  std::vector<double> least_us(questions.size(), 1e30);
  std::vector<std::vector<RowHit>> hits(questions.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t q = 0; q < questions.size(); ++q) {
      const Stopwatch stopwatch;
      RAGTIME_ASSIGN_OR_RETURN(hits[q], corpus.Search(questions[q], limit));
      least_us[q] = std::min(least_us[q], stopwatch.ElapsedMs() * 1000);
    }
  }
  std::printf("\"us_%zu\": [", limit);
  for (size_t q = 0; q < questions.size(); ++q) std::printf("%s%.2f", q == 0 ? "" : ", ", least_us[q]);
  std::printf("], \"hits_%zu\": [", limit);
  for (size_t q = 0; q < questions.size(); ++q) {
    std::printf("%s[", q == 0 ? "" : ", ");
    for (size_t i = 0; i < hits[q].size(); ++i) std::printf("%s%u", i == 0 ? "" : ", ", hits[q][i].row);
    std::printf("]");
  }
  std::printf("]");
  return Status();
}

Status Run(int argc, char** argv) {
  Corpus corpus;
  RAGTIME_RETURN_IF_ERROR(corpus.Build(argv[2], std::strtoull(argv[4], nullptr, 10),
                                       argc > 6 ? static_cast<uint32_t>(std::atoi(argv[6])) : 0));
  std::vector<std::vector<WeightedTerm>> questions;
  std::ifstream lines(argv[3]);
  for (std::string line; std::getline(lines, line);) {
    questions.emplace_back();
    for (std::string& word : ReadWords(line)) questions.back().push_back({.term = std::move(word)});
  }
  std::printf("{");
  corpus.PrintBuild();
  RAGTIME_RETURN_IF_ERROR(Ask(corpus, questions, 10, std::atoi(argv[5])));
  std::printf(", ");
  RAGTIME_RETURN_IF_ERROR(Ask(corpus, questions, 100, std::atoi(argv[5])));
  std::printf("}\n");
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "words" && argc == 2) return ragtime::PrintWords();
  if (verb != "search" || argc < 6) {
    std::fprintf(stderr,
                 "usage: keyword_ours words < TEXTS\n"
                 "       keyword_ours search CORPUS QUERIES SEGMENT_ROWS ROUNDS [DELETED_PERCENT]\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Run(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
