// SPDX-License-Identifier: Apache-2.0
//
// StoreBackend opens one kind of Store for a test of the contract; a new backend is one more line in StoreBackends.
#ifndef RAGTIME_TESTS_TESTING_STORE_BACKENDS_H_
#define RAGTIME_TESTS_TESTING_STORE_BACKENDS_H_

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "index/bm25/bm25_index.h"
#include "index/diskann/diskann_index.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/fast_hnsw_index.h"
#include "index/hnsw/hnsw_index.h"
#include "index/ivf/ivf_index.h"
#include "index/scalar/columns.h"
#include "ragtime/store.h"
#include "store/embedded/embedded_store.h"
#include "store/map/map_store.h"
#include "store/remote_catalog.h"
#include "store/remote_store.h"
#include "testing/memory_collections.h"
#include "testing/naive_index.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {

inline IndexSet RealIndexes() {
  return {.vector = std::make_shared<FlatIndexType>(),
          .keyword = std::make_shared<Bm25IndexType>(),
          .fields = std::make_shared<ColumnsType>()};
}

struct StoreBackend {
  std::string name;
  bool persistent = false;  // A second Open on the same folder finds what the first one committed.
  std::function<std::unique_ptr<Store>(const std::filesystem::path& folder, Metric metric)> open;
};

inline void PrintTo(const StoreBackend& backend, std::ostream* out) { *out << backend.name; }

inline StoreBackend EmbeddedBackend(std::string name, IndexSet indexes, EmbeddedLimits limits) {
  return {.name = std::move(name),
          .persistent = true,
          .open = [indexes = std::move(indexes), limits](const std::filesystem::path& folder, Metric metric) {
            const StoreConfig config{.uri = (folder / "kb").string(), .metric = metric};
            return std::unique_ptr<Store>(Value(EmbeddedStore::Open(config, indexes, true, limits)));
          }};
}

// A RemoteStore on a server in memory, which stays for as long as the folder does.
inline StoreBackend RemoteBackend(std::string name, RemoteCatalogLimits limits, bool translates) {
  auto servers = std::make_shared<std::map<std::filesystem::path, std::shared_ptr<MemoryCollections>>>();
  return {.name = std::move(name),
          .persistent = true,
          .open = [servers, limits, translates](const std::filesystem::path& folder, Metric metric) {
            auto& server = (*servers)[folder];
            if (server == nullptr || !std::filesystem::exists(folder / "kb")) {
              server = std::make_shared<MemoryCollections>();
              // What every server must understand: which documents, and which group.
              server->SetUntranslated([translates](const FilterNode& leaf) {
                return translates ? leaf.op == FilterOp::kLike
                                  : leaf.field != "document_id" && leaf.field != "kind" && leaf.field != "group";
              });
            }
            RemoteStoreOptions options{.server = server, .metric = metric, .indexes = RealIndexes()};
            options.state_folder = folder / "kb";
            options.catalog = std::make_shared<RemoteCatalog>(server, "ragtime_catalog", folder / "kb", limits);
            return std::unique_ptr<Store>(Value(RemoteStore::Open({}, std::move(options), true)));
          }};
}

inline std::vector<StoreBackend> StoreBackends() {
  // With small limits a few hundred nodes pass through tail, files and merges.
  const EmbeddedLimits small{.tail_nodes_max = 40,
                             .tail_size_bytes_max = 64 << 10,
                             .tail_segments_max = 4,
                             .small_segment_rows = 200,
                             .small_segments_max = 2,
                             .merged_rows_max = 150,
                             .compacted_vectors_bytes_max = 20'000,
                             .deleted_share_max = 0.2};
  EmbeddedLimits foreground = small;
  foreground.background = false;
  // Keeps so many rows that it finds all.
  IndexSet hnsw = RealIndexes();
  hnsw.vector = std::make_shared<HnswIndexType>(HnswParameters{.ef = 5000});
  IndexSet fast_hnsw = RealIndexes();
  fast_hnsw.vector = std::make_shared<FastHnswIndexType>(HnswParameters{.ef = 5000});
  // From a few nodes on, and all lists and all exact scores, so that they find all.
  const auto lists = [](IvfKind kind) {
    IndexSet indexes = RealIndexes();
    indexes.vector = std::make_shared<IvfIndexType>(
        kind, IvfParameters{.nlist = 4, .nprobe = 4, .nbits = 4, .refine_k = 5000, .threads = 1});
    return indexes;
  };
  IndexSet diskann = RealIndexes();
  diskann.vector = std::make_shared<DiskannIndexType>(HnswParameters{}, DiskannParameters{.search_list = 5000});
  IndexSet naive = NaiveIndexes();
  naive.fields = std::make_shared<ColumnsType>();
  return {
      {.name = "Map",
       .open =
           [](const std::filesystem::path&, Metric metric) {
             return std::unique_ptr<Store>(
                 std::make_unique<MapStore>(StoreConfig{.metric = metric}, std::make_shared<ColumnsType>()));
           }},
      {.name = "MapFile",
       .persistent = true,
       .open =
           [](const std::filesystem::path& folder, Metric metric) {
             std::filesystem::create_directories(folder / "kb");
             const StoreConfig config{.uri = (folder / "kb" / "kb.ragmap").string(), .metric = metric};
             return std::unique_ptr<Store>(Value(MapStore::Open(config, std::make_shared<ColumnsType>(), true)));
           }},
      EmbeddedBackend("Embedded", RealIndexes(), {}),
      EmbeddedBackend("EmbeddedSmall", RealIndexes(), small),
      EmbeddedBackend("EmbeddedHnsw", hnsw, {}),
      EmbeddedBackend("EmbeddedFastHnsw", fast_hnsw, {}),
      EmbeddedBackend("EmbeddedIvfFlat", lists(IvfKind::kIvfFlat), {}),
      EmbeddedBackend("EmbeddedIvfSq8", lists(IvfKind::kIvfSq8), {}),
      EmbeddedBackend("EmbeddedIvfPq", lists(IvfKind::kIvfPq), {}),
      EmbeddedBackend("EmbeddedPq", lists(IvfKind::kPq), {}),
      EmbeddedBackend("EmbeddedDiskann", diskann, {}),
      EmbeddedBackend("EmbeddedNaive", naive, foreground),
      RemoteBackend("Remote", {}, true),
      RemoteBackend("RemoteSmall", {.log_commits_max = 3, .log_bytes_max = 2000, .row_bytes_max = 300}, false),
  };
}

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_STORE_BACKENDS_H_
