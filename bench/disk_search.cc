// SPDX-License-Identifier: Apache-2.0
//
// disk_search measures DISKANN where memory is short: "make" generates vectors, their exact neighbours and an index in
// one file; "search" opens it in a fresh process, asks, and prints recall, queries a second, times, reads and memory.
//
// disk_search make FOLDER VECTORS QUERIES DIMENSION ROWS NOISE [BITS]
// disk_search search FOLDER DIMENSION THREADS SEARCH_LIST,... [BEAMWIDTH [MEMORY_BYTES_MAX [direct|buffered|pread]]]
//
// VECTORS and QUERIES hold float32 of length 1, row by row. More rows than VECTORS has are made of them: each is one of
// them with normal noise, whose covariance is that of the differences of neighbours in the file times NOISE.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/median.h"
#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "index/diskann/diskann_index.h"
#include "index/kernels/coded_rows.h"

namespace {

using namespace ragtime;

constexpr size_t kTop = 10;
constexpr size_t kQueries = 1000;
constexpr size_t kPage = 4096;

int Fail(const Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

VectorMatrix MatrixOf(std::span<const std::byte> bytes, size_t dimension) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float) / dimension, dimension};
}

// Rows of `base` moved by a mix of a few differences between rows that follow each other, which are texts of one
// subject: so the directions in which rows spread are those in which real ones do.
std::vector<float> Generate(VectorMatrix base, size_t rows, float noise) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const size_t n = base.dimension;
  std::vector<float> data(rows * n);
  for (size_t r = 0; r < rows; ++r) {
    float* row = data.data() + r * n;
    std::copy_n(base.row(r % base.rows).data(), n, row);
    if (r < base.rows) continue;
    constexpr int kMixed = 8;
    for (int d = 0; d < kMixed; ++d) {
      const size_t other = random() % (base.rows - 1);
      const float weight = noise * normal(random) / std::sqrt(2.0f * kMixed);
      for (size_t i = 0; i < n; ++i) row[i] += weight * (base.row(other + 1)[i] - base.row(other)[i]);
    }
    double norm = 0;
    for (size_t i = 0; i < n; ++i) norm += double{row[i]} * row[i];
    for (size_t i = 0; i < n; ++i) row[i] = static_cast<float>(row[i] / std::sqrt(norm));
  }
  return data;
}

int Make(int argc, char** argv) {
  const std::filesystem::path folder = argv[2];
  const size_t dimension = std::strtoul(argv[5], nullptr, 10);
  const size_t rows = std::strtoul(argv[6], nullptr, 10);
  const auto noise = std::strtof(argv[7], nullptr);
  const auto bits = static_cast<uint32_t>(argc > 8 ? std::strtoul(argv[8], nullptr, 10) : DiskannReading{}.bits);
  const auto base = MappedFile::Open(argv[3]);
  if (!base.ok()) return Fail(base.status());
  const auto queries_file = MappedFile::Open(argv[4]);
  if (!queries_file.ok()) return Fail(queries_file.status());
  const std::vector<float> data = Generate(MatrixOf(base->bytes(), dimension), rows, noise);
  const VectorMatrix vectors{data.data(), rows, dimension};
  VectorMatrix queries = MatrixOf(queries_file->bytes(), dimension);
  queries.rows = std::min(queries.rows, kQueries);
  const Stopwatch watch;
  const auto index = DiskannIndexType({}, {}, {.bits = bits}).Build({}, vectors, Metric::kCosine);
  if (!index.ok()) return Fail(index.status());
  std::printf("{\"rows\": %zu, \"dimension\": %zu, \"bits\": %u, \"build_s\": %.1f, \"bytes_a_row\": %.0f}\n", rows,
              dimension, bits, watch.ElapsedMs() / 1000,
              static_cast<double>(index->size()) / static_cast<double>(rows));
  // The worst score that counts as found.
  std::vector<float> worst(queries.rows);
  ThreadPool pool(0);
  pool.ParallelFor(queries.rows, [&](size_t q) {
    worst[q] = ScanExactly({}, vectors, Metric::kCosine, queries.row(q), kTop, {})->back().score;
  });
  std::filesystem::create_directories(folder);
  std::ofstream file(folder / "index", std::ios::binary);
  const std::vector<char> padding(kPage);
  file.write(reinterpret_cast<const char*>(index->data()), static_cast<std::streamsize>(index->size()));
  file.write(padding.data(), static_cast<std::streamsize>((kPage - index->size() % kPage) % kPage));
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size() * sizeof(float)));
  file.flush();
  std::ofstream(folder / "size") << index->size() << " " << rows << "\n";
  const auto queries_written =
      WriteFileDurably(folder / "queries", std::as_bytes(std::span(queries.data, queries.rows * queries.dimension)));
  if (!queries_written.ok()) return Fail(queries_written);
  const auto worst_written = WriteFileDurably(folder / "worst", std::as_bytes(std::span(worst)));
  return worst_written.ok() && file.good() ? 0 : Fail(worst_written);
}

// A number of kB of /proc/self/status.
size_t MemoryOf(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    size_t kb = 0;
    if (word == name + ":" && status >> kb) return kb;
  }
  return 0;
}

int Search(int argc, char** argv) {
  const std::filesystem::path folder = argv[2];
  const size_t dimension = std::strtoul(argv[3], nullptr, 10);
  const size_t threads = std::strtoul(argv[4], nullptr, 10);
  const std::string lists = argv[5];
  DiskannParameters parameters;
  if (argc > 6) parameters.beamwidth = static_cast<uint32_t>(std::strtoul(argv[6], nullptr, 10));
  if (argc > 7) parameters.memory_bytes_max = std::strtoull(argv[7], nullptr, 10);
  const std::string how = argc > 8 ? argv[8] : "direct";
  size_t size = 0;
  size_t rows = 0;
  std::ifstream(folder / "size") >> size >> rows;
  const auto file = OpenedFile::Open(folder / "index");
  if (!file.ok()) return Fail(file.status());
  const auto mapped = file->Map();
  if (!mapped.ok()) return Fail(mapped.status());
  const auto queries_text = ReadFile(folder / "queries");
  const auto worst_text = ReadFile(folder / "worst");
  if (!queries_text.ok()) return Fail(queries_text.status());
  if (!worst_text.ok()) return Fail(worst_text.status());
  const VectorMatrix queries = MatrixOf(std::as_bytes(std::span(*queries_text)), dimension);
  const auto* worst = reinterpret_cast<const float*>(worst_text->data());
  const size_t vectors_offset = (size + kPage - 1) / kPage * kPage;
  const std::string path = (folder / "index").string();
  const DiskannIndexType type({}, parameters, {.io_uring = how != "pread", .direct = how != "buffered"});
  const Stopwatch open_watch;
  const auto index = type.OpenInFile(
      mapped->bytes().first(size), MatrixOf(mapped->bytes().subspan(vectors_offset), dimension), Metric::kCosine,
      {.descriptor = file->descriptor(), .path = path, .vectors_offset = vectors_offset});
  if (!index.ok()) return Fail(index.status());
  std::printf("{\"open_ms\": %.3f}\n", open_watch.ElapsedMs());
  for (size_t at = 0; at < lists.size();) {
    const size_t end = std::min(lists.find(',', at), lists.size());
    const auto list = static_cast<uint32_t>(std::strtoul(lists.substr(at, end - at).c_str(), nullptr, 10));
    at = end + 1;
    // The first round fills the cache.
    for (const char* round : {"first", "second"}) {
      std::vector<double> times_ms(queries.rows);
      std::atomic<size_t> found = 0;
      std::atomic<size_t> next = 0;
      std::atomic<bool> failed = false;
      const uint64_t reads = type.statistics().reads;
      const Stopwatch watch;
      std::vector<std::thread> workers;
      for (size_t t = 0; t < threads; ++t) {
        workers.emplace_back([&] {
          for (size_t q = next++; q < queries.rows; q = next++) {
            const Stopwatch one;
            const auto hits = (*index)->Search({}, queries.row(q), kTop, {}, {.ef = list});
            times_ms[q] = one.ElapsedMs();
            if (!hits.ok()) failed = true;
            if (hits.ok())
              found +=
                  std::count_if(hits->begin(), hits->end(), [&](const RowHit& hit) { return hit.score >= worst[q]; });
          }
        });
      }
      for (std::thread& worker : workers) worker.join();
      const double seconds = watch.ElapsedMs() / 1000;
      if (failed) return Fail(InternalError("a search failed"));
      const auto count = static_cast<double>(queries.rows);
      const auto share = [&](size_t kb) {
        return 100.0 * static_cast<double>(kb) * 1024 / static_cast<double>(rows * dimension * sizeof(float));
      };
      std::printf(
          "{\"round\": \"%s\", \"how\": \"%s\", \"io_uring\": %s, \"threads\": %zu, \"beamwidth\": %u, "
          "\"search_list\": %u, \"recall\": %.4f, \"qps\": %.0f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
          "\"reads_a_query\": %.1f, \"cached_mb\": %.1f, \"rss_anon_mb\": %.1f, \"rss_file_mb\": %.1f, \"peak_mb\": "
          "%.1f, "
          "\"peak_percent\": %.1f}\n",
          round, how.c_str(), type.statistics().io_uring ? "true" : "false", threads, parameters.beamwidth, list,
          static_cast<double>(found) / (count * kTop), count / seconds, Median(times_ms), Quantile(times_ms, 0.99),
          static_cast<double>(type.statistics().reads - reads) / count,
          static_cast<double>(type.statistics().cached_bytes) / 1e6,
          static_cast<double>(MemoryOf("RssAnon")) * 1.024e-3, static_cast<double>(MemoryOf("RssFile")) * 1.024e-3,
          static_cast<double>(MemoryOf("VmHWM")) * 1.024e-3, share(MemoryOf("VmHWM")));
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "make" && argc >= 8) return Make(argc, argv);
  if (mode == "search" && argc >= 6) return Search(argc, argv);
  std::fprintf(stderr,
               "usage: disk_search make FOLDER VECTORS QUERIES DIMENSION ROWS NOISE [BITS]\n"
               "       disk_search search FOLDER DIMENSION THREADS SEARCH_LIST,... [BEAMWIDTH [MEMORY_BYTES_MAX "
               "[direct|buffered|pread]]]\n");
  return 2;
}
