// SPDX-License-Identifier: Apache-2.0
//
// vector_search builds a vector index over a file of vectors and searches it: recall against a full scan, queries in a
// second of one thread, time of the build, bytes. bench/vector.py runs it beside other libraries.
//
// vector_search VECTORS QUERIES DIMENSION ROWS TYPE [M EF_CONSTRUCTION EF,EF,... [K [SELECTED_PERCENT]]]
// VECTORS and QUERIES hold float32, row by row; TYPE is HNSW, FLAT, IVF_FLAT, IVF_SQ8, IVF_PQ or PQ. Of IVF_* M is
// nlist (0: by the rows) and EF nprobe; of PQ, M is m and EF refine_k. One line of JSON for each measurement.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/stopwatch.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/hnsw_index.h"
#include "index/ivf/ivf_index.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/kernels.h"

namespace {

using namespace ragtime;

// Time that this thread has had: other work on the machine disturbs it less.
double ThreadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

int Fail(const Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

struct Run {
  double seconds = 0;
  double p99_ms = 0;
  double recall = 0;
};

// A hit counts by its score, since equally near rows may stand for each other.
Result<Run> Measure(const VectorIndex& index, VectorMatrix queries, size_t k, const RowSelection& selection,
                    const VectorSearchParameters& parameters, const std::vector<float>& worst_scores) {
  Run run;
  std::vector<double> times;
  size_t found = 0;
  for (size_t q = 0; q < queries.rows; ++q) {
    const double start = ThreadSeconds();
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RowHit> hits,
                             index.Search({}, queries.row(q), k, selection, parameters));
    times.push_back(ThreadSeconds() - start);
    run.seconds += times.back();
    for (const RowHit& hit : hits) found += hit.score >= worst_scores[q] ? 1 : 0;
  }
  std::sort(times.begin(), times.end());
  run.p99_ms = times[times.size() * 99 / 100] * 1e3;
  run.recall = static_cast<double>(found) / static_cast<double>(queries.rows * k);
  return run;
}

int Bench(int argc, char** argv) {
  const size_t dimension = std::strtoul(argv[3], nullptr, 10);
  const size_t rows_max = std::strtoul(argv[4], nullptr, 10);
  const std::string type = argv[5];
  auto vectors_file = MappedFile::Open(argv[1]);
  if (!vectors_file.ok()) return Fail(vectors_file.status());
  auto queries_file = MappedFile::Open(argv[2]);
  if (!queries_file.ok()) return Fail(queries_file.status());
  const auto matrix = [dimension](const MappedFile& file) {
    return VectorMatrix{reinterpret_cast<const float*>(file.bytes().data()),
                        file.bytes().size() / sizeof(float) / dimension, dimension};
  };
  VectorMatrix vectors = matrix(*vectors_file);
  VectorMatrix queries = matrix(*queries_file);
  vectors.rows = std::min(vectors.rows, rows_max);
  queries.rows = std::min<size_t>(queries.rows, 1000);
  HnswParameters parameters;
  std::string efs = "16,24,32,48,64,96,128,192,256,384";
  size_t k = 10;
  if (argc > 6) parameters.m = static_cast<uint32_t>(std::strtoul(argv[6], nullptr, 10));
  if (argc > 7) parameters.ef_construction = static_cast<uint32_t>(std::strtoul(argv[7], nullptr, 10));
  if (argc > 8) efs = argv[8];
  if (argc > 9) k = std::strtoul(argv[9], nullptr, 10);
  const double selected_percent = argc > 10 ? std::strtod(argv[10], nullptr) : 100;

  std::unique_ptr<VectorIndexType> index_type;
  if (type == "FLAT") {
    index_type = std::make_unique<FlatIndexType>();
  } else if (type.starts_with("IVF_")) {
    const IvfKind kind = type == "IVF_FLAT"  ? IvfKind::kIvfFlat
                         : type == "IVF_SQ8" ? IvfKind::kIvfSq8
                                             : IvfKind::kIvfPq;
    index_type = std::make_unique<IvfIndexType>(kind, IvfParameters{.nlist = argc > 6 ? parameters.m : 0});
  } else if (type == "PQ") {
    index_type = std::make_unique<IvfIndexType>(IvfKind::kPq, IvfParameters{.m = argc > 6 ? parameters.m : 0});
  } else {
    index_type = std::make_unique<HnswIndexType>(parameters);
  }
  const Stopwatch build_watch;
  auto bytes = index_type->Build({}, vectors, Metric::kCosine);
  if (!bytes.ok()) return Fail(bytes.status());
  const double build_s = build_watch.ElapsedMs() / 1000;
  const Stopwatch open_watch;
  auto index = index_type->Open(*bytes, vectors, Metric::kCosine);
  if (!index.ok()) return Fail(index.status());
  std::printf(
      "{\"side\": \"ragtime-%s\", \"rows\": %zu, \"dimension\": %zu, \"kernels\": \"%s\", \"build_s\": %.2f, "
      "\"bytes_a_row\": %.0f, \"open_ms\": %.3f}\n",
      type.c_str(), vectors.rows, dimension, BestKernels().name, build_s,
      static_cast<double>(bytes->size()) / static_cast<double>(vectors.rows), open_watch.ElapsedMs());

  std::vector<uint64_t> excluded;
  if (selected_percent < 100) {
    std::mt19937 random(1);
    std::uniform_real_distribution<double> uniform(0, 100);
    excluded.resize((vectors.rows + 63) / 64);
    for (size_t row = 0; row < vectors.rows; ++row) {
      if (uniform(random) >= selected_percent) excluded[row / 64] |= uint64_t{1} << (row % 64);
    }
  }
  const RowSelection selection(RowBitmap{excluded});
  std::vector<float> worst_scores;
  for (size_t q = 0; q < queries.rows; ++q) {
    auto hits = ScanExactly({}, vectors, Metric::kCosine, queries.row(q), k, selection);
    if (!hits.ok()) return Fail(hits.status());
    worst_scores.push_back(hits->back().score);
  }
  for (size_t at = 0; at < efs.size();) {
    const size_t end = std::min(efs.find(',', at), efs.size());
    const auto ef = static_cast<uint32_t>(std::strtoul(efs.substr(at, end - at).c_str(), nullptr, 10));
    at = end + 1;
    Run best;
    for (int round = 0; round < 3; ++round) {
      auto run = Measure(**index, queries, k, selection, {.ef = ef, .nprobe = ef, .refine_k = type == "PQ" ? ef : 0},
                         worst_scores);
      if (!run.ok()) return Fail(run.status());
      if (round == 0 || run->seconds < best.seconds) best = *run;
    }
    std::printf(
        "{\"side\": \"ragtime-%s\", \"m\": %u, \"ef_construction\": %u, \"ef\": %u, \"k\": %zu, "
        "\"selected_percent\": %g, \"recall\": %.4f, \"qps\": %.0f, \"p99_ms\": %.3f}\n",
        type.c_str(), parameters.m, parameters.ef_construction, ef, k, selected_percent, best.recall,
        static_cast<double>(queries.rows) / best.seconds, best.p99_ms);
    std::fflush(stdout);
    if (type == "FLAT") break;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 6) return Bench(argc, argv);
  std::fprintf(stderr,
               "usage: vector_search VECTORS QUERIES DIMENSION ROWS TYPE [M EF_CONSTRUCTION EF,EF,... [K "
               "[SELECTED_PERCENT]]]\n");
  return 2;
}
