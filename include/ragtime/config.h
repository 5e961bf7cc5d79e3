// SPDX-License-Identifier: Apache-2.0
//
// Config is everything a knowledge base is opened with. Spelled in ragtime.yaml as docs/reference/config.md lists.
#ifndef RAGTIME_CONFIG_H_
#define RAGTIME_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/field.h"
#include "ragtime/retriever.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

struct EmbedConfig {
  std::string model =
      "multilingual-e5-small";     // A name under the models folder, or the path of a model folder or .gguf file.
  std::string backend = "auto";    // auto | openvino | llama
  std::string precision = "auto";  // auto | bf16 | f32 | int8 (openvino)
  std::string key = "default";     // What embed_key of store_conf.kwargs.index_kwargs calls it.
  std::string api = "local";       // local (in this process) | openai: of a server, as what follows
  std::string base_url;            // e.g. http://127.0.0.1:8000/v1; several, with commas between, for fail-over.
  std::string api_key_env = "OPENAI_API_KEY";  // The environment variable that holds the key.
  std::string query_prefix;                    // Put in front of every text, as the model was trained.
  std::string passage_prefix;
  std::string encoding = "float";  // float | base64: how vectors are sent.
  size_t dimensions = 0;           // To ask for, of a model whose vectors can be cut; 0: all.
  size_t max_tokens = 512;         // Of one input; longer texts are embedded in parts.
  size_t batch = 32;               // Texts of one request.
  size_t parallel = 4;             // Requests under way at once.
  float found_threshold = 0;       // EmbedderInfo::found_threshold
  int64_t timeout_ms = 60000;
  // What the knowledge base records of its vectors. Set when it is opened, never by the file.
  std::string fingerprint;
};

struct SplitConfig {
  size_t size_tokens = 256;
  size_t overlap_tokens = 32;
};

// A database server for the files table: of a store on a server it is the catalog; the embedded store is mirrored
// there.
struct CatalogConfig {
  std::string uri;           // postgresql://user@host/database or mysql://...; "": none.
  std::string password_env;  // The environment variable that holds the password, where the URI has none.
};

struct LlmConfig {
  std::string model =
      "smollm2-135m-instruct";  // A name under the models folder, a .gguf file, or the server's name for it.
  std::string api = "local";    // local (llama.cpp in process) | openai | none
  std::string base_url;  // Of api openai, e.g. http://127.0.0.1:8000/v1; several, with commas between, for fail-over.
  std::string api_key_env = "OPENAI_API_KEY";  // The environment variable that holds the key.
  size_t context_tokens = 4096;
  size_t max_tokens = 256;
  size_t parallel = 8;   // Answers written at once; more questions wait.
  size_t kv_tokens = 0;  // Of all answers written at once together. 0: context_tokens, four times that in `serve`.
  uint64_t kv_memory_bytes = uint64_t{256} << 20;  // Saved states of prompts, in memory and in the knowledge base.
  uint64_t kv_disk_bytes = uint64_t{1} << 30;
  bool chunk_reuse = true;  // Join passages where `ragtime tune --kv` has measured that it does little harm.
  // Guess what the answer repeats of the passages, where it is measured to pay: off | exact (where no bit of the answer
  // can change by it) | auto
  std::string prompt_lookup = "exact";
  std::string kv_type = "f16";       // How keys and values are kept: f16 | q8_0
  int64_t gpu_layers = -1;           // Layers that GPUs compute; -1: all where there is one that this build can use.
  std::string split_mode = "layer";  // Over several GPUs: none (main_gpu alone) | layer | tensor
  size_t main_gpu = 0;
  int64_t timeout_ms = 120000;
  size_t requests_max = 32;  // Of api openai: under way at once; more wait.
  // Of a reasoning model: how much it may think, on top of max_tokens; 0: not at all. None: within max_tokens.
  std::optional<size_t> thinking_tokens;
  bool template_opens_think = false;  // Of api openai: the server's chat template writes <think> itself.
};

// Of a store on a server: store_conf.type chroma.
struct StoreServerConfig {
  std::string name = "ragtime";  // Of the knowledge base on the server.
  std::string tenant = "default_tenant";
  std::string database = "default_database";
  std::string db_name;                            // Of type milvus; "": the server's default one.
  std::string token_env = "RAGTIME_STORE_TOKEN";  // The environment variable that holds the token.
  std::string tls_ca;                             // PEM files of https://, of type milvus. "": what the system trusts.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_server_name;
  std::string consistency_level = "Strong";          // Of type milvus.
  std::map<std::string, std::string> index_params;   // nlist, m, nbits: of indexes that only a server has.
  std::map<std::string, std::string> search_params;  // nprobe, search_list
  std::filesystem::path state;  // Where words are kept on this machine; "": below the cache folder.
};

enum class AnswerMode { kAuto, kGenerate, kExtract };

struct AnswerConfig {
  AnswerMode mode = AnswerMode::kAuto;
  size_t passages = 5;
};

enum class Route { kHybrid, kVector, kKeyword };

struct SearchConfig {
  size_t top_k = 10;
  Route route = Route::kHybrid;
  WindowConfig window;
};

struct RewriteConfig {
  std::map<std::string, std::vector<std::string>> synonyms;  // A word, and what else the keyword route looks for.
};

struct RerankConfig {
  std::vector<std::string> required;  // A hit must hold each of these words.
  std::vector<std::string> excluded;  // A hit must hold none of these words.
  std::string type = "none";          // none | remote: a model behind /rerank, as what follows
  std::string base_url;               // e.g. http://127.0.0.1:8000/v1; several, with commas between, for fail-over.
  std::string model;
  std::string api_key_env = "OPENAI_API_KEY";
  size_t candidates = 50;   // Of what the routes found, the best so many are scored; a search returns no others.
  size_t max_tokens = 512;  // Of question and text; of a longer text the best part counts.
  int64_t timeout_ms = 10000;
};

// How the texts are cut into the words of the keyword index.
struct WordsConfig {
  std::string chinese = "bigrams";  // bigrams | jieba
  std::string user_dictionary;      // Of jieba: a file with more words. "": none.
};

// Of `ragtime serve`.
struct ServerConfig {
  uint16_t port = 8321;      // 0: one that the system chooses.
  size_t requests_max = 32;  // Under way at once; one more gets 429.
  size_t body_bytes_max = size_t{1} << 20;
  int64_t timeout_ms = 300000;  // Of one request.
  int64_t drain_ms = 30000;     // How long requests may go on once the server is told to end.
};

struct CacheConfig {
  std::string type = "memory";                          // none | memory | redis | memcached
  std::string uri;                                      // Of redis and memcached.
  std::string password_env = "RAGTIME_CACHE_PASSWORD";  // The environment variable that holds the password of a Redis.
  std::string tls_ca;                                   // PEM files of rediss://. "": what the system trusts.
  std::string tls_cert;
  std::string tls_key;
  int64_t ttl_s = 86400;
  size_t capacity_bytes = size_t{64} << 20;  // Of what is kept in memory.
  bool two_level = true;                     // Memory before redis and memcached.
  int64_t timeout_ms = 50;                   // What a server may cost a request, once.
  bool similar_questions = false;            // An answer may be given again to a question that is nearly the same.
  double similar_cosine = 0.93;              // How near it must be.
  int64_t session_ttl_s = 86400;             // A conversation ends so long after its last turn.
  size_t session_turns = 8;                  // Of it are kept, the last ones,
  size_t session_bytes = 16384;              // and no more than this.
};

struct Config {
  std::filesystem::path dataset_path;  // What `ingest` reads when no path is given.
  EmbedConfig embed;
  std::map<std::string, EmbedConfig>
      embedders;  // Further models, by key: nodes have a vector of each that embeds them.
  SplitConfig split;
  StoreConfig store;                              // "store_conf" in the file; uri is --kb.
  std::map<std::string, StoreConfig> key_stores;  // By key of embedders: store with the index_kwargs of that key.
  StoreServerConfig store_server;
  CatalogConfig catalog;
  // What documents have beside their text. Empty, and not in explicit_keys: what the knowledge base records.
  std::vector<FieldSpec> doc_fields;
  // How nodes are made. Empty, and not in explicit_keys: what the knowledge base records, else one group of sentences.
  std::vector<NodeGroupConfig> node_groups;
  std::vector<RetrieverConfig> retrievers;  // Empty: by meaning and by words, over the first group.
  FusionConfig fusion;
  LlmConfig llm;
  AnswerConfig answer;
  SearchConfig search;
  WordsConfig words;
  RewriteConfig rewrite;
  RerankConfig rerank;
  ServerConfig server;
  CacheConfig cache;
  size_t threads = 0;  // 0: one per core.
  int64_t lock_timeout_ms = 5000;
  std::filesystem::path
      models_path;  // Empty: $RAGTIME_MODELS, else ../share/ragtime/models beside the binary, else the user's cache.
  // Keys that the file or the environment set, so that a conflict with the knowledge base can be told from a default.
  std::vector<std::string> explicit_keys;
};

// Reads a ragtime.yaml. Paths in it are relative to the file. An unknown key is kInvalidArgument and names the nearest
// known one.
Result<Config> LoadConfig(const std::filesystem::path& file);
Result<Config> ParseConfig(std::string_view yaml, const std::filesystem::path& base_folder);
// Overrides by the environment: RAGTIME_KB, RAGTIME_MODELS, RAGTIME_THREADS, RAGTIME_LLM_BASE_URL ...
Status ApplyEnvironment(Config& config);
// The commented ragtime.yaml that `ragtime init` writes.
std::string ConfigTemplate();
// docs/reference/config.md, made from the same table that parses.
std::string ConfigReference();

}  // namespace ragtime

#endif  // RAGTIME_CONFIG_H_
