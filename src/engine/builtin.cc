// SPDX-License-Identifier: Apache-2.0
#include "engine/builtin.h"

#include <cstdlib>
#include <filesystem>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/thread_budget.h"
#include "cache/memcached/memcached_cache.h"
#include "cache/memory/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "cache/server_address.h"
#include "cache/two_level_cache.h"
#include "catalog/sql/sql_catalog.h"
#include "engine/embedders.h"
#include "engine/gguf_work.h"
#include "engine/model_tuning.h"
#include "engine/models.h"
#include "engine/recorded.h"
#include "engine/store_address.h"
#include "index/bm25/bm25_index.h"
#include "index/diskann/diskann_index.h"
#include "index/flat/flat_index.h"
#include "index/hnsw/fast_hnsw_index.h"
#include "index/hnsw/hnsw_index.h"
#include "index/ivf/ivf_index.h"
#include "index/scalar/columns.h"
#include "ingest/import/chroma_source.h"
#include "ingest/import/lazyllm_source.h"
#include "ingest/import/lazyllm_stores.h"
#include "ingest/import/llamaindex_source.h"
#include "ingest/import/milvus_source.h"
#include "model/llama/llama_embedder.h"
#include "model/llama/llama_generator.h"
#include "model/local/local_embedder.h"
#include "model/openai/openai_embedder.h"
#include "model/openai/openai_generator.h"
#include "model/openai/openai_reranker.h"
#include "model/openvino/openvino_encoder.h"
#include "model/remote_fingerprint.h"
#include "query/rerank/keyword_filter.h"
#include "query/rerank/rerank_chain.h"
#include "store/chroma/chroma_process.h"
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
  RAGTIME_ASSIGN_OR_RETURN(const Json json, ReadModelDescription(path));
  RAGTIME_ASSIGN_OR_RETURN(options.gguf, GgufOf(path, json));
  options.model = json["name"].AsString();
  options.fingerprint = json["fingerprint"].AsString();
  options.query_prefix = json["query_prefix"].AsString();
  options.passage_prefix = json["passage_prefix"].AsString();
  options.found_threshold = static_cast<float>(json["found_threshold"].AsDouble());
  options.max_tokens = static_cast<size_t>(json["max_tokens"].AsInt());
  RAGTIME_ASSIGN_OR_RETURN(options.tokenizer, OpenTokenizer(path / json["tokenizer"].AsString()));
  return options;
}

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

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool IsOnServer(const Config& config) { return config.store.type == "chroma" || config.store.type == "milvus"; }

// Of type chroma or milvus. `make` whether what is missing there is made: the database of Chroma.
Result<std::shared_ptr<CollectionServer>> OpenServer(const Context& context, const Config& config, bool make) {
  const StoreServerConfig& remote = config.store_server;
  const std::string token = Variable(remote.token_env.c_str());
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

std::string Mapped(const std::map<std::string, std::string>& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

Result<std::unique_ptr<ImportSource>> OpenChromaSource(const Context& context, const std::string& uri) {
  RAGTIME_ASSIGN_OR_RETURN(auto source, ChromaSource::Open(context, uri, Variable("CHROMA_TOKEN")));
  return std::unique_ptr<ImportSource>(std::move(source));
}

Result<std::unique_ptr<ImportSource>> OpenMilvusSource(const Context& context, std::string_view uri,
                                                       const std::map<std::string, std::string>& map) {
  RAGTIME_ASSIGN_OR_RETURN(CollectionAddress address, ParseMilvusAddress(uri));
  RAGTIME_ASSIGN_OR_RETURN(
      auto reader,
      ReadMilvus(context,
                 {.uri = address.server, .db_name = address.parameters["db_name"], .token = Variable("MILVUS_TOKEN")},
                 {.name = address.collection, .vector = Mapped(map, "vector")}));
  return std::unique_ptr<ImportSource>(std::make_unique<MilvusSource>(std::move(reader), Mapped(map, "id")));
}

// A source whose server is ours and ends with it.
class ServedSource final : public ImportSource {
 public:
  ServedSource(std::unique_ptr<ChromaProcess> server, std::unique_ptr<ImportSource> source)
      : server_(std::move(server)), source_(std::move(source)) {}
  Result<std::vector<ImportedNode>> Next(const Context& context, size_t limit) override {
    return source_->Next(context, limit);
  }

 private:
  const std::unique_ptr<ChromaProcess> server_;
  const std::unique_ptr<ImportSource> source_;
};

Result<std::unique_ptr<ImportSource>> OpenLazyLlmSource(const Context& context, std::string_view conf,
                                                        const std::map<std::string, std::string>& map) {
  RAGTIME_ASSIGN_OR_RETURN(const LazyLlmStores stores, ParseLazyLlmStores(conf));
  RAGTIME_ASSIGN_OR_RETURN(auto segments, LazyLlmSegments::Open(stores.segments, Mapped(map, "group")));
  const std::string& collection = segments->collection();
  const std::string embedding = Mapped(map, "vector");
  std::unique_ptr<ImportSource> vectors;
  if (stores.vector_type == "milvus") {
    RAGTIME_ASSIGN_OR_RETURN(
        auto reader,
        ReadMilvus(context, {.uri = stores.vector_uri, .db_name = stores.db_name, .token = Variable("MILVUS_TOKEN")},
                   {.name = collection, .vector = embedding.empty() ? "" : StrCat("embedding_", embedding)}));
    vectors = std::make_unique<MilvusSource>(std::move(reader));
  } else if (stores.vector_type == "chroma") {
    // LazyLLM has a collection of Chroma for each group and embedding.
    const std::string name = StrCat(collection, "_", embedding.empty() ? kLazyLlmDefault : embedding, "_embed");
    if (stores.vector_uri.find("://") != std::string::npos) {
      RAGTIME_ASSIGN_OR_RETURN(vectors, OpenChromaSource(context, StrCat(stores.vector_uri, "/", name)));
    } else {
      std::error_code error;
      if (!std::filesystem::is_directory(stores.vector_uri, error)) {
        return NotFoundError(StrCat("there is no folder of Chroma at ", stores.vector_uri), "check the store_conf");
      }
      RAGTIME_ASSIGN_OR_RETURN(auto server, ChromaProcess::Start(context, stores.vector_uri, "chroma"));
      RAGTIME_ASSIGN_OR_RETURN(auto source, OpenChromaSource(context, StrCat(server->url(), "/", name)));
      vectors = std::make_unique<ServedSource>(std::move(server), std::move(source));
    }
  }
  return std::unique_ptr<ImportSource>(std::make_unique<LazyLlmSource>(std::move(segments), std::move(vectors)));
}

// The vectors of a server's model and those of one in this process are never the same to the last bit.
Status CheckEmbedApi(const EmbedConfig& embed) {
  if (embed.fingerprint.empty()) return Status();
  const bool is_remote = embed.fingerprint.starts_with(kRemoteFingerprint);
  if (is_remote == (embed.api == "openai")) return Status();
  if (is_remote) {
    return FailedPreconditionError(
        StrCat("the knowledge base was embedded by a server's model, ", embed.model, ", and no server is configured"),
        "write embed: {api: openai, base_url: ..., model: ...}, or change the model with ragtime reembed");
  }
  return FailedPreconditionError(
      StrCat("the knowledge base was embedded by a model in this process, and embed.api names a server"),
      "take embed.api out, ingest into another folder with --kb, or change the model with ragtime reembed");
}

Result<std::unique_ptr<Embedder>> OpenRemoteEmbedder(const EmbedConfig& embed) {
  RAGTIME_ASSIGN_OR_RETURN(auto embedder, OpenAiEmbedder::Open(Context(), {.base_url = embed.base_url,
                                                                           .model = embed.model,
                                                                           .api_key_env = embed.api_key_env,
                                                                           .query_prefix = embed.query_prefix,
                                                                           .passage_prefix = embed.passage_prefix,
                                                                           .base64 = embed.encoding == "base64",
                                                                           .dimensions = embed.dimensions,
                                                                           .max_tokens = embed.max_tokens,
                                                                           .batch = embed.batch,
                                                                           .parallel = embed.parallel,
                                                                           .found_threshold = embed.found_threshold,
                                                                           .fingerprint = embed.fingerprint,
                                                                           .timeout_ms = embed.timeout_ms}));
  return std::unique_ptr<Embedder>(std::move(embedder));
}

}  // namespace

Result<std::unique_ptr<Embedder>> MakeEmbedder(const Config& config) {
  RAGTIME_RETURN_IF_ERROR(CheckEmbedApi(config.embed));
  if (config.embed.api == "openai") return OpenRemoteEmbedder(config.embed);
  RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path path, FindModel(config, config.embed.model));
  if (config.embed.backend == "llama" || !IsModelFolder(path)) {
    RAGTIME_ASSIGN_OR_RETURN(LlamaEmbedderOptions options, LlamaOptionsOf(path));
    options.threads = config.threads;
    options.budget = ThreadBudget::Shared(config.threads);
    return OpenLlamaEmbedder(std::move(options));
  }
  const EncoderChoice choice = config.embed.backend == "openvino" ? EncoderChoice::kBatch : EncoderChoice::kAuto;
  RAGTIME_ASSIGN_OR_RETURN(
      auto embedder,
      LocalEmbedder::Open(
          {.folder = path, .choice = choice, .threads = config.threads, .budget = ThreadBudget::Shared(config.threads)},
          OpenVinoFactory(config)));
  return std::unique_ptr<Embedder>(std::move(embedder));
}

Status ProbeBatchEncoder(const Config& config) {
  Config batch = config;
  batch.embed.backend = "openvino";
  RAGTIME_ASSIGN_OR_RETURN(const std::unique_ptr<Embedder> embedder, MakeEmbedder(batch));
  return embedder->Embed(Context{}, std::vector<std::string>{"probe"}, TextKind::kPassage).status();
}

std::filesystem::path FolderOf(const Config& config) {
  return config.store.type == "ragtime" ? std::filesystem::path(config.store.uri) : std::filesystem::path();
}

Result<std::unique_ptr<Generator>> MakeGenerator(const Config& config) {
  if (config.llm.api == "none") return std::unique_ptr<Generator>();
  if (config.llm.api == "openai") {
    RAGTIME_ASSIGN_OR_RETURN(auto generator,
                             OpenAiGenerator::Create({.base_url = config.llm.base_url,
                                                      .model = config.llm.model,
                                                      .api_key_env = config.llm.api_key_env,
                                                      .context_tokens = config.llm.context_tokens,
                                                      .requests_max = config.llm.requests_max,
                                                      .timeout_ms = config.llm.timeout_ms,
                                                      .idle_timeout_ms = config.llm.timeout_ms,
                                                      .template_opens_think = config.llm.template_opens_think}));
    return std::unique_ptr<Generator>(std::move(generator));
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::filesystem::path path, FindModel(config, config.llm.model));
  const std::filesystem::path folder = FolderOf(config);
  // What `ragtime models tune` measured on this machine, where the user says nothing else.
  const KeptTuning tuning =
      config.threads == 0 ? FindTuning(path).value_or(KeptTuning()) : KeptTuning{.threads = config.threads};
  RAGTIME_ASSIGN_OR_RETURN(auto generator, LlamaGenerator::Open({.model_path = path,
                                                                 .context_tokens = config.llm.context_tokens,
                                                                 .kv_tokens = config.llm.kv_tokens,
                                                                 .parallel = config.llm.parallel,
                                                                 .kv_memory_bytes = config.llm.kv_memory_bytes,
                                                                 .kv_disk_bytes = config.llm.kv_disk_bytes,
                                                                 .kv_folder = folder.empty() ? folder : folder / "kv",
                                                                 .placement = PlacementOf(config),
                                                                 .prompt_lookup = config.llm.prompt_lookup,
                                                                 .chunk_reuse = config.llm.chunk_reuse,
                                                                 .threads = tuning.threads,
                                                                 .budget = ThreadBudget::Shared(config.threads),
                                                                 .read_threads = tuning.read_threads,
                                                                 .batch_tokens = tuning.batch_tokens}));
  return std::unique_ptr<Generator>(std::move(generator));
}

Result<std::unique_ptr<Reranker>> MakeReranker(const Config& config) {
  const RerankConfig& rerank = config.rerank;
  std::vector<std::unique_ptr<Reranker>> links;
  if (!rerank.required.empty() || !rerank.excluded.empty()) {
    links.push_back(std::make_unique<KeywordFilter>(rerank.required, rerank.excluded));
  }
  if (rerank.type == "remote") {
    RAGTIME_ASSIGN_OR_RETURN(auto remote, OpenAiReranker::Create({.base_url = rerank.base_url,
                                                                  .model = rerank.model,
                                                                  .api_key_env = rerank.api_key_env,
                                                                  .candidates = rerank.candidates,
                                                                  .max_tokens = rerank.max_tokens,
                                                                  .timeout_ms = rerank.timeout_ms}));
    links.push_back(std::move(remote));
  }
  if (links.empty()) return std::unique_ptr<Reranker>();
  if (links.size() == 1) return std::move(links[0]);
  return std::unique_ptr<Reranker>(std::make_unique<RerankChain>(std::move(links)));
}

Status ProbeServer(const std::string& base_url) {
  HttpClient client;
  HttpRequest request;
  request.url = base_url + "/models";
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

Result<std::unique_ptr<ImportSource>> MakeImportSource(const Context& context, std::string_view address,
                                                       const std::map<std::string, std::string>& map) {
  const auto [type, uri] = SplitAddress(address);
  const bool known = type == "llamaindex" || type == "chroma" || type == "milvus" || type == "lazyllm";
  if (!known || uri.empty()) {
    return InvalidArgumentError(StrCat("\"", address, "\" is no collection that can be imported"),
                                "write llamaindex:FOLDER, chroma:http://host:port/COLLECTION, "
                                "milvus:http://host:port/COLLECTION or lazyllm:STORE_CONF");
  }
  const auto refuse = [&](const char* key) {
    return InvalidArgumentError(StrCat("--map ", key, "=", map.at(key), " means nothing to ", type), "leave it out");
  };
  if (map.contains("vector") && type != "milvus" && type != "lazyllm") return refuse("vector");
  if (map.contains("id") && type != "milvus") return refuse("id");
  if (map.contains("group") && type != "lazyllm") return refuse("group");
  if (type == "llamaindex") {
    RAGTIME_ASSIGN_OR_RETURN(auto source, LlamaIndexSource::Open(uri));
    return std::unique_ptr<ImportSource>(std::move(source));
  }
  if (type == "chroma") return OpenChromaSource(context, std::string(uri));
  if (type == "milvus") return OpenMilvusSource(context, uri, map);
  return OpenLazyLlmSource(context, uri, map);
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
