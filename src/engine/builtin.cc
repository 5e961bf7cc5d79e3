// SPDX-License-Identifier: Apache-2.0
//
// From the names in a configuration to its models and caches.
#include "engine/builtin.h"

#include <filesystem>

#include "base/environment.h"
#include "base/str_cat.h"
#include "base/thread_budget.h"
#include "cache/memcached/memcached_cache.h"
#include "cache/memory/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "cache/server_address.h"
#include "cache/two_level_cache.h"
#include "engine/embedders.h"
#include "engine/gguf_work.h"
#include "engine/model_tuning.h"
#include "engine/models.h"
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
    if (address.password.empty()) address.password = EnvironmentVariable(cache.password_env);
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

}  // namespace ragtime
