// SPDX-License-Identifier: Apache-2.0
//
// Times FLAT. Usage:
//   flat_index_bench make FOLDER [ROWS [DIMENSION [VECTORS]]]   writes FOLDER/vectors and FOLDER/flat; VECTORS: a file
//   of floats
//                                                              to take the rows from, else they are drawn around a
//                                                              mean.
//   flat_index_bench search FOLDER [ROWS [DIMENSION]]          maps them: the first search of this process, then many.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "base/files.h"
#include "base/stopwatch.h"
#include "index/flat/flat_index.h"
#include "index/kernels/kernels.h"

namespace {

using ragtime::Metric;

int Fail(const ragtime::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

std::vector<float> DrawVectors(size_t rows, size_t dimension) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> mean(dimension);
  for (float& value : mean) value = 2 * normal(random);  // Cosines between rows are about 0.8.
  std::vector<float> data(rows * dimension);
  for (size_t r = 0; r < rows; ++r) {
    double norm = 0;
    for (size_t i = 0; i < dimension; ++i) {
      const float value = mean[i] + normal(random);
      data[r * dimension + i] = value;
      norm += double{value} * value;
    }
    for (size_t i = 0; i < dimension; ++i) data[r * dimension + i] /= static_cast<float>(std::sqrt(norm));
  }
  return data;
}

int Make(const std::filesystem::path& folder, size_t rows, size_t dimension, const char* from) {
  std::vector<float> data;
  if (from != nullptr) {
    auto bytes = ragtime::ReadFile(from);
    if (!bytes.ok()) return Fail(bytes.status());
    data.resize(std::min(bytes->size() / sizeof(float), rows * dimension));
    std::memcpy(data.data(), bytes->data(), data.size() * sizeof(float));
  } else {
    data = DrawVectors(rows, dimension);
  }
  std::filesystem::create_directories(folder);
  ragtime::Stopwatch watch;
  auto bytes = ragtime::FlatIndexType().Build({}, {data.data(), data.size() / dimension, dimension}, Metric::kCosine);
  if (!bytes.ok()) return Fail(bytes.status());
  std::printf("build %zu x %zu: %.1f ms\n", data.size() / dimension, dimension, watch.ElapsedMs());
  const auto written = ragtime::WriteFileDurably(folder / "vectors", std::as_bytes(std::span(data)));
  if (!written.ok()) return Fail(written);
  const auto index_written = ragtime::WriteFileDurably(folder / "flat", *bytes);
  return index_written.ok() ? 0 : Fail(index_written);
}

int Search(const std::filesystem::path& folder, size_t dimension) {
  ragtime::Stopwatch open_watch;
  auto vectors = ragtime::MappedFile::Open(folder / "vectors");
  auto bytes = ragtime::MappedFile::Open(folder / "flat");
  if (!vectors.ok()) return Fail(vectors.status());
  if (!bytes.ok()) return Fail(bytes.status());
  const ragtime::VectorMatrix matrix{reinterpret_cast<const float*>(vectors->bytes().data()),
                                     vectors->bytes().size() / sizeof(float) / dimension, dimension};
  auto index = ragtime::FlatIndexType().Open(bytes->bytes(), matrix, Metric::kCosine);
  if (!index.ok()) return Fail(index.status());
  const double open_ms = open_watch.ElapsedMs();
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<double> times_ms;
  for (int q = 0; q < 301; ++q) {
    std::vector<float> query(dimension);
    const size_t near = random() % matrix.rows;
    for (size_t i = 0; i < dimension; ++i) query[i] = matrix.row(near)[i] + normal(random);
    ragtime::Stopwatch watch;
    auto hits = (*index)->Search({}, query, 10, {});
    times_ms.push_back(watch.ElapsedMs());
    if (!hits.ok()) return Fail(hits.status());
  }
  std::printf("%s, %zu x %zu, top 10: open %.3f ms, first %.3f ms, ", ragtime::BestKernels().name, matrix.rows,
              dimension, open_ms, times_ms[0]);
  std::sort(times_ms.begin() + 1, times_ms.end());
  std::printf("then median %.3f ms, p99 %.3f ms\n", times_ms[150], times_ms[297]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  const size_t rows = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 20000;
  const size_t dimension = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 384;
  if (rows > 0 && dimension > 0 && mode == "make") return Make(argv[2], rows, dimension, argc > 5 ? argv[5] : nullptr);
  if (dimension > 0 && mode == "search") return Search(argv[2], dimension);
  std::fprintf(stderr, "usage: flat_index_bench make|search FOLDER [ROWS [DIMENSION [VECTORS]]]\n");
  return 2;
}
