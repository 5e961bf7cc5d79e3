// SPDX-License-Identifier: Apache-2.0
//
// What Ragtime's client of a vector database takes on its server: collection_bench milvus URI ROWS DIMENSION QUERIES
//
// Puts ROWS random rows into a collection of its own, searches QUERIES times for 10 rows, with and without a filter
// that one row in ten matches, prints one line of JSON and drops the collection. bench/collection.py compares it with
// the server's own client in Python.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/stopwatch.h"
#include "store/collection.h"
#include "store/milvus/milvus.h"

namespace ragtime {
namespace {

Result<std::unique_ptr<CollectionServer>> OpenServer(std::string_view kind, const std::string& uri) {
  if (kind == "milvus") return OpenMilvus({}, {.uri = uri});
  return InvalidArgumentError("there is no such server: " + std::string(kind), "write milvus");
}

std::vector<float> RandomVector(std::mt19937& random, size_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  float square = 0;
  for (float& x : vector) {
    x = normal(random);
    square += x * x;
  }
  for (float& x : vector) x /= std::sqrt(square);
  return vector;
}

Status Search(Collection& collection, const std::vector<std::vector<float>>& queries, const Filter& filter,
              const char* name) {
  std::vector<double> times_ms;
  for (const auto& query : queries) {
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(const auto hits, collection.SearchVector({}, query, 10, filter));
    times_ms.push_back(stopwatch.ElapsedMs());
    if (hits.size() != 10) return InternalError("a search found less than 10 rows");
  }
  std::sort(times_ms.begin(), times_ms.end());
  std::printf(", \"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f", name, times_ms[times_ms.size() / 2], name,
              times_ms[times_ms.size() * 99 / 100]);
  return Status();
}

Status Run(std::string_view kind, const std::string& uri, size_t rows, size_t dimension, size_t queries) {
  RAGTIME_ASSIGN_OR_RETURN(const auto server, OpenServer(kind, uri));
  const std::vector<FieldSpec> columns = {{"year", FieldType::kInt}};
  const CollectionSpec spec{.name = "ragtime_bench", .dimension = dimension, .columns = columns};
  RAGTIME_RETURN_IF_ERROR(server->Drop({}, spec.name));
  RAGTIME_ASSIGN_OR_RETURN(const auto collection, server->OpenOrMake({}, spec));
  std::mt19937 random(7);
  std::vector<CollectionRow> batch;
  for (size_t i = 0; i < rows; ++i) {
    CollectionRow row{.id = static_cast<int64_t>(i + 1),
                      .vector = RandomVector(random, dimension),
                      .text = std::string(400, 'x'),
                      .payload = "{}"};
    row.columns["year"] = static_cast<int64_t>(2000 + i % 10);
    batch.push_back(std::move(row));
  }
  const Stopwatch stopwatch;
  RAGTIME_RETURN_IF_ERROR(collection->Put({}, batch));
  const double put_ms = stopwatch.ElapsedMs();
  RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, collection->Count({}, Filter()));
  if (count != rows) return InternalError("rows are missing");
  std::printf("{\"rows\": %zu, \"put_rows_per_s\": %.0f", rows, static_cast<double>(rows) * 1000 / put_ms);
  std::vector<std::vector<float>> questions;
  for (size_t i = 0; i < queries; ++i) questions.push_back(RandomVector(random, dimension));
  RAGTIME_ASSIGN_OR_RETURN(const Filter filter, Filter::Parse("year = 2003", columns));
  RAGTIME_RETURN_IF_ERROR(Search(*collection, questions, Filter(), "search"));
  RAGTIME_RETURN_IF_ERROR(Search(*collection, questions, filter, "filtered"));
  std::printf("}\n");
  return server->Drop({}, spec.name);
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: collection_bench milvus URI ROWS DIMENSION QUERIES\n");
    return 2;
  }
  const auto number = [argv](int i) { return static_cast<size_t>(std::strtoull(argv[i], nullptr, 10)); };
  const ragtime::Status status = ragtime::Run(argv[1], argv[2], number(3), number(4), number(5));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
