// SPDX-License-Identifier: Apache-2.0
//
// The keys of what is read and how it is embedded and cut.
#include "engine/config_keys.h"

#include "engine/config_values.h"
#include "engine/embedders.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

Status SetEmbedModel(Config& config, const std::string& value, const std::filesystem::path& base) {
  // Names of servers' models have slashes too: BAAI/bge-m3.
  std::error_code error;
  const bool is_path = value.ends_with(".gguf") || value.starts_with('.') ||
                       (value.find('/') != std::string::npos && std::filesystem::exists(Resolve(value, base), error));
  config.embed.model = is_path && config.embed.api == "local" ? Resolve(value, base).string() : value;
  return Status();
}

Status SetEmbeddersText(Config& config, const std::string& value, const std::filesystem::path& base) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.embedders, ParseEmbedders(yaml, base));
  return Status();
}

// Of embedding by a server.
void AddEmbedServerKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"embed.api", "RAGTIME_EMBED_API", "local | openai", "local",
                  "local: in this process. openai: a server that speaks OpenAI's /embeddings; the keys below are its.",
                  Choice<string>("embed.api", {{"local", "local"}, {"openai", "openai"}},
                                 [](Config& c) -> string& { return c.embed.api; })});
  keys.push_back({"embed.base_url", "RAGTIME_EMBED_BASE_URL", "a URL ending in /v1, or a list of them", "none",
                  "The server. Of a list the first that answers; all must have the same model, which is checked.",
                  Text([](Config& c) -> string& { return c.embed.base_url; })});
  keys.push_back({"embed.api_key_env", "RAGTIME_EMBED_API_KEY_ENV", "the name of an environment variable",
                  "OPENAI_API_KEY", "Where the key of the server is read from.",
                  Text([](Config& c) -> string& { return c.embed.api_key_env; })});
  keys.push_back({"embed.query_prefix", "RAGTIME_EMBED_QUERY_PREFIX", "a text", "none",
                  "What is put in front of a question, as the model was trained: \"query: \" of e5. Recorded.",
                  Text([](Config& c) -> string& { return c.embed.query_prefix; })});
  keys.push_back({"embed.passage_prefix", "RAGTIME_EMBED_PASSAGE_PREFIX", "a text", "none",
                  "The same in front of a passage: \"passage: \" of e5.",
                  Text([](Config& c) -> string& { return c.embed.passage_prefix; })});
  keys.push_back({"embed.encoding", "RAGTIME_EMBED_ENCODING", "float | base64", "float",
                  "How the server sends vectors. base64 is shorter; not every server has it.",
                  Choice<string>("embed.encoding", {{"float", "float"}, {"base64", "base64"}},
                                 [](Config& c) -> string& { return c.embed.encoding; })});
  keys.push_back(
      {"embed.dimensions", "RAGTIME_EMBED_DIMENSIONS", "0 to 65536", "0",
       "The dimension to ask for, of a model whose vectors can be cut. 0: all it has.",
       Number<size_t>("embed.dimensions", 0, 65536, [](Config& c) -> size_t& { return c.embed.dimensions; })});
  keys.push_back(
      {"embed.max_tokens", "RAGTIME_EMBED_MAX_TOKENS", "tokens, 64 to 131072", "512",
       "The longest input, estimated. A longer text is embedded in parts, whose mean is taken.",
       Number<size_t>("embed.max_tokens", 64, 131072, [](Config& c) -> size_t& { return c.embed.max_tokens; })});
  keys.push_back({"embed.batch", "RAGTIME_EMBED_BATCH", "1 to 2048", "32", "Texts of one request.",
                  Number<size_t>("embed.batch", 1, 2048, [](Config& c) -> size_t& { return c.embed.batch; })});
  keys.push_back({"embed.parallel", "RAGTIME_EMBED_PARALLEL", "1 to 64", "4", "Requests under way at once.",
                  Number<size_t>("embed.parallel", 1, 64, [](Config& c) -> size_t& { return c.embed.parallel; })});
  keys.push_back(
      {"embed.timeout_ms", "RAGTIME_EMBED_TIMEOUT_MS", "milliseconds, 100 to 3600000", "60000",
       "How long one request may take, its repetitions included.",
       Number<int64_t>("embed.timeout_ms", 100, 3600000, [](Config& c) -> int64_t& { return c.embed.timeout_ms; })});
  keys.push_back(
      {"embed.found_threshold", "RAGTIME_EMBED_FOUND_THRESHOLD", "0 to 1", "0",
       "The cosine below which nothing was found. 0: something always is. A model of this process has its "
       "own.",
       Real<float>("embed.found_threshold", 0, 1, [](Config& c) -> float& { return c.embed.found_threshold; })});
}

}  // namespace

void AddIngestKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"dataset_path", "RAGTIME_DATASET_PATH", "a folder or a file", "none",
                  "What `ragtime ingest` reads when no path is given.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.dataset_path = Resolve(v, base);
                    return Status();
                  }});
  keys.push_back({"embed.model", "RAGTIME_EMBED_MODEL",
                  "a name under the models folder, a model folder, or a .gguf file", "multilingual-e5-small",
                  "The embedding model. Recorded at the first ingestion; a knowledge base keeps its model.",
                  SetEmbedModel});
  keys.push_back({"embed.backend", "RAGTIME_EMBED_BACKEND", "auto | openvino | llama", "auto",
                  "auto: whatever is fastest on this processor. openvino: OpenVINO for everything. llama: llama.cpp.",
                  Choice<string>("embed.backend", {{"auto", "auto"}, {"openvino", "openvino"}, {"llama", "llama"}},
                                 [](Config& c) -> string& { return c.embed.backend; })});
  keys.push_back(
      {"embed.precision", "RAGTIME_EMBED_PRECISION", "auto | bf16 | f32 | int8", "auto",
       "What OpenVINO computes in. auto: bf16 where the processor computes in it, else f32.",
       Choice<string>("embed.precision", {{"auto", "auto"}, {"bf16", "bf16"}, {"f32", "f32"}, {"int8", "int8"}},
                      [](Config& c) -> string& { return c.embed.precision; })});
  keys.push_back({"embed.key", "RAGTIME_EMBED_KEY", "a name", "default",
                  "What embed_key in a list of store_conf.kwargs.index_kwargs, or embed of a node group, calls this "
                  "embedding, as in LazyLLM's "
                  "Document(embed={NAME: ...}).",
                  Text([](Config& c) -> string& { return c.embed.key; })});
  keys.push_back({"embedders", "RAGTIME_EMBEDDERS",
                  "a map: {english: {model: all-minilm-l6-v2}}; each takes what embed takes", "none",
                  "Further embedders, by key. Nodes have a vector of each that embeds their group (embed: [default, "
                  "english] in node_groups, or a retriever's embed_key); the next ingestion adds what is missing. Of "
                  "store_conf.type ragtime and map.",
                  SetEmbeddersText});
  AddEmbedServerKeys(keys);
  keys.push_back({"split.size", "RAGTIME_SPLIT_SIZE", "tokens, 16 to 500", "256",
                  "The largest node, counted by the embedding model. Recorded at the first ingestion.",
                  Number<size_t>("split.size", 16, 500, [](Config& c) -> size_t& { return c.split.size_tokens; })});
  keys.push_back(
      {"split.overlap", "RAGTIME_SPLIT_OVERLAP", "tokens, 0 to 250", "32",
       "How much of the end of a node the next one repeats, in whole sentences.",
       Number<size_t>("split.overlap", 0, 250, [](Config& c) -> size_t& { return c.split.overlap_tokens; })});
}

}  // namespace ragtime
