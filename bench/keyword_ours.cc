// SPDX-License-Identifier: Apache-2.0
//
// Our side of bench/keyword_search.py:
//   keyword_ours words                      reads a text a line and prints its words, one space between them
//   keyword_ours build CORPUS FOLDER SEGMENT_ROWS
//   keyword_ours ask QUESTIONS FOLDER ROUNDS SECONDS [DELETED_PERCENT]
//
// CORPUS holds the words of a row a line, QUESTIONS those of a question. The rows are put into indexes of SEGMENT_ROWS,
// one file each, as the segments of a store are. A question is asked as the store asks it: its words are counted in
// every index, then every index is searched, knowing what the ones before it found. Both print one JSON line: what
// building took, from reading the corpus to files on disk, and the bytes; what opening and the first question took,
// and for the ten and the hundred best rows the time of each question (the least of ROUNDS, as many as SECONDS let)
// and its rows.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/stopwatch.h"
#include "index/bm25/bm25_format.h"
#include "index/bm25/bm25_index.h"
#include "keyword_words.h"
#include "text/token_table.h"
#include "text/words.h"

namespace ragtime {
namespace {

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

std::filesystem::path PartPath(const std::filesystem::path& folder, size_t part) {
  return folder / (std::to_string(part) + ".bm25");
}

Status Build(const char* corpus, const std::filesystem::path& folder, size_t segment_rows) {
  const Stopwatch stopwatch;
  std::filesystem::create_directories(folder);
  std::ifstream lines(corpus);
  size_t parts = 0;
  size_t bytes = 0;
  uint64_t rows = 0;
  uint64_t tokens = 0;
  TokenTable table;
  const auto write = [&]() -> Status {
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::byte> part, Bm25IndexType().Build(table.rows()));
    bytes += part.size();
    tokens += table.tokens();
    table = TokenTable();
    return WriteFileDurably(PartPath(folder, parts++), part);
  };
  for (std::string line; std::getline(lines, line);) {
    EachWord(line, [&](std::string_view word) { table.Add(word); });
    table.EndRow();
    if (++rows % segment_rows == 0) RAGTIME_RETURN_IF_ERROR(write());
  }
  if (rows % segment_rows != 0) RAGTIME_RETURN_IF_ERROR(write());
  std::ofstream(folder / "statistics") << rows << ' ' << tokens << '\n';
  std::printf("{\"rows\": %llu, \"words\": %llu, \"build_ms\": %.1f, \"bytes\": %zu}\n",
              static_cast<unsigned long long>(rows), static_cast<unsigned long long>(tokens), stopwatch.ElapsedMs(),
              bytes);
  return Status();
}

struct Part {
  uint32_t first_row = 0;
  MappedFile file;
  std::unique_ptr<KeywordIndex> index;
  std::vector<uint64_t> deleted;
};

class Corpus {
 public:
  Status Open(const std::filesystem::path& folder) {
    if (!(std::ifstream(folder / "statistics") >> statistics_.nodes >> statistics_.tokens)) {
      return NotFoundError(folder.string() + " holds no index", "build it first");
    }
    uint32_t first_row = 0;
    for (size_t i = 0; std::filesystem::exists(PartPath(folder, i)); ++i) {
      Part part;
      part.first_row = first_row;
      RAGTIME_ASSIGN_OR_RETURN(part.file, MappedFile::Open(PartPath(folder, i)));
      RAGTIME_ASSIGN_OR_RETURN(part.index, Bm25IndexType().Open(part.file.bytes()));
      first_row += static_cast<uint32_t>(RowsOf(part));
      parts_.push_back(std::move(part));
    }
    return Status();
  }

  // Deletes rows here and there, the same in every run. The statistics then count as many words less on average.
  void Delete(uint32_t percent) {
    const uint64_t rows = statistics_.nodes;
    for (Part& part : parts_) {
      part.deleted.resize((RowsOf(part) + 63) / 64);
      for (uint32_t r = 0; r < RowsOf(part); ++r) {
        if ((part.first_row + r) * uint64_t{2654435761} % 100 >= percent) continue;
        part.deleted[r / 64] |= uint64_t{1} << (r % 64);
        --statistics_.nodes;
      }
    }
    statistics_.tokens = statistics_.tokens * statistics_.nodes / rows;
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

 private:
  static uint64_t RowsOf(const Part& part) {
    return reinterpret_cast<const Bm25Header*>(part.file.bytes().data())->rows;
  }

  std::vector<Part> parts_;
  KeywordStatistics statistics_;
};

// Prints the times of the questions that were asked in `seconds`, at least one, and what was found.
Status Ask(const Corpus& corpus, const std::vector<std::vector<WeightedTerm>>& questions, size_t limit, int rounds,
           double seconds) {
  std::vector<double> least_us;
  std::vector<std::vector<RowHit>> hits;
  const Stopwatch all;
  const auto time_left = [&] { return least_us.empty() || all.ElapsedMs() < seconds * 1000; };
  for (int round = 0; round < rounds && time_left(); ++round) {
    const size_t end = round == 0 ? questions.size() : least_us.size();
    for (size_t q = 0; q < end && time_left(); ++q) {
      const Stopwatch stopwatch;
      RAGTIME_ASSIGN_OR_RETURN(std::vector<RowHit> found, corpus.Search(questions[q], limit));
      const double us = stopwatch.ElapsedMs() * 1000;
      if (round > 0) {
        least_us[q] = std::min(least_us[q], us);
        continue;
      }
      least_us.push_back(us);
      hits.push_back(std::move(found));
    }
  }
  std::printf(", \"us_%zu\": [", limit);
  for (size_t q = 0; q < hits.size(); ++q) std::printf("%s%.2f", q == 0 ? "" : ", ", least_us[q]);
  std::printf("], \"hits_%zu\": [", limit);
  for (size_t q = 0; q < hits.size(); ++q) {
    std::printf("%s[", q == 0 ? "" : ", ");
    for (size_t i = 0; i < hits[q].size(); ++i) std::printf("%s%u", i == 0 ? "" : ", ", hits[q][i].row);
    std::printf("]");
  }
  std::printf("]");
  return Status();
}

Status AskAll(int argc, char** argv) {
  std::vector<std::vector<WeightedTerm>> questions;
  std::ifstream lines(argv[2]);
  for (std::string line; std::getline(lines, line);) {
    questions.emplace_back();
    EachWord(line, [&](std::string_view word) { questions.back().push_back({.term = std::string(word)}); });
  }
  if (questions.empty()) return InvalidArgumentError(std::string(argv[2]) + " holds no questions");
  const Stopwatch stopwatch;
  Corpus corpus;
  RAGTIME_RETURN_IF_ERROR(corpus.Open(argv[3]));
  const double open_ms = stopwatch.ElapsedMs();
  RAGTIME_RETURN_IF_ERROR(corpus.Search(questions[0], 10).status());
  std::printf("{\"open_ms\": %.3f, \"first_ms\": %.3f", open_ms, stopwatch.ElapsedMs() - open_ms);
  if (argc > 6) corpus.Delete(static_cast<uint32_t>(std::atoi(argv[6])));
  for (const size_t limit : {10, 100}) {
    RAGTIME_RETURN_IF_ERROR(Ask(corpus, questions, limit, std::atoi(argv[4]), std::atof(argv[5])));
  }
  std::printf("}\n");
  return Status();
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "words" && argc == 2) return ragtime::PrintWords();
  ragtime::Status status;
  if (verb == "build" && argc == 5) {
    status = ragtime::Build(argv[2], argv[3], std::strtoull(argv[4], nullptr, 10));
  } else if (verb == "ask" && argc >= 6) {
    status = ragtime::AskAll(argc, argv);
  } else {
    std::fprintf(stderr,
                 "usage: keyword_ours words < TEXTS\n"
                 "       keyword_ours build CORPUS FOLDER SEGMENT_ROWS\n"
                 "       keyword_ours ask QUESTIONS FOLDER ROUNDS SECONDS [DELETED_PERCENT]\n");
    return 2;
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
