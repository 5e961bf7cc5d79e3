// SPDX-License-Identifier: Apache-2.0
#include "engine/builtin.h"

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/str_cat.h"
#include "cache/memcached/memcached_cache.h"
#include "cache/memory/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "cache/server_address.h"
#include "cache/two_level_cache.h"
#include "catalog/sql/sql_catalog.h"
#include "engine/models.h"
#include "engine/recorded.h"
#include "engine/store_address.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/hnsw_index.h"
#include "index/scalar/columns.h"
#include "ingest/import/chroma_source.h"
#include "ingest/import/llamaindex_source.h"
#include "model/llama/llama_embedder.h"
#include "model/llama/llama_generator.h"
#include "model/local/local_embedder.h"
#include "model/openai/openai_generator.h"
#include "model/openvino/openvino_encoder.h"
#include "store/chroma/chroma_server.h"
#include "store/embedded/embedded_store.h"
#include "store/map/map_store.h"
#include "store/milvus/milvus.h"
#include "store/mirrored_store.h"
#include "store/remote_store.h"
#include "text/jieba/jieba_dictionary.h"
#include "text/tokenizer.h"
#include "wire/http_client.h"
#include "wire/json.h"

namespace ragtime {
namespace {

// Ragtime's own model folders have a model.json; anything else is for llama.cpp.
bool IsModelFolder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path / "model.json", error);
}

BatchEncoderFactory OpenVinoFactory(const Config& config) {
  return [precision = config.embed.precision, threads = config.threads](const std::filesystem::path& graph,
                                                                        std::shared_ptr<const InputTable> input) {
    return OpenOpenVinoEncoder({.graph = graph,
                                .input = std::move(input),
                                .cache_folder = CacheFolder() / "openvino",
                                .precision = precision,
                                .threads = threads});
  };
}

// What llama.cpp needs of a model folder: the weights, and what a bare .gguf file does not say.
Result<LlamaEmbedderOptions> LlamaOptionsOf(const std::filesystem::path& path) {
  LlamaEmbedderOptions options;
  options.gguf = path;
  if (!IsModelFolder(path)) return options;
  RAGTIME_ASSIGN_OR_RETURN(const std::string text, ReadFile(path / "model.json"));
  Result<Json> parsed = Json::Parse(text);
  if (!parsed.ok()) return parsed.status().Annotate((path / "model.json").string());
  const Json& json = *parsed;
  options.gguf = path / json["encoder_gguf"].AsString();
  options.model = json["name"].AsString();
  options.fingerprint = json["fingerprint"].AsString();
  options.query_prefix = json["query_prefix"].AsString();
  options.passage_prefix = json["passage_prefix"].AsString();
  options.found_threshold = static_cast<float>(json["found_threshold"].AsDouble());
  options.max_tokens = static_cast<size_t>(json["max_tokens"].AsInt());
  RAGTIME_ASSIGN_OR_RETURN(options.tokenizer, OpenTokenizer(path / json["tokenizer"].AsString()));
  return options;
}

// Of the stores in this process.
Status CheckIndexType(const Config& config) {
  const std::string& type = config.store.index_type;
  if (type == "AUTO" || type == "FLAT" || type == "HNSW") return Status();
  return InvalidArgumentError(
      StrCat("store_conf.kwargs.index_kwargs.index_type is \"", type, "\", an index that only Milvus has"),
      "write index_type: AUTO, FLAT (exact) or HNSW (a graph, for many nodes), or store_conf.type: milvus");
}

Result<IndexSet> MakeIndexes(const Config& config) {
  HnswParameters parameters = config.store.hnsw;
  parameters.threads = config.threads;
  const auto flat = std::make_shared<FlatIndexType>();
  const auto hnsw = std::make_shared<HnswIndexType>(parameters);
  IndexSet indexes{.vector = flat,
                   .keyword = std::make_shared<Bm25IndexType>(config.store.bm25),
                   .fields = std::make_shared<ColumnsType>(),
                   .readable_vectors = {flat, hnsw}};
  if (config.words.chinese == "jieba") {
    RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path folder, FindJieba());
    RAGTIME_ASSIGN_OR_RETURN(indexes.chinese, JiebaDictionary::Open(folder, config.words.user_dictionary));
  } else if (!config.words.user_dictionary.empty()) {
    return InvalidArgumentError("words.user_dictionary is set, and words.chinese is bigrams, which has no dictionary",
                                "set words.chinese: jieba, or take words.user_dictionary out");
  }
  if (config.store.index_type == "HNSW") indexes.vector = hnsw;
  if (config.store.index_type == "AUTO") {
    indexes.large_vector = hnsw;
    indexes.large_rows = kHnswRowsMin;
  }
  return indexes;
}

// The catalog of that name in the database that the configuration names.
Result<std::unique_ptr<SharedCatalog>> OpenSqlCatalog(const CatalogConfig& config, const Context& context,
                                                      const std::string& name) {
  const char* const password = config.password_env.empty() ? nullptr : std::getenv(config.password_env.c_str());
  RAGTIME_ASSIGN_OR_RETURN(auto catalog,
                           SqlCatalog::Open(context, config.uri, name, password == nullptr ? "" : password));
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

// `automatic` is what AUTO means to the server.
Result<std::unique_ptr<Store>> MakeRemoteStore(const Config& config, std::shared_ptr<CollectionServer> server,
                                               const std::string& automatic, bool create) {
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
    options.search_params["ef"] = StrCat(config.store.hnsw.ef);
  }
  if (!config.catalog.uri.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(options.catalog, OpenSqlCatalog(config.catalog, Context(), remote.name));
  }
  RAGTIME_ASSIGN_OR_RETURN(auto store, RemoteStore::Open(Context(), std::move(options), create));
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> MakeChromaStore(const Config& config, bool create) {
  const char* token = std::getenv(config.store_server.token_env.c_str());
  RAGTIME_ASSIGN_OR_RETURN(auto server, ChromaServer::Connect(Context(), {.uri = config.store.uri,
                                                                          .tenant = config.store_server.tenant,
                                                                          .database = config.store_server.database,
                                                                          .token = token == nullptr ? "" : token}));
  return MakeRemoteStore(config, std::move(server), "FLAT", create);
}

Result<std::unique_ptr<Store>> MakeMilvusStore(const Config& config, bool create) {
  const StoreServerConfig& remote = config.store_server;
  const char* token = std::getenv(remote.token_env.c_str());
  RAGTIME_ASSIGN_OR_RETURN(auto server, OpenMilvus(Context(), {.uri = config.store.uri,
                                                               .db_name = remote.db_name,
                                                               .token = token == nullptr ? "" : token,
                                                               .ca_file = remote.tls_ca,
                                                               .certificate_file = remote.tls_cert,
                                                               .key_file = remote.tls_key,
                                                               .server_name = remote.tls_server_name,
                                                               .consistency_level = remote.consistency_level}));
  return MakeRemoteStore(config, std::move(server), "AUTOINDEX", create);
}

}  // namespace

Result<std::unique_ptr<Embedder>> MakeEmbedder(const Config& config) {
  RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path path, FindModel(config, config.embed.model));
  if (config.embed.backend == "llama" || !IsModelFolder(path)) {
    RAGTIME_ASSIGN_OR_RETURN(LlamaEmbedderOptions options, LlamaOptionsOf(path));
    options.threads = config.threads;
    return OpenLlamaEmbedder(std::move(options));
  }
  const EncoderChoice choice = config.embed.backend == "openvino" ? EncoderChoice::kBatch : EncoderChoice::kAuto;
  RAGTIME_ASSIGN_OR_RETURN(
      auto embedder,
      LocalEmbedder::Open({.folder = path, .choice = choice, .threads = config.threads}, OpenVinoFactory(config)));
  return std::unique_ptr<Embedder>(std::move(embedder));
}

Status ProbeBatchEncoder(const Config& config) {
  Config batch = config;
  batch.embed.backend = "openvino";
  RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Embedder> embedder, MakeEmbedder(batch));
  return embedder->Embed(Context{}, std::vector<std::string>{"probe"}, TextKind::kPassage).status();
}

Result<std::unique_ptr<Generator>> MakeGenerator(const Config& config) {
  if (config.llm.api == "none") return std::unique_ptr<Generator>();
  if (config.llm.api == "openai") {
    RAGTIME_ASSIGN_OR_RETURN(auto generator, OpenAiGenerator::Create({.base_url = config.llm.base_url,
                                                                      .model = config.llm.model,
                                                                      .api_key_env = config.llm.api_key_env,
                                                                      .context_tokens = config.llm.context_tokens,
                                                                      .timeout_ms = config.llm.timeout_ms,
                                                                      .idle_timeout_ms = config.llm.timeout_ms}));
    return std::unique_ptr<Generator>(std::move(generator));
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path path, FindModel(config, config.llm.model));
  const bool has_folder = config.store.type == "ragtime" && !config.store.uri.empty();
  RAGTIME_ASSIGN_OR_RETURN(
      auto generator, LlamaGenerator::Open({.model_path = path,
                                            .context_tokens = config.llm.context_tokens,
                                            .kv_tokens = config.llm.kv_tokens,
                                            .parallel = config.llm.parallel,
                                            .kv_memory_bytes = config.llm.kv_memory_bytes,
                                            .kv_disk_bytes = config.llm.kv_disk_bytes,
                                            .kv_folder = has_folder ? std::filesystem::path(config.store.uri) / "kv"
                                                                    : std::filesystem::path(),
                                            .threads = config.threads}));
  return std::unique_ptr<Generator>(std::move(generator));
}

Status ProbeServer(const Config& config) {
  HttpClient client;
  HttpRequest request;
  request.url = config.llm.base_url + "/models";
  request.total_timeout_ms = 3000;
  const Result<HttpResponse> response = client.Send(Context{}, request);
  return response.ok() ? Status() : response.status();
}

Result<Caches> MakeCaches(const Config& config) {
  const CacheConfig& cache = config.cache;
  Caches caches;
  if (cache.type == "none") return caches;
  const auto memory = std::make_shared<MemoryCache>(MemoryCacheOptions{.capacity_bytes = cache.capacity_bytes});
  if (cache.type == "memory") {
    caches.results = caches.shared = memory;
    return caches;
  }
  RAGTIME_ASSIGN_OR_RETURN(ServerAddress address, ParseServerAddress(cache.uri));
  const bool is_memcached = address.scheme == "memcached" || (address.scheme == "unix" && cache.type == "memcached");
  if (is_memcached != (cache.type == "memcached")) {
    return InvalidArgumentError(StrCat("cache.type is ", cache.type, ", and cache.uri names another server"),
                                StrCat("write a uri like ", cache.type, "://host"));
  }
  std::shared_ptr<Cache> server;
  if (is_memcached) {
    server = std::make_shared<MemcachedCache>(MemcachedOptions{.address = address, .timeout_ms = cache.timeout_ms});
  } else {
    const char* const password = std::getenv(cache.password_env.c_str());
    if (address.password.empty() && password != nullptr) address.password = password;
    RAGTIME_ASSIGN_OR_RETURN(server, RedisCache::Make({.address = address,
                                                       .ca_file = cache.tls_ca,
                                                       .certificate_file = cache.tls_cert,
                                                       .key_file = cache.tls_key,
                                                       .timeout_ms = cache.timeout_ms}));
  }
  caches.guard = std::make_shared<Guard>(std::move(server));
  caches.shared = caches.guard;
  caches.results = caches.guard;
  if (cache.two_level) caches.results = std::make_shared<TwoLevelCache>(memory, caches.guard);
  return caches;
}

Status ProbeCache(const Config& config) {
  RAGTIME_ASSIGN_OR_RETURN(const Caches caches, MakeCaches(config));
  return caches.guard == nullptr ? Status() : caches.guard->Probe(Context{});
}

Result<std::unique_ptr<Store>> MakeStore(const Config& config, bool create) {
  RAGTIME_ASSIGN_OR_RETURN(const IndexSet indexes, MakeIndexes(config));
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
  if (config.store.type == "chroma") return MakeChromaStore(config, create);
  if (config.store.type == "milvus") return MakeMilvusStore(config, create);
  RAGTIME_RETURN_IF_ERROR(CheckIndexType(config));
  RAGTIME_ASSIGN_OR_RETURN(auto store, EmbeddedStore::Open(config.store, indexes, create));
  if (config.catalog.uri.empty()) return std::unique_ptr<Store>(std::move(store));
  RAGTIME_RETURN_IF_ERROR(SqlAddress::Parse(config.catalog.uri).status());
  return Mirrored(std::move(store), config.catalog);
}

Result<std::unique_ptr<ImportSource>> MakeImportSource(const Context& context, std::string_view address) {
  const auto [type, uri] = SplitAddress(address);
  if (type == "llamaindex" && !uri.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(auto source, LlamaIndexSource::Open(uri));
    return std::unique_ptr<ImportSource>(std::move(source));
  }
  if (type == "chroma" && !uri.empty()) {
    const char* const token = std::getenv("CHROMA_TOKEN");
    RAGTIME_ASSIGN_OR_RETURN(auto source, ChromaSource::Open(context, uri, token == nullptr ? "" : token));
    return std::unique_ptr<ImportSource>(std::move(source));
  }
  if (type == "milvus" || type == "lazyllm") {
    return UnimplementedError(StrCat("collections of ", type, " cannot be imported by this version"),
                              "ingest their documents with ragtime ingest");
  }
  return InvalidArgumentError(StrCat("\"", address, "\" is no collection that can be imported"),
                              "write llamaindex:FOLDER or chroma:http://host:port/COLLECTION");
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
