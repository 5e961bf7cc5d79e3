// SPDX-License-Identifier: Apache-2.0
//
// What Ragtime's client of a vector database takes on its server: collection_bench SERVER URI DATA ROWS QUERIES
//
// SERVER is milvus or chroma, DATA what bench/store_generate wrote. Puts ROWS rows into a collection of its own, asks
// for one, searches QUERIES times for 10 rows, with and without a filter that one row in ten matches, prints one line
// of JSON and drops the collection. bench/collection.py compares it with the server's own client in Python.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/median.h"
#include "base/stopwatch.h"
#include "store/chroma/chroma_server.h"
#include "store/collection.h"
#include "store/milvus/milvus.h"
#include "store_data.h"

namespace ragtime {
namespace {

// With the index that bench/collection.py makes for the other client.
struct Opened {
  std::shared_ptr<CollectionServer> server;
  const char* index_type = "";
};

Result<Opened> OpenServer(std::string_view kind, const std::string& uri) {
  if (kind == "milvus") {
    RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<CollectionServer> server, OpenMilvus({}, {.uri = uri}));
    return Opened{std::move(server), "FLAT"};
  }
  if (kind == "chroma") {
    RAGTIME_ASSIGN_OR_RETURN(std::shared_ptr<CollectionServer> server, ChromaServer::Connect({}, {.uri = uri}));
    return Opened{std::move(server), "HNSW"};
  }
  return InvalidArgumentError("there is no such server: " + std::string(kind), "write milvus or chroma");
}

Status Search(const StoreData& data, size_t queries, const Filter& filter, const char* name, Collection& collection) {
  std::vector<double> times_ms;
  for (size_t i = 0; i < queries; ++i) {
    const Stopwatch stopwatch;
    RAGTIME_ASSIGN_OR_RETURN(const auto hits, collection.SearchVector({}, data.query(i), 10, filter));
    times_ms.push_back(stopwatch.ElapsedMs());
    if (hits.size() != 10) return InternalError("a search found less than 10 rows");
  }
  std::printf(", \"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f", name, Median(times_ms), name, Quantile(times_ms, 0.99));
  return Status();
}

Status Run(std::string_view kind, const std::string& uri, const StoreData& data, size_t queries) {
  RAGTIME_ASSIGN_OR_RETURN(const Opened opened, OpenServer(kind, uri));
  const std::vector<FieldSpec> columns = {{"year", FieldType::kInt}};
  const CollectionSpec spec{
      .name = "ragtime_bench", .dimension = StoreData::kDimension, .index_type = opened.index_type, .columns = columns};
  RAGTIME_RETURN_IF_ERROR(opened.server->Drop({}, spec.name));
  RAGTIME_ASSIGN_OR_RETURN(const auto collection, opened.server->OpenOrMake({}, spec));
  std::vector<CollectionRow> rows;
  for (size_t i = 0; i < data.rows(); ++i) {
    rows.push_back({.id = static_cast<int64_t>(i + 1),
                    .vector = {data.vector(i).begin(), data.vector(i).end()},
                    .text = std::string(data.text(i)),
                    .payload = "{}"});
    rows.back().columns["year"] = data.fields(i / StoreData::kNodesPerDocument).year;
  }
  const Stopwatch stopwatch;
  RAGTIME_RETURN_IF_ERROR(collection->Put({}, rows));
  const double put_ms = stopwatch.ElapsedMs();
  RAGTIME_RETURN_IF_ERROR(collection->SearchVector({}, data.query(0), 10, Filter()).status());
  const double ready_ms = stopwatch.ElapsedMs();
  RAGTIME_ASSIGN_OR_RETURN(const uint64_t count, collection->Count({}, Filter()));
  if (count != rows.size()) return InternalError("rows are missing");
  const double count_x_1000 = static_cast<double>(count) * 1000;
  std::printf("{\"rows\": %zu, \"put_rows_per_s\": %.0f, \"ready_rows_per_s\": %.0f", rows.size(),
              count_x_1000 / put_ms, count_x_1000 / ready_ms);
  RAGTIME_ASSIGN_OR_RETURN(const Filter filter, Filter::Parse("year >= 2016", columns));
  RAGTIME_RETURN_IF_ERROR(Search(data, queries, Filter(), "search", *collection));
  RAGTIME_RETURN_IF_ERROR(Search(data, queries, filter, "filtered", *collection));
  std::printf("}\n");
  return opened.server->Drop({}, spec.name);
}

Status Main(char** argv) {
  const auto number = [argv](int i) { return static_cast<size_t>(std::strtoull(argv[i], nullptr, 10)); };
  RAGTIME_ASSIGN_OR_RETURN(const StoreData data, StoreData::Open(argv[3], number(4)));
  return Run(argv[1], argv[2], data, std::min(number(5), data.queries()));
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: collection_bench milvus|chroma URI DATA ROWS QUERIES\n");
    return 2;
  }
  const ragtime::Status status = ragtime::Main(argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
