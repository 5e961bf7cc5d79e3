// SPDX-License-Identifier: Apache-2.0
//
// vector_search builds a vector index over a file of vectors and searches it: recall against a full scan, queries in a
// second, time of the build and of opening, bytes. bench/vector.py runs it beside other libraries.
//
// vector_search VECTORS QUERIES DIMENSION TYPE [OPTION VALUE]...
// VECTORS and QUERIES hold float32, row by row; TYPE is HNSW, HNSW_FAST, FLAT, IVF_FLAT, IVF_SQ8, IVF_PQ or PQ. One
// line of JSON for each measurement. Of IVF_* --ef is nprobe, of PQ refine_k.
//   --rows N            the first N vectors only
//   --m, --ef-construction, --ef 16,24,...
//   --k 10,100          how many are looked for
//   --threads 1,2       that search at the same time, one query each
//   --clock processor   or wall, which is right for several threads on a machine that does nothing else
//   --excluded FILE     a bitmap of rows that no hit may be, 64 to a word
//   --index FILE        is opened if it is there, else built and written
//   --worst FILE        the worst score of each query's hits, what a scan finds, is kept in FILE.K, for the next run
//   --measure no        ends when the index has been opened
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/median.h"
#include "base/stopwatch.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/fast_hnsw_index.h"
#include "index/hnsw/hnsw_index.h"
#include "index/ivf/ivf_index.h"
#include "index/kernels/coded_rows.h"
#include "index/kernels/kernels.h"

namespace {

using namespace ragtime;

constexpr size_t kRounds = 3;
constexpr size_t kQueriesMax = 1000;

// Processor time of a thread or of the process: other work on the machine disturbs it less.
double SecondsOf(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
double ThreadSeconds() { return SecondsOf(CLOCK_THREAD_CPUTIME_ID); }

using Options = std::map<std::string, std::string>;

std::vector<uint32_t> Numbers(const std::string& list) {
  std::vector<uint32_t> numbers;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    numbers.push_back(static_cast<uint32_t>(std::strtoul(list.substr(at, end - at).c_str(), nullptr, 10)));
    at = end + 1;
  }
  return numbers;
}

struct Run {
  double seconds = 0;  // Of one thread.
  double p99_ms = 0;
  double recall = 0;
};

struct Measurement {
  bool by_wall = false;
  const VectorIndex& index;
  VectorMatrix queries;
  RowSelection selection;
  size_t k = 10;
  std::vector<float> worst_scores = {};  // Of what a scan finds, by query.
};

// A hit counts by its score, since equally near rows may stand for each other.
Result<Run> Measure(const Measurement& measurement, const VectorSearchParameters& parameters, size_t threads) {
  std::mutex mutex;
  std::vector<double> times;  // Guarded by mutex; so are the next two.
  size_t found = 0;
  Status failure;
  const Stopwatch watch;
  const auto search = [&](size_t thread) {
    for (size_t q = thread; q < measurement.queries.rows; q += threads) {
      const Stopwatch one;
      const double start = measurement.by_wall ? 0 : ThreadSeconds();
      const auto hits =
          measurement.index.Search({}, measurement.queries.row(q), measurement.k, measurement.selection, parameters);
      const double seconds = measurement.by_wall ? one.ElapsedMs() / 1000 : ThreadSeconds() - start;
      const std::lock_guard lock(mutex);
      times.push_back(seconds);
      if (!hits.ok()) {
        failure = hits.status();
        return;
      }
      for (const RowHit& hit : *hits) found += hit.score >= measurement.worst_scores[q] ? 1 : 0;
    }
  };
  std::vector<std::thread> started;
  for (size_t thread = 1; thread < threads; ++thread) started.emplace_back(search, thread);
  search(0);
  for (std::thread& thread : started) thread.join();
  const double wall_seconds = watch.ElapsedMs() / 1000;
  RAGTIME_RETURN_IF_ERROR(failure);
  Run run;
  for (const double seconds : times) run.seconds += seconds;
  run.seconds /= static_cast<double>(threads);
  if (measurement.by_wall) run.seconds = wall_seconds;
  run.p99_ms = Quantile(times, 0.99) * 1e3;
  run.recall = static_cast<double>(found) / static_cast<double>(measurement.queries.rows * measurement.k);
  return run;
}

Status WriteBytes(const std::string& path, std::span<const std::byte> bytes) {
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) return InternalError("cannot write " + part);
  std::filesystem::rename(part, path);
  return Status();
}

Result<std::vector<float>> WorstScores(VectorMatrix vectors, const Measurement& measurement, std::string path) {
  const size_t count = measurement.queries.rows;
  if (!path.empty()) path += "." + std::to_string(measurement.k);
  if (std::error_code none; !path.empty() && std::filesystem::file_size(path, none) == count * sizeof(float)) {
    RAGTIME_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    const auto* scores = reinterpret_cast<const float*>(file.bytes().data());
    return std::vector<float>(scores, scores + count);
  }
  std::vector<float> worst;
  for (size_t q = 0; q < count; ++q) {
    RAGTIME_ASSIGN_OR_RETURN(const auto hits, ScanExactly({}, vectors, Metric::kCosine, measurement.queries.row(q),
                                                          measurement.k, measurement.selection));
    if (hits.size() < measurement.k) return InvalidArgumentError("fewer rows are left than are looked for");
    worst.push_back(hits.back().score);
  }
  if (!path.empty()) RAGTIME_RETURN_IF_ERROR(WriteBytes(path, std::as_bytes(std::span(worst))));
  return worst;
}

Status Bench(const std::string& vectors_path, const std::string& queries_path, size_t dimension,
             const std::string& type, Options options) {
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile vectors_file, MappedFile::Open(vectors_path));
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile queries_file, MappedFile::Open(queries_path));
  const auto matrix = [dimension](const MappedFile& file, size_t most) {
    return VectorMatrix{reinterpret_cast<const float*>(file.bytes().data()),
                        std::min(most, file.bytes().size() / sizeof(float) / dimension), dimension};
  };
  const size_t rows_max = options["--rows"].empty() ? SIZE_MAX : std::strtoul(options["--rows"].c_str(), nullptr, 10);
  const VectorMatrix vectors = matrix(vectors_file, rows_max);
  const VectorMatrix queries = matrix(queries_file, kQueriesMax);
  HnswParameters parameters;
  if (!options["--m"].empty()) parameters.m = Numbers(options["--m"])[0];
  if (!options["--ef-construction"].empty()) parameters.ef_construction = Numbers(options["--ef-construction"])[0];

  std::unique_ptr<VectorIndexType> index_type;
  if (type == "FLAT") {
    index_type = std::make_unique<FlatIndexType>();
  }
  if (type == "HNSW_FAST") {
    index_type = std::make_unique<FastHnswIndexType>(parameters);
  }
  for (const IvfKind kind : {IvfKind::kIvfFlat, IvfKind::kIvfSq8, IvfKind::kIvfPq, IvfKind::kPq}) {
    auto ivf = std::make_unique<IvfIndexType>(kind);
    if (ivf->name() == type) index_type = std::move(ivf);
  }
  if (index_type == nullptr) {
    index_type = std::make_unique<HnswIndexType>(parameters);
  }
  std::string path = options["--index"];
  if (path.empty())
    path = (std::filesystem::temp_directory_path() / ("vector_search." + std::to_string(getpid()))).string();
  if (!std::filesystem::exists(path)) {
    const Stopwatch build_watch;
    const double build_start = SecondsOf(CLOCK_PROCESS_CPUTIME_ID);
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, index_type->Build({}, vectors, Metric::kCosine));
    std::printf("{\"side\": \"ragtime-%s\", \"rows\": %zu, \"build_s\": %.2f, \"build_cpu_s\": %.2f}\n", type.c_str(),
                vectors.rows, build_watch.ElapsedMs() / 1000, SecondsOf(CLOCK_PROCESS_CPUTIME_ID) - build_start);
    RAGTIME_RETURN_IF_ERROR(WriteBytes(path, bytes));
  }
  const Stopwatch open_watch;
  RAGTIME_ASSIGN_OR_RETURN(const MappedFile index_file, MappedFile::Open(path));
  if (options["--index"].empty()) std::filesystem::remove(path);
  RAGTIME_ASSIGN_OR_RETURN(const auto index, index_type->OpenInFile(index_file.bytes(), vectors, Metric::kCosine, {}));
  const double open_ms = open_watch.ElapsedMs();
  const Stopwatch first_watch;
  RAGTIME_RETURN_IF_ERROR(index->Search({}, queries.row(0), 10, RowBitmap{}).status());
  std::printf(
      "{\"side\": \"ragtime-%s\", \"rows\": %zu, \"dimension\": %zu, \"kernels\": \"%s\", \"bytes_a_row\": %.0f, "
      "\"open_ms\": %.3f, \"first_ms\": %.3f}\n",
      type.c_str(), vectors.rows, dimension, BestKernels().name,
      static_cast<double>(index_file.bytes().size()) / static_cast<double>(vectors.rows), open_ms,
      first_watch.ElapsedMs());

  std::optional<MappedFile> excluded;
  RowBitmap excluded_rows;
  if (!options["--excluded"].empty()) {
    RAGTIME_ASSIGN_OR_RETURN(excluded, MappedFile::Open(options["--excluded"]));
    excluded_rows.words = {reinterpret_cast<const uint64_t*>(excluded->bytes().data()),
                           excluded->bytes().size() / sizeof(uint64_t)};
  }
  if (options["--measure"] == "no") return Status();
  for (const uint32_t k : Numbers(options["--k"].empty() ? "10" : options["--k"])) {
    Measurement measurement{.by_wall = options["--clock"] == "wall",
                            .index = *index,
                            .queries = queries,
                            .selection = excluded_rows,
                            .k = k};
    RAGTIME_ASSIGN_OR_RETURN(measurement.worst_scores, WorstScores(vectors, measurement, options["--worst"]));
    for (const uint32_t ef : Numbers(options["--ef"].empty() ? "96" : options["--ef"])) {
      if (ef < k && type != "FLAT") continue;
      for (const uint32_t threads : Numbers(options["--threads"].empty() ? "1" : options["--threads"])) {
        Run best;
        for (size_t round = 0; round < kRounds; ++round) {
          RAGTIME_ASSIGN_OR_RETURN(
              const Run run,
              Measure(measurement, {.ef = ef, .nprobe = ef, .refine_k = type == "PQ" ? ef : 0}, threads));
          if (round == 0 || run.seconds < best.seconds) best = run;
        }
        std::printf(
            "{\"side\": \"ragtime-%s\", \"ef\": %u, \"k\": %u, \"threads\": %u, \"recall\": %.4f, \"qps\": %.0f, "
            "\"p99_ms\": %.3f}\n",
            type.c_str(), ef, k, threads, best.recall, static_cast<double>(queries.rows) / best.seconds, best.p99_ms);
        std::fflush(stdout);
      }
      if (type == "FLAT") break;
    }
  }
  return Status();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  bool known = argc >= 5 && argc % 2 == 1;
  for (int i = 5; known && i + 1 < argc; i += 2) {
    options[argv[i]] = argv[i + 1];
    known = std::string_view(argv[i]).starts_with("--");
  }
  if (!known) {
    std::fprintf(stderr,
                 "usage: vector_search VECTORS QUERIES DIMENSION TYPE [--rows N] [--m N] [--ef-construction N] "
                 "[--ef N,N] [--k N,N] [--threads N,N] [--clock processor|wall] [--excluded FILE] [--index FILE] "
                 "[--worst FILE] [--measure no]\n");
    return 2;
  }
  const Status status = Bench(argv[1], argv[2], std::strtoul(argv[3], nullptr, 10), argv[4], std::move(options));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
