// SPDX-License-Identifier: Apache-2.0
//
// From store_conf and catalog of a configuration to a store over the indexes that it wants.
#include "engine/builtin.h"

#include <filesystem>
#include <utility>

#include "base/environment.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "catalog/sql/sql_catalog.h"
#include "engine/models.h"
#include "engine/recorded.h"
#include "index/bm25/bm25_index.h"
#include "index/diskann/diskann_index.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/fast_hnsw_index.h"
#include "index/hnsw/hnsw_index.h"
#include "index/ivf/ivf_index.h"
#include "index/scalar/columns.h"
#include "store/chroma/chroma_server.h"
#include "store/embedded/embedded_store.h"
#include "store/map/map_store.h"
#include "store/milvus/milvus.h"
#include "store/mirrored_store.h"
#include "store/remote_store.h"
#include "text/jieba/jieba_dictionary.h"

namespace ragtime {
namespace {

constexpr IvfKind kIvfKinds[] = {IvfKind::kIvfFlat, IvfKind::kIvfSq8, IvfKind::kIvfPq, IvfKind::kPq};

// Of the stores in this process.
Status CheckIndexType(const Config& config) {
  const std::string& type = config.store.index_type;
  if (type == "AUTO" || type == "FLAT" || type == "HNSW" || type == "DISKANN") return Status();
  for (const IvfKind kind : kIvfKinds) {
    if (type != IvfIndexType(kind).name()) continue;
    const uint32_t bits = config.store.ivf.nbits;
    if (bits == 4 || bits == 8) return Status();
    return InvalidArgumentError(
        StrCat("store_conf.kwargs.index_kwargs.params.nbits is ", bits, ", which only Milvus has"),
        "write nbits: 8, or 4 for codes of half the size");
  }
  return InvalidArgumentError(
      StrCat("store_conf.kwargs.index_kwargs.index_type is \"", type, "\", an index that only Milvus has"),
      "write index_type: AUTO, FLAT (exact), HNSW (a graph, for many nodes), DISKANN (a graph on disk, for little "
      "memory), IVF_FLAT, IVF_SQ8, IVF_PQ or PQ; or store_conf.type: milvus");
}

// What is built of vectors as `store` wants it, over the types that it makes, which are added to `types`.
IndexSet::OfKey VectorIndexes(const StoreConfig& store, size_t threads,
                              std::vector<std::shared_ptr<const VectorIndexType>>& types) {
  HnswParameters parameters = store.hnsw;
  parameters.threads = threads;
  const auto flat = std::make_shared<FlatIndexType>();
  const auto hnsw = std::make_shared<HnswIndexType>(parameters);
  const auto diskann = std::make_shared<DiskannIndexType>(parameters, store.diskann);
  const auto fast = std::make_shared<FastHnswIndexType>(parameters);
  types.insert(types.end(), {flat, hnsw, fast, diskann});
  std::shared_ptr<const VectorIndexType> graph = hnsw;
  if (parameters.profile == HnswProfile::kFast) graph = fast;
  IndexSet::OfKey indexes{.vector = flat};
  if (store.index_type == "HNSW") indexes.vector = graph;
  if (store.index_type == "DISKANN") indexes.vector = diskann;
  if (store.index_type == "AUTO") {
    indexes.large_vector = graph;
    indexes.large_rows = kHnswRowsMin;
  }
  IvfParameters ivf_parameters = store.ivf;
  ivf_parameters.threads = threads;
  for (const IvfKind kind : kIvfKinds) {
    const auto ivf = std::make_shared<IvfIndexType>(kind, ivf_parameters);
    types.push_back(ivf);
    if (store.index_type != ivf->name()) continue;
    indexes.large_vector = ivf;
    indexes.large_rows = ivf->rows_min();
  }
  return indexes;
}

Result<IndexSet> MakeIndexes(const Config& config) {
  IndexSet indexes{.keyword = std::make_shared<Bm25IndexType>(config.store.bm25),
                   .fields = std::make_shared<ColumnsType>()};
  if (config.words.chinese == "jieba") {
    RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path folder, FindJieba());
    RAGTIME_ASSIGN_OR_RETURN(indexes.chinese, JiebaDictionary::Open(folder, config.words.user_dictionary));
  } else if (!config.words.user_dictionary.empty()) {
    return InvalidArgumentError("words.user_dictionary is set, and words.chinese is bigrams, which has no dictionary",
                                "set words.chinese: jieba, or take words.user_dictionary out");
  }
  IndexSet::OfKey own = VectorIndexes(config.store, config.threads, indexes.readable_vectors);
  indexes.vector = std::move(own.vector);
  indexes.large_vector = std::move(own.large_vector);
  indexes.large_rows = own.large_rows;
  for (const auto& [key, store] : config.key_stores) {
    std::vector<std::shared_ptr<const VectorIndexType>> types;  // Those of config.store read the others.
    indexes.of_key[key] = VectorIndexes(store, config.threads, types);
  }
  return indexes;
}

// The catalog of that name in the database that the configuration names.
Result<std::unique_ptr<SharedCatalog>> OpenSqlCatalog(const CatalogConfig& config, const Context& context,
                                                      const std::string& name) {
  RAGTIME_ASSIGN_OR_RETURN(auto catalog,
                           SqlCatalog::Open(context, config.uri, name, EnvironmentVariable(config.password_env)));
  return std::unique_ptr<SharedCatalog>(std::move(catalog));
}

std::unique_ptr<Store> Mirrored(std::unique_ptr<Store> store, const CatalogConfig& config) {
  std::vector<std::string> settings = {"uuid", "metric", "dimension", "doc_fields"};
  for (const auto& [key, value] : Recorded{}.ToSettings()) settings.push_back(key);
  return std::make_unique<MirroredStore>(
      std::move(store),
      [config](const Context& context, const std::string& name) { return OpenSqlCatalog(config, context, name); },
      std::move(settings));
}

Result<std::unique_ptr<Store>> MakeRemoteStore(const Context& context, const Config& config,
                                               std::shared_ptr<CollectionServer> server, bool create) {
  // What AUTO means to the server.
  const std::string automatic = config.store.type == "chroma" ? "FLAT" : "AUTOINDEX";
  const StoreServerConfig& remote = config.store_server;
  RAGTIME_ASSIGN_OR_RETURN(IndexSet indexes, MakeIndexes(config));
  RemoteStoreOptions options{.server = std::move(server),
                             .name = remote.name,
                             .metric = config.store.metric,
                             .index_type = config.store.index_type == "AUTO" ? automatic : config.store.index_type,
                             .index_params = remote.index_params,
                             .search_params = remote.search_params,
                             .indexes = std::move(indexes),
                             .state_folder = remote.state.empty() ? CacheFolder() / "stores" : remote.state};
  if (options.index_type == "HNSW") {
    options.index_params["M"] = StrCat(config.store.hnsw.m);
    options.index_params["efConstruction"] = StrCat(config.store.hnsw.ef_construction);
    // The graph is the server's, whose segments are not known here.
    options.search_params["ef"] = StrCat(config.store.hnsw.ef > 0 ? config.store.hnsw.ef : kHnswEf);
  }
  if (!config.catalog.uri.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(options.catalog, OpenSqlCatalog(config.catalog, context, remote.name));
  }
  RAGTIME_ASSIGN_OR_RETURN(auto store, RemoteStore::Open(context, std::move(options), create));
  return std::unique_ptr<Store>(std::move(store));
}

bool IsOnServer(const Config& config) { return config.store.type == "chroma" || config.store.type == "milvus"; }

// Of type chroma or milvus. `make` whether what is missing there is made: the database of Chroma.
Result<std::shared_ptr<CollectionServer>> OpenServer(const Context& context, const Config& config, bool make) {
  const StoreServerConfig& remote = config.store_server;
  const std::string token = EnvironmentVariable(remote.token_env);
  if (config.store.type == "chroma") {
    RAGTIME_ASSIGN_OR_RETURN(auto server, ChromaServer::Connect(context, {.uri = config.store.uri,
                                                                          .tenant = remote.tenant,
                                                                          .database = remote.database,
                                                                          .make_database = make,
                                                                          .token = token}));
    return std::shared_ptr<CollectionServer>(std::move(server));
  }
  RAGTIME_ASSIGN_OR_RETURN(auto server, OpenMilvus(context, {.uri = config.store.uri,
                                                             .db_name = remote.db_name,
                                                             .token = token,
                                                             .ca_file = remote.tls_ca,
                                                             .certificate_file = remote.tls_cert,
                                                             .key_file = remote.tls_key,
                                                             .server_name = remote.tls_server_name,
                                                             .consistency_level = remote.consistency_level}));
  return std::shared_ptr<CollectionServer>(std::move(server));
}

}  // namespace

Result<std::unique_ptr<Store>> MakeStore(const Config& config, bool create) {
  RAGTIME_ASSIGN_OR_RETURN(const IndexSet indexes, MakeIndexes(config));
  for (const auto& [key, store] : config.key_stores) {
    if (IsOnServer(config)) break;  // Refused below, with all embedders.
    Config one = config;
    one.store.index_type = store.index_type;
    one.store.ivf = store.ivf;
    RAGTIME_RETURN_IF_ERROR(CheckIndexType(one));
  }
  if (config.store.type == "map") {
    RAGTIME_RETURN_IF_ERROR(CheckIndexType(config));
    if (!config.catalog.uri.empty()) {
      return InvalidArgumentError("catalog.uri is set, and a store of type map has no mirror",
                                  "take it out, or use store_conf.type ragtime");
    }
    RAGTIME_ASSIGN_OR_RETURN(auto map, MapStore::Open(config.store, indexes.fields, create, indexes.chinese));
    return std::unique_ptr<Store>(std::move(map));
  }
  if (config.store.uri.empty()) {
    return InvalidArgumentError("no folder is named for the knowledge base", "set store_conf.kwargs.uri");
  }
  if (IsOnServer(config)) {
    if (!config.embedders.empty()) {
      return UnimplementedError(StrCat("a store of type ", config.store.type,
                                       " keeps one vector for each node, and the configuration has the embedder ",
                                       config.embedders.begin()->first, " beside embed"),
                                "use store_conf.type ragtime or map, or take embedders out");
    }
    RAGTIME_ASSIGN_OR_RETURN(auto server, OpenServer(Context(), config, /*make=*/true));
    return MakeRemoteStore(Context(), config, std::move(server), create);
  }
  RAGTIME_RETURN_IF_ERROR(CheckIndexType(config));
  RAGTIME_ASSIGN_OR_RETURN(auto store, EmbeddedStore::Open(config.store, indexes, create));
  if (config.catalog.uri.empty()) return std::unique_ptr<Store>(std::move(store));
  RAGTIME_RETURN_IF_ERROR(SqlAddress::Parse(config.catalog.uri).status());
  return Mirrored(std::move(store), config.catalog);
}

Result<StoreProbe> ProbeStore(const Context& context, const Config& config) {
  StoreProbe probe;
  if (!IsOnServer(config)) return probe;
  std::error_code error;
  const std::string& uri = config.store.uri;
  const bool is_path = uri.find("://") == std::string::npos && uri.find(':') == std::string::npos;
  if (is_path && !std::filesystem::exists(uri, error)) {
    return NotFoundError(StrCat("there is nothing at ", uri, " yet"), "ragtime ingest makes it");
  }
  RAGTIME_ASSIGN_OR_RETURN(const auto server, OpenServer(context, config, /*make=*/false));
  RAGTIME_RETURN_IF_ERROR(server->Version(context).status());  // Connects.
  const Stopwatch answering;
  RAGTIME_ASSIGN_OR_RETURN(probe.version, server->Version(context));
  probe.answer_ms = answering.ElapsedMs();
  probe.server = server->name();
  const auto store = MakeRemoteStore(context, config, server, /*create=*/false);
  probe.knowledge_base = store.status();
  if (!store.ok()) return probe;
  const auto snapshot = (*store)->OpenSnapshot();
  const auto statistics = snapshot.ok() ? (*snapshot)->Statistics() : snapshot.status();
  probe.knowledge_base = statistics.status();
  if (statistics.ok()) probe.statistics = *statistics;
  return probe;
}

Result<StoreStatistics> RestoreStore(const Config& config, const std::filesystem::path& backup,
                                     const Context& context) {
  if (config.store.type == "map") {
    return InvalidArgumentError("a map file is restored by copying it", "use cp, or store_conf.type ragtime");
  }
  if (config.store.type != "ragtime") {
    return InvalidArgumentError(StrCat("a store of type ", config.store.type, " is not restored from a folder"),
                                "restore it with store_conf.type ragtime, and move it with ragtime copy");
  }
  RAGTIME_ASSIGN_OR_RETURN(IndexSet indexes, MakeIndexes(config));
  return EmbeddedStore::Restore(context, backup, config.store.uri, std::move(indexes));
}

}  // namespace ragtime
