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
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

struct EmbedConfig {
  std::string model =
      "multilingual-e5-small";     // A name under the models folder, or the path of a model folder or .gguf file.
  std::string backend = "auto";    // auto | openvino | llama
  std::string precision = "auto";  // auto | bf16 | f32 | int8 (openvino)
};

struct SplitConfig {
  size_t size_tokens = 256;
  size_t overlap_tokens = 32;
};

struct LlmConfig {
  std::string model =
      "smollm2-135m-instruct";  // A name under the models folder, a .gguf file, or the server's name for it.
  std::string api = "local";    // local (llama.cpp in process) | openai | none
  std::string base_url;         // Of api openai, e.g. http://127.0.0.1:8000/v1
  std::string api_key_env = "OPENAI_API_KEY";  // The environment variable that holds the key.
  size_t context_tokens = 4096;
  size_t max_tokens = 256;
  int64_t timeout_ms = 120000;
};

// Of a store on a server: store_conf.type chroma.
struct StoreServerConfig {
  std::string name = "ragtime";  // Of the knowledge base on the server.
  std::string tenant = "default_tenant";
  std::string database = "default_database";
  std::string token_env = "RAGTIME_STORE_TOKEN";  // The environment variable that holds the token.
  std::filesystem::path state;                    // Where words are kept on this machine; "": below the cache folder.
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
};

struct RewriteConfig {
  std::map<std::string, std::vector<std::string>> synonyms;  // A word, and what else the keyword route looks for.
};

struct RerankConfig {
  std::vector<std::string> required;  // A hit must hold each of these words.
  std::vector<std::string> excluded;  // A hit must hold none of these words.
};

struct Config {
  std::filesystem::path dataset_path;  // What `ingest` reads when no path is given.
  EmbedConfig embed;
  SplitConfig split;
  StoreConfig store;  // "store_conf" in the file; uri is --kb.
  StoreServerConfig store_server;
  // What documents have beside their text. Empty, and not in explicit_keys: what the knowledge base records.
  std::vector<FieldSpec> doc_fields;
  LlmConfig llm;
  AnswerConfig answer;
  SearchConfig search;
  RewriteConfig rewrite;
  RerankConfig rerank;
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
