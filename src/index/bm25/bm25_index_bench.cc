// SPDX-License-Identifier: Apache-2.0
//
// Times BM25. Usage: bm25_index_bench TEXT [CHUNK_BYTES]. Cuts the file into chunks at spaces, builds, and asks with
// words of random chunks: 2 to 6 of them, common ones included, as questions have them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "base/files.h"
#include "base/stopwatch.h"
#include "index/bm25/bm25_index.h"
#include "text/token_table.h"
#include "text/words.h"

namespace {

std::vector<std::string> CutIntoChunks(const std::string& text, size_t size) {
  std::vector<std::string> chunks;
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(start + size, text.size());
    while (end < text.size() && text[end] != ' ' && text[end] != '\n') ++end;
    chunks.push_back(text.substr(start, end - start));
    start = end;
  }
  return chunks;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bm25_index_bench TEXT [CHUNK_BYTES]\n");
    return 2;
  }
  const auto text = ragtime::ReadFile(argv[1]);
  const size_t chunk_size = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 240;
  if (!text.ok() || chunk_size == 0) {
    std::fprintf(stderr, "%s\n", text.status().ToString().c_str());
    return 1;
  }
  const auto chunks = CutIntoChunks(*text, chunk_size);
  ragtime::Stopwatch split_watch;
  std::vector<std::vector<std::string>> rows;
  ragtime::KeywordStatistics statistics{chunks.size(), 0};
  for (const std::string& chunk : chunks) {
    rows.push_back(ragtime::SplitWords(chunk));
    statistics.tokens += rows.back().size();
  }
  const double split_ms = split_watch.ElapsedMs();
  const ragtime::Bm25IndexType type;
  ragtime::Stopwatch build_watch;
  const auto bytes = type.Build(ragtime::TokenTable(rows).rows());
  const double build_ms = build_watch.ElapsedMs();
  if (!bytes.ok()) return 1;
  std::printf("%zu chunks, %llu words: split %.0f ms, build %.0f ms (%.0f rows/s), %zu bytes for %zu of text\n",
              chunks.size(), static_cast<unsigned long long>(statistics.tokens), split_ms, build_ms,
              static_cast<double>(rows.size()) / build_ms * 1000, bytes->size(), text->size());
  const auto index = type.Open(*bytes);
  if (!index.ok()) return 1;
  std::mt19937 random(1);
  std::vector<double> times_ms;
  double postings = 0;
  for (int q = 0; q < 2000; ++q) {
    std::vector<ragtime::WeightedTerm> terms;
    const auto& row = rows[random() % rows.size()];
    for (size_t n = 2 + random() % 5; n > 0 && !row.empty(); --n) terms.push_back({row[random() % row.size()], 1, 0});
    ragtime::Stopwatch watch;
    for (auto& term : terms) term.nodes = *(*index)->CountRows(term.term, {});
    const auto hits = (*index)->Search({}, terms, statistics, 10, {});
    times_ms.push_back(watch.ElapsedMs());
    if (!hits.ok()) return 1;
    for (const auto& term : terms) postings += static_cast<double>(term.nodes);
  }
  std::sort(times_ms.begin(), times_ms.end());
  std::printf("2,000 questions, %.0f postings each: median %.3f ms, p95 %.3f ms, p99 %.3f ms\n", postings / 2000,
              times_ms[1000], times_ms[1900], times_ms[1980]);
  return 0;
}
