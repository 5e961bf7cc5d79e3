// SPDX-License-Identifier: Apache-2.0
#include "engine/config_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/edit_distance.h"
#include "base/str_cat.h"
#include "engine/doc_fields.h"
#include "engine/embedders.h"
#include "engine/retrievers.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

Status WrongValue(std::string_view key, std::string_view value, std::string_view allowed) {
  return InvalidArgumentError(StrCat("the configuration key ", key, " has the value \"", value, "\""),
                              StrCat("write ", allowed));
}

template <typename Integer>
std::function<Status(Config&, const std::string&, const std::filesystem::path&)> Number(
    std::string_view key, Integer least, Integer most, std::function<Integer&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    Integer number{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < least || number > most) {
      return WrongValue(key, value, StrCat("a whole number from ", least, " to ", most));
    }
    field(config) = number;
    return Status();
  };
}

template <typename T>
std::function<Status(Config&, const std::string&, const std::filesystem::path&)> Real(
    std::string_view key, T least, T most, std::function<T&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    T number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || !(number >= least && number <= most)) {
      return WrongValue(key, value, StrCat("a number from ", least, " to ", most));
    }
    field(config) = number;
    return Status();
  };
}

auto Text(std::function<std::string&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    field(config) = value;
    return Status();
  };
}

std::filesystem::path Resolve(const std::string& value, const std::filesystem::path& base) {
  const std::filesystem::path path(value);
  if (path.empty() || path.is_absolute() || base.empty()) return path;
  return (base / path).lexically_normal();
}

template <typename T>
auto Choice(std::string_view key, std::vector<std::pair<std::string_view, T>> choices,
            std::function<T&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    std::string allowed;
    for (const auto& [name, choice] : choices) {
      if (name == value) {
        field(config) = choice;
        return Status();
      }
      allowed += StrCat(allowed.empty() ? "" : " | ", name);
    }
    return WrongValue(key, value, StrCat("one of ", allowed));
  };
}

Status SetStoreType(Config& config, const std::string& value, const std::filesystem::path&) {
  if (value != "ragtime" && value != "map" && value != "chroma" && value != "chromadb" && value != "milvus") {
    return WrongValue("store_conf.type", value, "ragtime, map, chroma or milvus");
  }
  if (value == "chromadb") {
    config.store.type = "chroma";
    return Status();
  }
  config.store.type = value;
  return Status();
}

Status SetIndexType(Config& config, const std::string& value, const std::filesystem::path&) {
  static constexpr std::array<std::string_view, 9> kKnown = {"AUTO",   "FLAT", "HNSW",    "IVF_FLAT", "IVF_SQ8",
                                                             "IVF_PQ", "PQ",   "DISKANN", "AUTOINDEX"};
  if (std::find(kKnown.begin(), kKnown.end(), value) == kKnown.end() && !value.starts_with("GPU_")) {
    return InvalidArgumentError(
        StrCat("store_conf.kwargs.index_kwargs.index_type is \"", value, "\", an index that is not known"),
        "write index_type: AUTO, FLAT (exact), HNSW (a graph, for many nodes), DISKANN (a graph on disk, for little "
        "memory), IVF_FLAT, IVF_SQ8, IVF_PQ or PQ; of type milvus also GPU_* or AUTOINDEX");
  }
  config.store.index_type = value;
  return Status();
}

Status SetLlmModel(Config& config, const std::string& value, const std::filesystem::path& base) {
  // A file beside the configuration, unless it is a name.
  const bool is_path = value.ends_with(".gguf") || value.find('/') != std::string::npos;
  config.llm.model = is_path && config.llm.api == "local" && std::filesystem::exists(Resolve(value, base))
                         ? Resolve(value, base).string()
                         : value;
  return Status();
}

Status SetEmbedModel(Config& config, const std::string& value, const std::filesystem::path& base) {
  // Names of servers' models have slashes too: BAAI/bge-m3.
  std::error_code error;
  const bool is_path = value.ends_with(".gguf") || value.starts_with('.') ||
                       (value.find('/') != std::string::npos && std::filesystem::exists(Resolve(value, base), error));
  config.embed.model = is_path && config.embed.api == "local" ? Resolve(value, base).string() : value;
  return Status();
}

Status SetThinkingTokens(Config& config, const std::string& value, const std::filesystem::path&) {
  size_t tokens = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), tokens);
  if (value == "auto") {
    config.llm.thinking_tokens.reset();
  } else if (error == std::errc() && end == value.data() + value.size() && tokens <= 1048576) {
    config.llm.thinking_tokens = tokens;
  } else {
    return WrongValue("llm.thinking_tokens", value, "auto, or a whole number from 0 to 1048576");
  }
  return Status();
}

// "a, b" -> {"a", "b"}; a YAML list arrives in this form.
std::vector<std::string> SplitList(std::string_view text, char separator) {
  std::vector<std::string> items;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(separator, start), text.size());
    std::string_view item = text.substr(start, end - start);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    start = end + 1;
  }
  return items;
}

// "k8s=kubernetes; pg=postgres,postgresql"; a YAML map arrives in this form.
Status SetSynonyms(Config& config, const std::string& value, const std::filesystem::path&) {
  config.rewrite.synonyms.clear();
  for (const std::string& entry : SplitList(value, ';')) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      return WrongValue("rewrite.synonyms", entry, "a map from a word to a list of words");
    }
    config.rewrite.synonyms[SplitList(entry.substr(0, equals), ',').front()] = SplitList(entry.substr(equals + 1), ',');
  }
  return Status();
}

// A YAML map in one line: "{year: int, tags: list}".
Status SetDocFieldsText(Config& config, const std::string& value, const std::filesystem::path&) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.doc_fields, ParseDocFields(yaml));
  return Status();
}

Status SetEmbeddersText(Config& config, const std::string& value, const std::filesystem::path& base) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.embedders, ParseEmbedders(yaml, base));
  return Status();
}

Status SetNodeGroupsText(Config& config, const std::string& value, const std::filesystem::path&) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.node_groups, ParseNodeGroups(yaml));
  return Status();
}

Status SetRetrieversText(Config& config, const std::string& value, const std::filesystem::path&) {
  RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(value));
  RAGTIME_ASSIGN_OR_RETURN(config.retrievers, ParseRetrievers(yaml));
  return Status();
}

auto List(std::function<std::vector<std::string>&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    field(config) = SplitList(value, ',');
    return Status();
  };
}

auto Switch(std::string_view key, std::function<bool&(Config&)> field) {
  return Choice<bool>(key, {{"true", true}, {"false", false}}, std::move(field));
}

auto File(std::function<std::string&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path& base) -> Status {
    field(config) = Resolve(value, base).string();
    return Status();
  };
}

Status SetSimilarCosine(Config& config, const std::string& value, const std::filesystem::path&) {
  double cosine = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), cosine);
  if (error != std::errc() || end != value.data() + value.size() || !(cosine >= 0.5 && cosine <= 1)) {
    return WrongValue("cache.similar_cosine", value, "a number from 0.5 to 1");
  }
  config.cache.similar_cosine = cosine;
  return Status();
}

void AddCacheKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back(
      {"cache.type", "RAGTIME_CACHE_TYPE", "none | memory | redis | memcached", "memory",
       "Where vectors, results, answers and conversations are kept to be given again. memory: in this "
       "process. A write makes what was kept before it unreachable.",
       Choice<string>("cache.type",
                      {{"none", "none"}, {"memory", "memory"}, {"redis", "redis"}, {"memcached", "memcached"}},
                      [](Config& c) -> string& { return c.cache.type; })});
  keys.push_back(
      {"cache.uri", "RAGTIME_CACHE_URI",
       "redis://[user:password@]host[:port][/db], rediss://... (TLS), unix:///socket, memcached://host[:port]", "none",
       "The server of type redis or memcached. While it is down it is bypassed, with a warning.",
       Text([](Config& c) -> string& { return c.cache.uri; })});
  keys.push_back({"cache.password_env", "RAGTIME_CACHE_PASSWORD_ENV", "the name of an environment variable",
                  "RAGTIME_CACHE_PASSWORD", "Where the password of a Redis is read from, unless the uri has one.",
                  Text([](Config& c) -> string& { return c.cache.password_env; })});
  keys.push_back({"cache.tls_ca", "RAGTIME_CACHE_TLS_CA", "a PEM file", "none",
                  "Who certifies the server of rediss://; none: whom the system trusts.",
                  File([](Config& c) -> string& { return c.cache.tls_ca; })});
  keys.push_back({"cache.tls_cert", "RAGTIME_CACHE_TLS_CERT", "a PEM file", "none",
                  "The certificate that this end shows, with cache.tls_key.",
                  File([](Config& c) -> string& { return c.cache.tls_cert; })});
  keys.push_back({"cache.tls_key", "RAGTIME_CACHE_TLS_KEY", "a PEM file", "none", "The key of cache.tls_cert.",
                  File([](Config& c) -> string& { return c.cache.tls_key; })});
  keys.push_back({"cache.ttl_s", "RAGTIME_CACHE_TTL_S", "seconds, 0 to 31536000", "86400",
                  "How long anything is kept at most. 0: without an end.",
                  Number<int64_t>("cache.ttl_s", 0, 31536000, [](Config& c) -> int64_t& { return c.cache.ttl_s; })});
  keys.push_back({"cache.capacity_bytes", "RAGTIME_CACHE_CAPACITY_BYTES", "bytes, 65536 to 1099511627776", "67108864",
                  "The memory that this process keeps entries in; what is asked for most stays. A server has its own.",
                  Number<size_t>("cache.capacity_bytes", 65536, 1099511627776,
                                 [](Config& c) -> size_t& { return c.cache.capacity_bytes; })});
  keys.push_back({"cache.two_level", "RAGTIME_CACHE_TWO_LEVEL", "true | false", "true",
                  "Whether what a server gave is kept in memory too.",
                  Switch("cache.two_level", [](Config& c) -> bool& { return c.cache.two_level; })});
  keys.push_back(
      {"cache.timeout_ms", "RAGTIME_CACHE_TIMEOUT_MS", "milliseconds, 1 to 60000", "50",
       "How long a server may take to connect or to answer before it is bypassed.",
       Number<int64_t>("cache.timeout_ms", 1, 60000, [](Config& c) -> int64_t& { return c.cache.timeout_ms; })});
  keys.push_back({"cache.similar_questions", "RAGTIME_CACHE_SIMILAR_QUESTIONS", "true | false", "false",
                  "Whether an answer is given again to a question that says the same in nearly the same words, where "
                  "recall finds the same passages. Such an answer names the question it was made for.",
                  Switch("cache.similar_questions", [](Config& c) -> bool& { return c.cache.similar_questions; })});
  keys.push_back({"cache.similar_cosine", "RAGTIME_CACHE_SIMILAR_COSINE", "a number, 0.5 to 1", "0.93",
                  "How near the vectors of two such questions must be.", SetSimilarCosine});
  keys.push_back({"cache.session_ttl_s", "RAGTIME_CACHE_SESSION_TTL_S", "seconds, 1 to 31536000", "86400",
                  "A conversation ends so long after its last turn.",
                  Number<int64_t>("cache.session_ttl_s", 1, 31536000,
                                  [](Config& c) -> int64_t& { return c.cache.session_ttl_s; })});
  keys.push_back(
      {"cache.session_turns", "RAGTIME_CACHE_SESSION_TURNS", "1 to 1000", "8",
       "How many turns of a conversation are kept, the last ones.",
       Number<size_t>("cache.session_turns", 1, 1000, [](Config& c) -> size_t& { return c.cache.session_turns; })});
  keys.push_back({"cache.session_bytes", "RAGTIME_CACHE_SESSION_BYTES", "bytes, 1024 to 1048576", "16384",
                  "And how many bytes of questions and answers.",
                  Number<size_t>("cache.session_bytes", 1024, 1048576,
                                 [](Config& c) -> size_t& { return c.cache.session_bytes; })});
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

// Of reranking by a server.
void AddRerankServerKeys(std::vector<ConfigKey>& keys) {
  using std::string;
  keys.push_back({"rerank.type", "RAGTIME_RERANK_TYPE", "none | remote", "none",
                  "remote: a cross-encoder behind /rerank (vLLM, llama-server, Jina, Cohere) puts the hits in order.",
                  Choice<string>("rerank.type", {{"none", "none"}, {"remote", "remote"}, {"openai", "remote"}},
                                 [](Config& c) -> string& { return c.rerank.type; })});
  keys.push_back({"rerank.base_url", "RAGTIME_RERANK_BASE_URL", "a URL ending in /v1, or a list of them", "none",
                  "The server of type remote. Of a list the first that answers.",
                  Text([](Config& c) -> string& { return c.rerank.base_url; })});
  keys.push_back({"rerank.model", "RAGTIME_RERANK_MODEL", "the server's name for it", "none",
                  "The model of type remote.", Text([](Config& c) -> string& { return c.rerank.model; })});
  keys.push_back({"rerank.api_key_env", "RAGTIME_RERANK_API_KEY_ENV", "the name of an environment variable",
                  "OPENAI_API_KEY", "Where the key of the server is read from.",
                  Text([](Config& c) -> string& { return c.rerank.api_key_env; })});
  keys.push_back(
      {"rerank.candidates", "RAGTIME_RERANK_CANDIDATES", "1 to 1000", "50",
       "How many of the fused hits are scored by type remote; a search returns no others.",
       Number<size_t>("rerank.candidates", 1, 1000, [](Config& c) -> size_t& { return c.rerank.candidates; })});
  keys.push_back(
      {"rerank.max_tokens", "RAGTIME_RERANK_MAX_TOKENS", "tokens, 64 to 131072", "512",
       "Of question and text together, estimated. Of a longer text the best part counts.",
       Number<size_t>("rerank.max_tokens", 64, 131072, [](Config& c) -> size_t& { return c.rerank.max_tokens; })});
  keys.push_back(
      {"rerank.timeout_ms", "RAGTIME_RERANK_TIMEOUT_MS", "milliseconds, 100 to 3600000", "10000",
       "How long the server may take. Where it takes longer the fused order stays, with a warning.",
       Number<int64_t>("rerank.timeout_ms", 100, 3600000, [](Config& c) -> int64_t& { return c.rerank.timeout_ms; })});
}

std::vector<ConfigKey> MakeKeys() {
  using std::string;
  std::vector<ConfigKey> keys;
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
  keys.push_back({"store_conf.type", "RAGTIME_STORE_TYPE", "ragtime | map | chroma | milvus", "ragtime",
                  "ragtime: embedded, on disk. map: in memory, and saved to a file if uri names one. chroma: a Chroma "
                  "server; see stores/chroma.md.",
                  SetStoreType});
  keys.push_back(
      {"store_conf.kwargs.uri", "RAGTIME_KB", "a folder", "./kb",
       "The knowledge base; `--kb` on the command line. Of type map: a file NAME.ragmap, or nothing. Of a server: "
       "http(s)://host:port.",
       [](Config& c, const string& v, const std::filesystem::path& base) {
         c.store.uri = v.find("://") != string::npos ? v : Resolve(v, base).string();
         return Status();
       }});
  keys.push_back({"store_conf.kwargs.name", "RAGTIME_STORE_NAME", "letters, digits and _", "ragtime",
                  "The knowledge base on a server that holds several.",
                  Text([](Config& c) -> string& { return c.store_server.name; })});
  keys.push_back({"store_conf.kwargs.tenant", "RAGTIME_STORE_TENANT", "a name", "default_tenant", "Of type chroma.",
                  Text([](Config& c) -> string& { return c.store_server.tenant; })});
  keys.push_back({"store_conf.kwargs.database", "RAGTIME_STORE_DATABASE", "a name", "default_database",
                  "Of type chroma. Made where there is none.",
                  Text([](Config& c) -> string& { return c.store_server.database; })});
  keys.push_back({"store_conf.kwargs.db_name", "RAGTIME_STORE_DB_NAME", "a name", "none",
                  "Of type milvus: the database. None: the server's default one.",
                  Text([](Config& c) -> string& { return c.store_server.db_name; })});
  keys.push_back({"store_conf.kwargs.consistency_level", "RAGTIME_STORE_CONSISTENCY_LEVEL",
                  "Strong | Bounded | Session | Eventually", "Strong",
                  "Of type milvus. With another than Strong a commit may not be seen at once.",
                  Text([](Config& c) -> string& { return c.store_server.consistency_level; })});
  const auto tls = [&keys](const char* name, const char* variable, const char* allowed, const char* help,
                           std::function<string&(Config&)> field) {
    keys.push_back({name, variable, allowed, "none", help, Text(std::move(field))});
  };
  tls("store_conf.kwargs.tls_ca", "RAGTIME_STORE_TLS_CA", "a PEM file",
      "Of type milvus: who certifies the server of https://; none: whom the system trusts.",
      [](Config& c) -> string& { return c.store_server.tls_ca; });
  tls("store_conf.kwargs.tls_cert", "RAGTIME_STORE_TLS_CERT", "a PEM file",
      "Of type milvus: the certificate that this end shows, with tls_key.",
      [](Config& c) -> string& { return c.store_server.tls_cert; });
  tls("store_conf.kwargs.tls_key", "RAGTIME_STORE_TLS_KEY", "a PEM file", "Of type milvus: the key of tls_cert.",
      [](Config& c) -> string& { return c.store_server.tls_key; });
  tls("store_conf.kwargs.tls_server_name", "RAGTIME_STORE_TLS_SERVER_NAME", "a name",
      "Of type milvus: the name in the server's certificate; none: the host of the uri.",
      [](Config& c) -> string& { return c.store_server.tls_server_name; });
  keys.push_back(
      {"store_conf.kwargs.token_env", "RAGTIME_STORE_TOKEN_ENV", "the name of an environment variable",
       "RAGTIME_STORE_TOKEN",
       "Where the token of a server is read from, of type milvus also user:password. Tokens never stand in the file.",
       Text([](Config& c) -> string& { return c.store_server.token_env; })});
  keys.push_back({"store_conf.kwargs.state", "RAGTIME_STORE_STATE", "a folder", "below the cache folder",
                  "Where the words of a store on a server are kept on this machine. Safe to delete.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.store_server.state = Resolve(v, base);
                    return Status();
                  }});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.index_type", "RAGTIME_INDEX_TYPE",
       "AUTO | FLAT | HNSW | DISKANN | IVF_FLAT | IVF_SQ8 | IVF_PQ | PQ; of type milvus also GPU_* | AUTOINDEX", "AUTO",
       "How the nearest vectors are found. FLAT is exact. HNSW is a graph, faster where there are many. DISKANN is the "
       "same graph read from disk, for vectors that memory does not hold. AUTO "
       "makes HNSW in segments of at least 8192 nodes, FLAT in smaller ones. IVF_* look into the lists that are "
       "nearest to the question, *PQ keep codes of a few bits; both make FLAT in segments that are too small "
       "to learn from: fewer than 39 nodes for each of nlist, or for each value of a code. Another type than before "
       "holds for new segments, and for all after `ragtime compact`.",
       SetIndexType});
  keys.push_back({"store_conf.kwargs.index_kwargs.params.M", "RAGTIME_HNSW_M", "4 to 128", "16",
                  "HNSW, DISKANN: links of a node; twice as many in the lowest level. For new segments.",
                  Number<uint32_t>("store_conf.kwargs.index_kwargs.params.M", 4, 128,
                                   [](Config& c) -> uint32_t& { return c.store.hnsw.m; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.efConstruction", "RAGTIME_HNSW_EF_CONSTRUCTION", "4 to 4096", "128",
       "HNSW, DISKANN: how many near nodes are kept while a node is linked. More finds more and takes longer to build. "
       "For new segments.",
       Number<uint32_t>("store_conf.kwargs.index_kwargs.params.efConstruction", 4, 4096,
                        [](Config& c) -> uint32_t& { return c.store.hnsw.ef_construction; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.ef", "RAGTIME_HNSW_EF", "1 to 65536",
       "what fits: 96, in segments of more than 65536 nodes more with their root",
       "HNSW: how many near nodes a search keeps, at least as many as it looks for. More finds more and takes "
       "longer. May differ from search to search; where nothing sets it, `ragtime tune` chooses.",
       Number<uint32_t>("store_conf.kwargs.index_kwargs.params.ef", 1, 65536,
                        [](Config& c) -> uint32_t& { return c.store.hnsw.ef; })});
  // Of the indexes here and of those of a server, which has defaults of its own.
  const auto of_both = [&keys](const char* name, const char* variable, const char* allowed, const char* standard,
                               const char* help, uint32_t most, uint32_t IvfParameters::* ours,
                               std::map<string, string> StoreServerConfig::* to) {
    const auto number = Number<uint32_t>(name, 1, most, [ours](Config& c) -> uint32_t& { return c.store.ivf.*ours; });
    keys.push_back({name, variable, allowed, standard, help,
                    [name, number, to](Config& c, const string& v, const std::filesystem::path& base) -> Status {
                      RAGTIME_RETURN_IF_ERROR(number(c, v, base));
                      const std::string_view full = name;
                      (c.store_server.*to)[string(full.substr(full.rfind('.') + 1))] = v;
                      return Status();
                    }});
  };
  of_both("store_conf.kwargs.index_kwargs.params.nlist", "RAGTIME_STORE_NLIST", "1 to 65536",
          "what fits: 4 times the root of a segment's nodes; of type milvus the server's",
          "IVF_*: lists. For new segments.", 65536, &IvfParameters::nlist, &StoreServerConfig::index_params);
  of_both("store_conf.kwargs.index_kwargs.params.m", "RAGTIME_STORE_PQ_M", "1 to 65536",
          "what fits: a fourth of the dimension; of type milvus the server's",
          "IVF_PQ and PQ: parts that a vector is cut into, at most one for each dimension. For new segments.", 65536,
          &IvfParameters::m, &StoreServerConfig::index_params);
  of_both("store_conf.kwargs.index_kwargs.params.nbits", "RAGTIME_STORE_PQ_NBITS", "4 or 8; of type milvus 1 to 64",
          "8", "IVF_PQ and PQ: bits of the code of a part. For new segments.", 64, &IvfParameters::nbits,
          &StoreServerConfig::index_params);
  of_both(
      "store_conf.kwargs.index_kwargs.params.nprobe", "RAGTIME_STORE_NPROBE", "1 to 65536", "64",
      "IVF_*: lists that a search looks into, at least. More finds more and takes longer. May differ from search to "
      "search.",
      65536, &IvfParameters::nprobe, &StoreServerConfig::search_params);
  keys.push_back({"store_conf.kwargs.index_kwargs.params.refine_k", "RAGTIME_REFINE_K", "1 to 65536", "8",
                  "IVF_PQ and PQ: nodes whose whole vectors are compared in the end, for each that is looked for. May "
                  "differ from search to search.",
                  Number<uint32_t>("store_conf.kwargs.index_kwargs.params.refine_k", 1, 65536,
                                   [](Config& c) -> uint32_t& { return c.store.ivf.refine_k; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.search_list", "RAGTIME_STORE_SEARCH_LIST", "1 to 65536", "100",
       "DISKANN: how many near nodes a search keeps, at least twice as many as it looks for. More finds more and "
       "reads more. Of type milvus the server's own default holds.",
       [](Config& c, const string& v, const std::filesystem::path& base) -> Status {
         static const auto set =
             Number<uint32_t>("store_conf.kwargs.index_kwargs.params.search_list", 1, 65536,
                              [](Config& config) -> uint32_t& { return config.store.diskann.search_list; });
         RAGTIME_RETURN_IF_ERROR(set(c, v, base));
         c.store_server.search_params["search_list"] = v;
         return Status();
       }});
  keys.push_back({"store_conf.kwargs.index_kwargs.params.beamwidth", "RAGTIME_DISKANN_BEAMWIDTH", "1 to 64", "8",
                  "DISKANN: how many reads of a search are on their way at once.",
                  Number<uint32_t>("store_conf.kwargs.index_kwargs.params.beamwidth", 1, 64,
                                   [](Config& c) -> uint32_t& { return c.store.diskann.beamwidth; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.params.memory_bytes_max", "RAGTIME_DISKANN_MEMORY_BYTES_MAX",
       "bytes, 0 to 1099511627776", "0",
       "DISKANN: the memory of all its segments together; 0: an eighth of their vectors. Short codes and upper "
       "levels always take theirs; what is left holds what was read.",
       Number<uint64_t>("store_conf.kwargs.index_kwargs.params.memory_bytes_max", 0, 1099511627776,
                        [](Config& c) -> uint64_t& { return c.store.diskann.memory_bytes_max; })});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.metric_type", "RAGTIME_METRIC_TYPE", "COSINE | IP | L2", "COSINE",
       "What near means. Recorded at the first ingestion.",
       Choice<std::optional<Metric>>("store_conf.kwargs.index_kwargs.metric_type",
                                     {{"COSINE", Metric::kCosine}, {"IP", Metric::kInnerProduct}, {"L2", Metric::kL2}},
                                     [](Config& c) -> std::optional<Metric>& { return c.store.metric; })});
  keys.push_back({"catalog.uri", "RAGTIME_CATALOG_URI", "postgresql://user@host/database | mysql://user@host/database",
                  "none",
                  "Where the table of files is kept too, for other programs to read. Of type ragtime it is a mirror, "
                  "brought up to date after each commit.",
                  Text([](Config& c) -> string& { return c.catalog.uri; })});
  keys.push_back({"catalog.password_env", "RAGTIME_CATALOG_PASSWORD_ENV", "the name of an environment variable", "none",
                  "Where the password of catalog.uri is read from, so that it need not stand in the file.",
                  Text([](Config& c) -> string& { return c.catalog.password_env; })});
  keys.push_back({"doc_fields", "RAGTIME_DOC_FIELDS",
                  "a map: {year: int, author: {type: string, index: hash}, tags: list}; types int | float | bool | "
                  "string | datetime | list; indexes none | btree | hash | skiplist | bitmap",
                  "what the knowledge base records",
                  "What documents have beside their text, for filters. Filled from front matter and from "
                  "NAME.meta.json beside a file. Another declaration has all files read again at the next ingestion.",
                  SetDocFieldsText});
  keys.push_back({"search.top_k", "RAGTIME_SEARCH_TOP_K", "1 to 1000", "10", "How many hits a search returns.",
                  Number<size_t>("search.top_k", 1, 1000, [](Config& c) -> size_t& { return c.search.top_k; })});
  keys.push_back({"search.route", "RAGTIME_SEARCH_ROUTE", "hybrid | vector | keyword", "hybrid",
                  "Which routes a question takes. hybrid: both, fused by reciprocal rank.",
                  Choice<Route>("search.route",
                                {{"hybrid", Route::kHybrid}, {"vector", Route::kVector}, {"keyword", Route::kKeyword}},
                                [](Config& c) -> Route& { return c.search.route; })});
  keys.push_back({"search.bm25.k1", "RAGTIME_SEARCH_BM25_K1", "0 to 10", "1.2",
                  "How much a word that a node repeats adds to its score by keyword. 0: nothing.",
                  Real<float>("search.bm25.k1", 0, 10, [](Config& c) -> float& { return c.store.bm25.k1; })});
  keys.push_back({"search.bm25.b", "RAGTIME_SEARCH_BM25_B", "0 to 1", "0.75",
                  "How much a longer node must repeat a word for the same score by keyword. 0: not more.",
                  Real<float>("search.bm25.b", 0, 1, [](Config& c) -> float& { return c.store.bm25.b; })});
  keys.push_back({"words.chinese", "RAGTIME_WORDS_CHINESE", "bigrams | jieba",
                  "what the knowledge base records, else bigrams",
                  "How Chinese is cut for the keyword route. bigrams: characters and pairs. jieba: the words of a "
                  "dictionary too. Another way than before needs ragtime compact once.",
                  Choice<string>("words.chinese", {{"bigrams", "bigrams"}, {"jieba", "jieba"}},
                                 [](Config& c) -> string& { return c.words.chinese; })});
  keys.push_back(
      {"words.user_dictionary", "RAGTIME_WORDS_USER_DICTIONARY", "a text file", "none",
       "With words.chinese: jieba, more words: one on each line, and behind it, if you like, how frequent it "
       "is and a tag.",
       File([](Config& c) -> string& { return c.words.user_dictionary; })});
  keys.push_back(
      {"search.window_before", "RAGTIME_SEARCH_WINDOW_BEFORE", "0 to 20", "0",
       "How many nodes before a hit are returned with it, beyond top_k.",
       Number<size_t>("search.window_before", 0, 20, [](Config& c) -> size_t& { return c.search.window.before; })});
  keys.push_back(
      {"search.window_after", "RAGTIME_SEARCH_WINDOW_AFTER", "0 to 20", "0",
       "How many nodes after a hit are returned with it, beyond top_k.",
       Number<size_t>("search.window_after", 0, 20, [](Config& c) -> size_t& { return c.search.window.after; })});
  keys.push_back(
      {"node_groups", "RAGTIME_NODE_GROUPS",
       "a map: {paragraph: {splitter: paragraph}, sentence: {parent: paragraph, size: 64, overlap: 0}}; "
       "splitters sentence | paragraph | document | summary | keywords | questions; writer rules | llm; embed "
       "true | false, or a list of embedders: [default, english]",
       "what the knowledge base records, else one group of sentences",
       "How nodes are made of a document or of their parent's nodes. Answers are made from the first. Another "
       "declaration has all files read again at the next ingestion; known texts are not embedded again.",
       SetNodeGroupsText});
  keys.push_back(
      {"retrievers", "RAGTIME_RETRIEVERS",
       "a list: [{name: meaning, group: sentence, similarity: cosine, top_k: 50, similarity_cut_off: 0.8, "
       "weight: 1, target: paragraph, embed_key: english}]; similarities cosine | ip | l2 | bm25 | keywords | llm | "
       "all, or a "
       "registered one",
       "none",
       "The routes that a question takes, side by side. None: cosine as `vector` and bm25 as `keyword`, of half its "
       "weight, over the first group. target: the group whose nodes are returned for those "
       "found, which lie in them or hold them. embed_key: whose vectors are compared; none: those of embed.",
       SetRetrieversText});
  keys.push_back(
      {"fusion.type", "RAGTIME_FUSION_TYPE", "rrf | weighted | priority", "weighted",
       "How the routes are joined. rrf: by weight / (k + rank). weighted: by scores brought to one scale. "
       "priority: all hits of the first route, then of the second.",
       Choice<FusionType>(
           "fusion.type",
           {{"rrf", FusionType::kRrf}, {"weighted", FusionType::kWeighted}, {"priority", FusionType::kPriority}},
           [](Config& c) -> FusionType& { return c.fusion.type; })});
  keys.push_back({"fusion.k", "RAGTIME_FUSION_K", "0 to 10000", "60",
                  "The constant of rrf. Less: the first ranks count more.",
                  Real<double>("fusion.k", 0, 10000, [](Config& c) -> double& { return c.fusion.k; })});
  keys.push_back({"fusion.scale", "RAGTIME_FUSION_SCALE", "minmax | zscore", "minmax",
                  "The scale of weighted: a route's lowest and highest score, or its mean and standard deviation.",
                  Choice<ScoreScale>("fusion.scale", {{"minmax", ScoreScale::kMinMax}, {"zscore", ScoreScale::kZScore}},
                                     [](Config& c) -> ScoreScale& { return c.fusion.scale; })});
  keys.push_back({"fusion.mmr_lambda", "RAGTIME_FUSION_MMR_LAMBDA", "0 to 1", "1",
                  "1: by score. Less: hits unlike those before them come earlier (maximal marginal relevance).",
                  Real<double>("fusion.mmr_lambda", 0, 1, [](Config& c) -> double& { return c.fusion.mmr_lambda; })});
  keys.push_back({"rewrite.synonyms", "RAGTIME_REWRITE_SYNONYMS", "a map: {k8s: [kubernetes], 备份: [转储, backup]}",
                  "none", "What else the keyword route looks for when the question holds a word. One way.",
                  SetSynonyms});
  keys.push_back({"rerank.required", "RAGTIME_RERANK_REQUIRED", "a list of words", "none",
                  "Hits that lack one of these words are dropped.",
                  List([](Config& c) -> std::vector<string>& { return c.rerank.required; })});
  keys.push_back({"rerank.excluded", "RAGTIME_RERANK_EXCLUDED", "a list of words", "none",
                  "Hits that hold one of these words are dropped.",
                  List([](Config& c) -> std::vector<string>& { return c.rerank.excluded; })});
  AddRerankServerKeys(keys);
  keys.push_back(
      {"answer.mode", "RAGTIME_ANSWER_MODE", "auto | generate | extract", "auto",
       "generate: a language model writes. extract: the best sentences word for word, no model needed. auto: "
       "generate where the model speaks the question's language and cites, else extract, with a warning.",
       Choice<AnswerMode>(
           "answer.mode",
           {{"auto", AnswerMode::kAuto}, {"generate", AnswerMode::kGenerate}, {"extract", AnswerMode::kExtract}},
           [](Config& c) -> AnswerMode& { return c.answer.mode; })});
  keys.push_back({"answer.passages", "RAGTIME_ANSWER_PASSAGES", "1 to 32", "5",
                  "How many passages an answer is made from.",
                  Number<size_t>("answer.passages", 1, 32, [](Config& c) -> size_t& { return c.answer.passages; })});
  keys.push_back(
      {"llm.api", "RAGTIME_LLM_API", "local | openai | none", "local",
       "local: llama.cpp in this process. openai: any server that speaks OpenAI's protocol. none: extract only.",
       Choice<string>("llm.api", {{"local", "local"}, {"openai", "openai"}, {"none", "none"}},
                      [](Config& c) -> string& { return c.llm.api; })});
  keys.push_back({"llm.model", "RAGTIME_LLM_MODEL",
                  "a name under the models folder, a .gguf file, or the server's name", "smollm2-135m-instruct",
                  "The language model.", SetLlmModel});
  keys.push_back({"llm.base_url", "RAGTIME_LLM_BASE_URL", "a URL ending in /v1, or a list of them", "none",
                  "The server of `api: openai`. Of a list the first that answers; one that failed is passed over for a "
                  "while.",
                  Text([](Config& c) -> string& { return c.llm.base_url; })});
  keys.push_back({"llm.api_key_env", "RAGTIME_LLM_API_KEY_ENV", "the name of an environment variable", "OPENAI_API_KEY",
                  "Where the key of the server is read from. Keys never stand in the file.",
                  Text([](Config& c) -> string& { return c.llm.api_key_env; })});
  keys.push_back(
      {"llm.context_tokens", "RAGTIME_LLM_CONTEXT_TOKENS", "tokens, 512 to 1048576", "4096",
       "Room for the prompt and the answer.",
       Number<size_t>("llm.context_tokens", 512, 1048576, [](Config& c) -> size_t& { return c.llm.context_tokens; })});
  keys.push_back({"llm.max_tokens", "RAGTIME_LLM_MAX_TOKENS", "tokens, 1 to 65536", "256", "The longest answer.",
                  Number<size_t>("llm.max_tokens", 1, 65536, [](Config& c) -> size_t& { return c.llm.max_tokens; })});
  keys.push_back({"llm.parallel", "RAGTIME_LLM_PARALLEL", "1 to 254", "8",
                  "Answers that the model in this process writes at once; more questions wait their turn.",
                  Number<size_t>("llm.parallel", 1, 254, [](Config& c) -> size_t& { return c.llm.parallel; })});
  keys.push_back(
      {"llm.kv_tokens", "RAGTIME_LLM_KV_TOKENS", "tokens, 0 to 16777216", "0",
       "Room for all prompts and answers that the model in this process holds at once. 0: context_tokens, and "
       "four times that in `ragtime serve`.",
       Number<size_t>("llm.kv_tokens", 0, 16777216, [](Config& c) -> size_t& { return c.llm.kv_tokens; })});
  keys.push_back({"llm.kv_memory_bytes", "RAGTIME_LLM_KV_MEMORY_BYTES", "bytes; 0: none", "268435456",
                  "What the model made of prompts is kept in memory up to this size, so that it is not computed again.",
                  Number<uint64_t>("llm.kv_memory_bytes", 0, UINT64_MAX / 2,
                                   [](Config& c) -> uint64_t& { return c.llm.kv_memory_bytes; })});
  keys.push_back({"llm.kv_disk_bytes", "RAGTIME_LLM_KV_DISK_BYTES", "bytes; 0: none", "1073741824",
                  "The same in the folder kv/ of the knowledge base, for the next start. Can be deleted at any time.",
                  Number<uint64_t>("llm.kv_disk_bytes", 0, UINT64_MAX / 2,
                                   [](Config& c) -> uint64_t& { return c.llm.kv_disk_bytes; })});
  keys.push_back(
      {"llm.chunk_reuse", "RAGTIME_LLM_CHUNK_REUSE", "off | auto", "auto",
       "auto: passages that the model in this process has read before are joined at any place of a prompt, if "
       "`ragtime tune --kv` has measured with this model that answers stay as they are. Never measured: not joined.",
       Choice<bool>("llm.chunk_reuse", {{"off", false}, {"auto", true}},
                    [](Config& c) -> bool& { return c.llm.chunk_reuse; })});
  keys.push_back(
      {"llm.prompt_lookup", "RAGTIME_LLM_PROMPT_LOOKUP", "off | auto", "off",
       "auto: the model in this process guesses what the answer repeats of the passages and checks several tokens at "
       "once, where it measures that to be sooner. A near tie of two words may then fall the other way.",
       Choice<bool>("llm.prompt_lookup", {{"off", false}, {"auto", true}},
                    [](Config& c) -> bool& { return c.llm.prompt_lookup; })});
  keys.push_back(
      {"llm.kv_type", "RAGTIME_LLM_KV_TYPE", "f16 | q8_0", "f16",
       "How keys and values of prompts are kept. q8_0 takes about half the memory and is a little less exact.",
       Choice<string>("llm.kv_type", {{"f16", "f16"}, {"q8_0", "q8_0"}},
                      [](Config& c) -> string& { return c.llm.kv_type; })});
  keys.push_back({"llm.gpu_layers", "RAGTIME_LLM_GPU_LAYERS", "-1 to 1000", "-1",
                  "Layers of the model that GPUs compute, where Ragtime was built for them; `--gpu-layers`. -1: all.",
                  Number<int64_t>("llm.gpu_layers", -1, 1000, [](Config& c) -> int64_t& { return c.llm.gpu_layers; })});
  keys.push_back(
      {"llm.split_mode", "RAGTIME_LLM_SPLIT_MODE", "none | layer | tensor", "layer",
       "How several GPUs share a model: none: main_gpu alone. layer: each has some layers. tensor: each has a part of "
       "every layer.",
       Choice<string>("llm.split_mode", {{"none", "none"}, {"layer", "layer"}, {"tensor", "tensor"}},
                      [](Config& c) -> string& { return c.llm.split_mode; })});
  keys.push_back({"llm.main_gpu", "RAGTIME_LLM_MAIN_GPU", "0 to 63", "0", "The GPU of `split_mode: none`.",
                  Number<size_t>("llm.main_gpu", 0, 63, [](Config& c) -> size_t& { return c.llm.main_gpu; })});
  keys.push_back(
      {"llm.timeout_ms", "RAGTIME_LLM_TIMEOUT_MS", "milliseconds, 100 to 3600000", "120000",
       "How long a server may stay silent.",
       Number<int64_t>("llm.timeout_ms", 100, 3600000, [](Config& c) -> int64_t& { return c.llm.timeout_ms; })});
  keys.push_back(
      {"llm.requests_max", "RAGTIME_LLM_REQUESTS_MAX", "1 to 4096", "32",
       "Requests that are under way at once at servers of `api: openai`; more wait, client by client in turn.",
       Number<size_t>("llm.requests_max", 1, 4096, [](Config& c) -> size_t& { return c.llm.requests_max; })});
  keys.push_back({"llm.thinking_tokens", "RAGTIME_LLM_THINKING_TOKENS", "auto | tokens, 0 to 1048576", "auto",
                  "How much a reasoning model may think, on top of max_tokens; 0: not at all. auto: thinking is a part "
                  "of max_tokens, in this process at most half of it. A server is told, but need not know how.",
                  SetThinkingTokens});
  keys.push_back({"llm.template_opens_think", "RAGTIME_LLM_TEMPLATE_OPENS_THINK", "true | false", "false",
                  "Of `api: openai`: the server's chat template writes <think> itself, and the server does not part "
                  "reasoning from the answer (DeepSeek-R1 without a reasoning parser).",
                  Switch("llm.template_opens_think", [](Config& c) -> bool& { return c.llm.template_opens_think; })});
  keys.push_back({"server.port", "RAGTIME_SERVER_PORT", "0 to 65535", "8321",
                  "Where `ragtime serve` listens on 127.0.0.1; `--port`. 0: a port that the system chooses.",
                  Number<uint16_t>("server.port", 0, 65535, [](Config& c) -> uint16_t& { return c.server.port; })});
  keys.push_back(
      {"server.requests_max", "RAGTIME_SERVER_REQUESTS_MAX", "1 to 1024", "32",
       "Requests that are answered at once; one more gets 429 and Retry-After.",
       Number<size_t>("server.requests_max", 1, 1024, [](Config& c) -> size_t& { return c.server.requests_max; })});
  keys.push_back({"server.body_bytes_max", "RAGTIME_SERVER_BODY_BYTES_MAX", "bytes, 1024 to 67108864", "1048576",
                  "The longest body of a request; a longer one gets 413.",
                  Number<size_t>("server.body_bytes_max", 1024, 67108864,
                                 [](Config& c) -> size_t& { return c.server.body_bytes_max; })});
  keys.push_back(
      {"server.timeout_ms", "RAGTIME_SERVER_TIMEOUT_MS", "milliseconds, 100 to 86400000", "300000",
       "How long one request may take.",
       Number<int64_t>("server.timeout_ms", 100, 86400000, [](Config& c) -> int64_t& { return c.server.timeout_ms; })});
  keys.push_back(
      {"server.drain_ms", "RAGTIME_SERVER_DRAIN_MS", "milliseconds, 0 to 3600000", "30000",
       "How long requests under way may go on after SIGTERM or Ctrl-C.",
       Number<int64_t>("server.drain_ms", 0, 3600000, [](Config& c) -> int64_t& { return c.server.drain_ms; })});
  AddCacheKeys(keys);
  keys.push_back({"threads", "RAGTIME_THREADS", "0 to 1024", "0", "Threads to compute with. 0: one per core.",
                  Number<size_t>("threads", 0, 1024, [](Config& c) -> size_t& { return c.threads; })});
  keys.push_back(
      {"lock_timeout_ms", "RAGTIME_LOCK_TIMEOUT_MS", "milliseconds, 0 to 3600000", "5000",
       "How long a second writer waits for the first.",
       Number<int64_t>("lock_timeout_ms", 0, 3600000, [](Config& c) -> int64_t& { return c.lock_timeout_ms; })});
  keys.push_back({"models_path", "RAGTIME_MODELS", "a folder", "found beside the binary",
                  "Where models lie, a folder each.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.models_path = Resolve(v, base);
                    return Status();
                  }});
  return keys;
}

// Spellings of LazyLLM's store_conf, and parts of Ragtime's design, that this version does not take.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRefused = {{
    {"store_conf.segment_store",
     "Ragtime keeps texts and vectors in one store: write type and kwargs directly under store_conf"},
    {"store_conf.vector_store",
     "Ragtime keeps texts and vectors in one store: write type and kwargs directly under store_conf"},
    {"store_conf.indices", "write index_type and metric_type under store_conf.kwargs.index_kwargs"},
    {"store_conf.kwargs.client_kwargs", "the embedded store has no client: remove it"},
}};

}  // namespace

std::span<const ConfigKey> ConfigKeys() {
  static const std::vector<ConfigKey>* const keys = new std::vector<ConfigKey>(MakeKeys());
  return *keys;
}

const ConfigKey* FindConfigKey(std::string_view name) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::string_view RefusedConfigKey(std::string_view name) {
  for (const auto& [key, remedy] : kRefused) {
    if (name == key || (name.starts_with(key) && name[key.size()] == '.')) return remedy;
  }
  return {};
}

std::string NearestConfigKey(std::string_view name) {
  std::string_view best;
  size_t best_distance = name.size() / 2 + 1;  // Farther than half of its letters is another word, not a slip.
  for (const ConfigKey& key : ConfigKeys()) {
    // "model" alone is as near to "embed.model" as the last part says.
    const std::string_view last = key.name.substr(key.name.rfind('.') + 1);
    const size_t distance = std::min(EditDistance(name, key.name), EditDistance(name, last) + 1);
    if (distance < best_distance) {
      best_distance = distance;
      best = key.name;
    }
  }
  return std::string(best);
}

std::string ConfigReference() {
  std::string text =
      "# Configuration\n\n"
      "A flag wins over the environment, the environment over the file (`--config ragtime.yaml`), the file over what "
      "the\n"
      "knowledge base recorded, and that over the default. Paths in the file are relative to the file. A key with dots "
      "is\n"
      "nested in YAML: `llm.model` is `llm: {model: ...}`. This page is made from the table in the code\n"
      "(`ragtime init --reference`), and a test holds it there.\n\n"
      "| key | values | default | environment | |\n|---|---|---|---|---|\n";
  for (const ConfigKey& key : ConfigKeys()) {
    std::string values;
    for (const char c : key.values) values += c == '|' ? "\\|" : std::string(1, c);
    text += StrCat("| `", key.name, "` | ", values, " | ", key.fallback, " | `", key.environment, "` | ",
                   key.description, " |\n");
  }
  text += "\n## Refused by name\n\n| key | instead |\n|---|---|\n";
  for (const auto& [key, remedy] : kRefused) text += StrCat("| `", key, "` | ", remedy, " |\n");
  return text;
}

}  // namespace ragtime
