// SPDX-License-Identifier: Apache-2.0
#include "engine/builtin.h"

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/str_cat.h"
#include "engine/models.h"
#include "index/bm25/bm25_index.h"
#include "index/flat/flat_index.h"
#include "index/scalar/columns.h"
#include "model/llama/llama_embedder.h"
#include "model/llama/llama_generator.h"
#include "model/local/local_embedder.h"
#include "model/openai/openai_generator.h"
#include "model/openvino/openvino_encoder.h"
#include "store/chroma/chroma_server.h"
#include "store/embedded/embedded_store.h"
#include "store/map/map_store.h"
#include "store/remote_store.h"
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

IndexSet MakeIndexes(const Config& config) {
  return {.vector = std::make_shared<FlatIndexType>(),
          .keyword = std::make_shared<Bm25IndexType>(config.store.bm25),
          .fields = std::make_shared<ColumnsType>()};
}

Result<std::unique_ptr<Store>> MakeRemoteStore(const Config& config, std::shared_ptr<CollectionServer> server,
                                               bool create) {
  const StoreServerConfig& remote = config.store_server;
  RemoteStoreOptions options{.server = std::move(server),
                             .name = remote.name,
                             .metric = config.store.metric,
                             .index_type = config.store.index_type,
                             .indexes = MakeIndexes(config),
                             .state_folder = remote.state.empty() ? CacheFolder() / "stores" : remote.state};
  RAGTIME_ASSIGN_OR_RETURN(auto store, RemoteStore::Open(Context(), std::move(options), create));
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> MakeChromaStore(const Config& config, bool create) {
  const char* token = std::getenv(config.store_server.token_env.c_str());
  RAGTIME_ASSIGN_OR_RETURN(auto server, ChromaServer::Connect(Context(), {.uri = config.store.uri,
                                                                          .tenant = config.store_server.tenant,
                                                                          .database = config.store_server.database,
                                                                          .token = token == nullptr ? "" : token}));
  return MakeRemoteStore(config, std::move(server), create);
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
  RAGTIME_ASSIGN_OR_RETURN(auto generator, LlamaGenerator::Open({.model_path = path,
                                                                 .context_tokens = config.llm.context_tokens,
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

Result<std::unique_ptr<Store>> MakeStore(const Config& config, bool create) {
  const IndexSet indexes = MakeIndexes(config);
  if (config.store.type == "map") {
    RAGTIME_ASSIGN_OR_RETURN(auto map, MapStore::Open(config.store, indexes.fields, create));
    return std::unique_ptr<Store>(std::move(map));
  }
  if (config.store.uri.empty()) {
    return InvalidArgumentError("no folder is named for the knowledge base", "set store_conf.kwargs.uri");
  }
  if (config.store.type == "chroma") return MakeChromaStore(config, create);
  RAGTIME_ASSIGN_OR_RETURN(auto store, EmbeddedStore::Open(config.store, indexes, create));
  return std::unique_ptr<Store>(std::move(store));
}

Result<StoreStatistics> RestoreStore(const Config& config, const std::filesystem::path& backup,
                                     const Context& context) {
  if (config.store.type == "map") {
    return InvalidArgumentError("a map file is restored by copying it", "use cp, or store_conf.type ragtime");
  }
  if (config.store.type != "ragtime") {
    return InvalidArgumentError(StrCat("a store of type ", config.store.type, " is not restored from a folder"),
                                "use the server's own backup, or store_conf.type ragtime");
  }
  return EmbeddedStore::Restore(context, backup, config.store.uri, MakeIndexes(config));
}

}  // namespace ragtime
