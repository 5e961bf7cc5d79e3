// SPDX-License-Identifier: Apache-2.0
#include "ragtime/config.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "base/files.h"
#include "base/str_cat.h"
#include "engine/config_keys.h"
#include "engine/doc_fields.h"
#include "engine/embedders.h"
#include "engine/retrievers.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

constexpr uint64_t kConfigSizeBytesMax = 1 << 20;
constexpr char kIndexKwargs[] = "store_conf.kwargs.index_kwargs";
constexpr char kEmbedKey[] = "embed_key";

Status UnknownKey(const std::string& name, int line) {
  const std::string where = StrCat(" in line ", line);
  if (const std::string_view remedy = RefusedConfigKey(name); !remedy.empty()) {
    return InvalidArgumentError(StrCat("the configuration key ", name, where, " is not taken"), std::string(remedy));
  }
  const std::string nearest = NearestConfigKey(name);
  return InvalidArgumentError(
      StrCat("the configuration key ", name, where, " is unknown"),
      nearest.empty() ? "`ragtime init` writes a file with every key" : StrCat("did you mean ", nearest, "?"));
}

Status SetKey(Config& config, const std::string& name, const std::string& value, const std::filesystem::path& base,
              int line) {
  const ConfigKey* key = FindConfigKey(name);
  if (key == nullptr) return UnknownKey(name, line);
  RAGTIME_RETURN_IF_ERROR(key->set(config, value, base));
  config.explicit_keys.push_back(name);
  return Status();
}

// Keys whose values are lists or maps, in the form that ConfigKey::set takes.
constexpr std::array<std::string_view, 6> kNestedKeys = {"rewrite.synonyms", "rerank.required", "rerank.excluded",
                                                         "embed.base_url",   "llm.base_url",    "rerank.base_url"};

Result<std::string> Flatten(const std::string& name, const Yaml& value) {
  if (value.is_scalar()) return value.text;
  std::string text;
  for (const Yaml& item : value.items) {
    if (!item.is_scalar())
      return InvalidArgumentError(StrCat(name, " holds a list within a list"), "write plain words");
    text += StrCat(text.empty() ? "" : ",", item.text);
  }
  for (const Yaml::Member& member : value.members) {
    RAGTIME_ASSIGN_OR_RETURN(const std::string words, Flatten(name, member.value));
    text += StrCat(text.empty() ? "" : ";", member.key, "=", words);
  }
  return text;
}

bool IsPrefixOfAKey(const std::string& name) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.name.starts_with(name) && key.name.size() > name.size() && key.name[name.size()] == '.') return true;
  }
  return false;
}

// LazyLLM writes index_kwargs as a list with one item for each embedding.
Status SetIndexKwargs(Config& config, const Yaml& kwargs, const std::filesystem::path& base);

Status SetDocFields(Config& config, const Yaml& value) {
  RAGTIME_ASSIGN_OR_RETURN(config.doc_fields, ParseDocFields(value));
  config.explicit_keys.emplace_back("doc_fields");
  return Status();
}

// The keys whose values are trees of their own.
Status SetRoutes(Config& config, const std::string& name, const Yaml& value) {
  if (name == "node_groups") {
    RAGTIME_ASSIGN_OR_RETURN(config.node_groups, ParseNodeGroups(value));
  } else {
    RAGTIME_ASSIGN_OR_RETURN(config.retrievers, ParseRetrievers(value));
  }
  config.explicit_keys.push_back(name);
  return Status();
}

Status SetTree(Config& config, const std::string& prefix, const Yaml& node, const std::filesystem::path& base) {
  for (const Yaml::Member& member : node.members) {
    const std::string name = prefix.empty() ? member.key : StrCat(prefix, ".", member.key);
    const Yaml& value = member.value;
    const bool empty = !value.is_scalar() && value.items.empty() && value.members.empty();
    if (name == "doc_fields" && !value.is_null()) {
      RAGTIME_RETURN_IF_ERROR(SetDocFields(config, value));
      continue;
    }
    if (name == "embedders" && !value.is_null()) continue;  // Read first: others refer to it.
    if ((name == "node_groups" || name == "retrievers") && !value.is_null()) {
      RAGTIME_RETURN_IF_ERROR(SetRoutes(config, name, value));
      continue;
    }
    if (empty && (FindConfigKey(name) != nullptr || IsPrefixOfAKey(name) || !RefusedConfigKey(name).empty())) continue;
    if (name == kIndexKwargs && (value.is_list() || value.Find(kEmbedKey) != nullptr)) {
      RAGTIME_RETURN_IF_ERROR(SetIndexKwargs(config, value, base));
    } else if (std::find(kNestedKeys.begin(), kNestedKeys.end(), name) != kNestedKeys.end()) {
      RAGTIME_ASSIGN_OR_RETURN(const std::string text, Flatten(name, value));
      RAGTIME_RETURN_IF_ERROR(SetKey(config, name, text, base, member.line));
    } else if (value.is_map() && IsPrefixOfAKey(name)) {
      RAGTIME_RETURN_IF_ERROR(SetTree(config, name, value, base));
    } else if (value.is_scalar()) {
      RAGTIME_RETURN_IF_ERROR(SetKey(config, name, value.text, base, member.line));
    } else if (FindConfigKey(name) != nullptr) {
      return InvalidArgumentError(StrCat("the configuration key ", name, " takes one value, not a list or a map"),
                                  StrCat("write ", FindConfigKey(name)->values));
    } else {
      return UnknownKey(name, member.line);
    }
  }
  return Status();
}

// What embed_key may say: the name of the embedding, and what LazyLLM calls one without a name.
std::vector<std::string> EmbedKeys(const Config& config) {
  std::vector<std::string> keys = {config.embed.key};
  if (config.embed.key == EmbedConfig().key) keys.emplace_back(kLazyLlmDefault);
  for (const auto& [key, embedder] : config.embedders) keys.push_back(key);
  return keys;
}

// The items by the embedding that they are for; one without embed_key is for the only embedding.
Result<std::map<std::string, Yaml>> IndexKwargsByEmbedKey(const Config& config, const Yaml& kwargs) {
  const std::vector<std::string> known = EmbedKeys(config);
  std::map<std::string, Yaml> of_key;
  for (Yaml item : kwargs.is_list() ? kwargs.items : std::vector<Yaml>{kwargs}) {
    const std::string where = StrCat(kIndexKwargs, " in line ", item.line);
    if (!item.is_map()) {
      return InvalidArgumentError(StrCat("an item of ", where, " is not a map"),
                                  "write {embed_key: default, index_type: HNSW, metric_type: COSINE}");
    }
    const Yaml* const named = item.Find(kEmbedKey);
    std::string key = named == nullptr ? known.front() : named->text;
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      std::string names;
      for (const std::string& name : known) names += StrCat(names.empty() ? "" : ", ", name);
      return InvalidArgumentError(
          StrCat(where, " has the embed_key ", key.substr(0, 60),
                 config.embedders.empty() ? ", and the only embedding is called " : ", and the embeddings are called ",
                 names),
          StrCat("leave that item out, or name the embedding with embed: {key: ", key.substr(0, 60), "}"));
    }
    if (key == kLazyLlmDefault) key = known.front();
    std::erase_if(item.members, [](const Yaml::Member& member) { return member.key == kEmbedKey; });
    if (!of_key.emplace(key, std::move(item)).second) {
      return InvalidArgumentError(StrCat(where, " is the second item for the embed_key ", key), "leave one of them");
    }
  }
  return of_key;
}

Status SetIndexKwargs(Config& config, const Yaml& kwargs, const std::filesystem::path& base) {
  RAGTIME_ASSIGN_OR_RETURN(const auto of_key, IndexKwargsByEmbedKey(config, kwargs));
  // Those of `embed` are the keys below index_kwargs.
  if (const auto own = of_key.find(config.embed.key); own != of_key.end()) {
    RAGTIME_RETURN_IF_ERROR(SetTree(config, kIndexKwargs, own->second, base));
  }
  for (const auto& [key, item] : of_key) {
    if (key == config.embed.key) continue;
    Config one;
    RAGTIME_RETURN_IF_ERROR(SetTree(one, kIndexKwargs, item, base));
    if (one.store.metric && *one.store.metric != config.store.metric.value_or(Metric::kCosine)) {
      return InvalidArgumentError(
          StrCat(kIndexKwargs, " has another metric_type for the embed_key ", key, " than for ", config.embed.key),
          "write the same metric_type for both: a knowledge base keeps all of its vectors for one");
    }
    config.key_stores[key] = one.store;
  }
  return Status();
}

}  // namespace

Result<Config> ParseConfig(std::string_view yaml, const std::filesystem::path& base_folder) {
  const Result<Yaml> root = ParseYaml(yaml);
  if (!root.ok()) return root.status().Annotate("the configuration");
  Config config;
  if (root->is_null()) return config;
  if (!root->is_map()) {
    return InvalidArgumentError("the configuration is not a map of keys", "`ragtime init` writes one to start from");
  }
  // llm.api decides how llm.model is read, so it comes first wherever it stands.
  const Yaml* const llm = root->Find("llm");
  if (const Yaml* const api = llm == nullptr ? nullptr : llm->Find("api"); api != nullptr && api->is_scalar()) {
    RAGTIME_RETURN_IF_ERROR(SetKey(config, "llm.api", api->text, base_folder, api->line));
  }
  // So does embed.key, which index_kwargs refers to.
  const Yaml* const embed = root->Find("embed");
  if (const Yaml* const key = embed == nullptr ? nullptr : embed->Find("key"); key != nullptr && key->is_scalar()) {
    RAGTIME_RETURN_IF_ERROR(SetKey(config, "embed.key", key->text, base_folder, key->line));
  }
  if (const Yaml* const embedders = root->Find("embedders"); embedders != nullptr && !embedders->is_null()) {
    RAGTIME_ASSIGN_OR_RETURN(config.embedders, ParseEmbedders(*embedders, base_folder));
    config.explicit_keys.emplace_back("embedders");
  }
  RAGTIME_RETURN_IF_ERROR(SetTree(config, "", *root, base_folder));
  return config;
}

Result<Config> LoadConfig(const std::filesystem::path& file) {
  Result<std::string> text = ReadFile(file, kConfigSizeBytesMax);
  if (!text.ok()) return text.status().WithRemedy("`ragtime init` writes one to start from");
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(file, error).parent_path();
  Result<Config> config = ParseConfig(*text, folder);
  if (!config.ok()) return config.status().Annotate(file.string());
  return config;
}

Status ApplyEnvironment(Config& config) {
  for (const ConfigKey& key : ConfigKeys()) {
    const char* value = std::getenv(std::string(key.environment).c_str());
    if (value == nullptr || *value == '\0') continue;
    const Status status = key.set(config, value, {});
    if (!status.ok()) return status.Annotate(key.environment);
    config.explicit_keys.emplace_back(key.name);
  }
  return Status();
}

std::string ConfigTemplate() {
  return R"(# Configuration of Ragtime. Every key may be left out; what stands here are the defaults.
# A flag wins over the environment (RAGTIME_...), the environment over this file. Paths are relative to this file.
# Run: ragtime ingest --config ragtime.yaml && ragtime ask "..." --config ragtime.yaml

dataset_path: ./docs              # what `ragtime ingest` reads when no path is given

embed:
  model: multilingual-e5-small    # a name under the models folder, a model folder, or a .gguf file
  backend: auto                   # auto | openvino | llama
  precision: auto                 # auto | bf16 | f32 | int8
  # Or a server (vLLM, Ollama, llama-server, OpenAI):
  # api: openai
  # base_url: http://127.0.0.1:8000/v1    # or a list: the next one answers where one does not
  # model: BAAI/bge-m3
  # query_prefix: "query: "       # of models that were trained with it, as passage_prefix

# embedders:                      # further models; a retriever's embed_key asks one, and has its group embedded by it
#   english: {model: all-minilm-l6-v2}

split:
  size: 256                       # tokens of the largest node
  overlap: 32                     # tokens that the next node repeats

store_conf:                       # spelled as LazyLLM does
  type: ragtime                   # ragtime (embedded, on disk) | map (in memory)
  kwargs:
    uri: ./kb                     # the knowledge base; --kb
    # index_type: AUTO | FLAT | HNSW | DISKANN | IVF_FLAT | IVF_SQ8 | IVF_PQ | PQ
    index_kwargs: {index_type: AUTO, metric_type: COSINE}

# catalog:                        # the table of files in a database too, for other programs
#   uri: postgresql://user@host/database    # or mysql://user@host/database
#   password_env: DB_PASSWORD     # the password is read from this environment variable

# doc_fields:                     # what documents have beside their text, for --filter 'year >= 2020'
#   year: int                     # int | float | bool | string | datetime | list
#   author: {type: string, index: hash}     # none | btree | hash | skiplist | bitmap
#   tags: list                    # values come from front matter and from NAME.meta.json beside a file

search:
  top_k: 10
  route: hybrid                   # hybrid | vector | keyword
  # bm25: {k1: 1.2, b: 0.75}      # weight of repeated words, and of a node's length, by keyword

# words: {chinese: jieba}         # Chinese by the words of a dictionary; with user_dictionary: FILE, by yours too

# node_groups:                    # how nodes are made; the first is what answers are made from
#   paragraph: {splitter: paragraph}
#   sentence: {parent: paragraph, splitter: sentence, size: 64, overlap: 0}
#   summary: {splitter: summary, writer: rules}     # or keywords, questions; writer: llm has the language model write
# retrievers:                     # the routes of a question; without them: cosine and bm25 over the first group
#   - {name: meaning, group: sentence, similarity: cosine, target: paragraph}
#   - {name: words, group: paragraph, similarity: bm25, weight: 0.5}
# fusion: {type: weighted}        # rrf | weighted | priority

# rewrite:
#   synonyms: {k8s: [kubernetes]} # what else the keyword route looks for
# rerank:
#   required: [backup]            # hits must hold these words
#   excluded: [deprecated]        # and none of these
#   type: remote                  # a cross-encoder behind /rerank puts hits in order
#   base_url: http://127.0.0.1:8000/v1
#   model: BAAI/bge-reranker-v2-m3

answer:
  mode: auto                      # auto | generate | extract (no language model needed)
  passages: 5                     # how many passages an answer is made from

llm:
  model: smollm2-135m-instruct    # a name under the models folder or a .gguf file
  # Any server that speaks OpenAI's protocol (vLLM, LMDeploy, LightLLM, Ollama, llama-server, DeepSeek):
  # api: openai
  # base_url: http://127.0.0.1:8000/v1    # or a list: the next one answers where one does not
  # model: qwen3-8b
  # thinking_tokens: 1024         # how much a reasoning model may think; 0: not at all
  # api_key_env: OPENAI_API_KEY   # the key is read from this environment variable
  context_tokens: 4096
  max_tokens: 256

cache:
  type: memory                    # none | memory | redis | memcached
  # uri: redis://127.0.0.1:6379/0 # rediss:// for TLS, unix:///socket, memcached://127.0.0.1:11211
  ttl_s: 86400                    # how long anything is kept at most
  capacity_bytes: 67108864        # what this process keeps in memory
  # similar_questions: true       # answer again what was asked in nearly the same words

threads: 0                        # 0: one per core
)";
}

}  // namespace ragtime
