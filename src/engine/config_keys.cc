// SPDX-License-Identifier: Apache-2.0
#include "engine/config_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/edit_distance.h"
#include "base/str_cat.h"
#include "engine/doc_fields.h"
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
  if (value == "milvus") {
    return InvalidArgumentError(StrCat("store_conf.type is \"", value, "\", a store that this version does not have"),
                                "write type: ragtime (embedded, on disk), map (in memory) or chroma (a server)");
  }
  if (value != "ragtime" && value != "map" && value != "chroma" && value != "chromadb") {
    return WrongValue("store_conf.type", value, "ragtime, map or chroma");
  }
  if (value == "chromadb") {
    config.store.type = "chroma";
    return Status();
  }
  config.store.type = value;
  return Status();
}

Status SetIndexType(Config& config, const std::string& value, const std::filesystem::path&) {
  if (value != "FLAT") {
    return InvalidArgumentError(StrCat("store_conf.kwargs.index_kwargs.index_type is \"", value,
                                       "\", an index that this version does not have"),
                                "write index_type: FLAT, which is exact");
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
  const bool is_path = value.ends_with(".gguf") || value.find('/') != std::string::npos;
  config.embed.model = is_path ? Resolve(value, base).string() : value;
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

auto List(std::function<std::vector<std::string>&(Config&)> field) {
  return [=](Config& config, const std::string& value, const std::filesystem::path&) -> Status {
    field(config) = SplitList(value, ',');
    return Status();
  };
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
  keys.push_back({"split.size", "RAGTIME_SPLIT_SIZE", "tokens, 16 to 500", "256",
                  "The largest node, counted by the embedding model. Recorded at the first ingestion.",
                  Number<size_t>("split.size", 16, 500, [](Config& c) -> size_t& { return c.split.size_tokens; })});
  keys.push_back(
      {"split.overlap", "RAGTIME_SPLIT_OVERLAP", "tokens, 0 to 250", "32",
       "How much of the end of a node the next one repeats, in whole sentences.",
       Number<size_t>("split.overlap", 0, 250, [](Config& c) -> size_t& { return c.split.overlap_tokens; })});
  keys.push_back({"store_conf.type", "RAGTIME_STORE_TYPE", "ragtime | map | chroma", "ragtime",
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
  keys.push_back({"store_conf.kwargs.token_env", "RAGTIME_STORE_TOKEN_ENV", "the name of an environment variable",
                  "RAGTIME_STORE_TOKEN", "Where the token of a server is read from. Tokens never stand in the file.",
                  Text([](Config& c) -> string& { return c.store_server.token_env; })});
  keys.push_back({"store_conf.kwargs.state", "RAGTIME_STORE_STATE", "a folder", "below the cache folder",
                  "Where the words of a store on a server are kept on this machine. Safe to delete.",
                  [](Config& c, const string& v, const std::filesystem::path& base) {
                    c.store_server.state = Resolve(v, base);
                    return Status();
                  }});
  keys.push_back({"store_conf.kwargs.index_kwargs.index_type", "RAGTIME_INDEX_TYPE", "FLAT", "FLAT",
                  "How the nearest vectors are found. FLAT is exact.", SetIndexType});
  keys.push_back(
      {"store_conf.kwargs.index_kwargs.metric_type", "RAGTIME_METRIC_TYPE", "COSINE | IP | L2", "COSINE",
       "What near means. Recorded at the first ingestion.",
       Choice<std::optional<Metric>>("store_conf.kwargs.index_kwargs.metric_type",
                                     {{"COSINE", Metric::kCosine}, {"IP", Metric::kInnerProduct}, {"L2", Metric::kL2}},
                                     [](Config& c) -> std::optional<Metric>& { return c.store.metric; })});
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
  keys.push_back({"rewrite.synonyms", "RAGTIME_REWRITE_SYNONYMS", "a map: {k8s: [kubernetes], 备份: [转储, backup]}",
                  "none", "What else the keyword route looks for when the question holds a word. One way.",
                  SetSynonyms});
  keys.push_back({"rerank.required", "RAGTIME_RERANK_REQUIRED", "a list of words", "none",
                  "Hits that lack one of these words are dropped.",
                  List([](Config& c) -> std::vector<string>& { return c.rerank.required; })});
  keys.push_back({"rerank.excluded", "RAGTIME_RERANK_EXCLUDED", "a list of words", "none",
                  "Hits that hold one of these words are dropped.",
                  List([](Config& c) -> std::vector<string>& { return c.rerank.excluded; })});
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
  keys.push_back({"llm.base_url", "RAGTIME_LLM_BASE_URL", "a URL ending in /v1", "none", "The server of `api: openai`.",
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
  keys.push_back(
      {"llm.timeout_ms", "RAGTIME_LLM_TIMEOUT_MS", "milliseconds, 100 to 3600000", "120000",
       "How long a server may stay silent.",
       Number<int64_t>("llm.timeout_ms", 100, 3600000, [](Config& c) -> int64_t& { return c.llm.timeout_ms; })});
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
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kRefused = {{
    {"store_conf.segment_store",
     "Ragtime keeps texts and vectors in one store: write type and kwargs directly under store_conf"},
    {"store_conf.vector_store",
     "Ragtime keeps texts and vectors in one store: write type and kwargs directly under store_conf"},
    {"store_conf.indices", "write index_type and metric_type under store_conf.kwargs.index_kwargs"},
    {"store_conf.kwargs.client_kwargs", "the embedded store has no client: remove it"},
    {"store_conf.kwargs.index_kwargs.params", "FLAT has no parameters: remove it or leave it empty"},
    {"cache", "this version has no cache to configure: remove it"},
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
