// SPDX-License-Identifier: Apache-2.0
#include "ragtime/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/files.h"
#include "base/str_cat.h"
#include "engine/config_keys.h"

namespace ragtime {
namespace {

constexpr uint64_t kConfigSizeBytesMax = 1 << 20;

Status UnknownKey(const std::string& name, const YAML::Mark& mark) {
  const std::string where = mark.line >= 0 ? StrCat(" in line ", mark.line + 1) : "";
  if (const std::string_view remedy = RefusedConfigKey(name); !remedy.empty()) {
    return InvalidArgumentError(StrCat("the configuration key ", name, where, " is not taken"), std::string(remedy));
  }
  const std::string nearest = NearestConfigKey(name);
  return InvalidArgumentError(
      StrCat("the configuration key ", name, where, " is unknown"),
      nearest.empty() ? "`ragtime init` writes a file with every key" : StrCat("did you mean ", nearest, "?"));
}

Status SetKey(Config& config, const std::string& name, const std::string& value, const std::filesystem::path& base,
              const YAML::Mark& mark) {
  const ConfigKey* key = FindConfigKey(name);
  if (key == nullptr) return UnknownKey(name, mark);
  RAGTIME_RETURN_IF_ERROR(key->set(config, value, base));
  config.explicit_keys.push_back(name);
  return Status();
}

// Keys whose values are lists or maps, in the form that ConfigKey::set takes.
constexpr std::array<std::string_view, 3> kNestedKeys = {"rewrite.synonyms", "rerank.required", "rerank.excluded"};

Result<std::string> Flatten(const std::string& name, const YAML::Node& value) {
  if (value.IsScalar()) return value.Scalar();
  std::string text;
  if (value.IsSequence()) {
    for (const auto& item : value) {
      if (!item.IsScalar())
        return InvalidArgumentError(StrCat(name, " holds a list within a list"), "write plain words");
      text += StrCat(text.empty() ? "" : ",", item.Scalar());
    }
    return text;
  }
  for (const auto& item : value) {
    RAGTIME_ASSIGN_OR_RETURN(const std::string words, Flatten(name, item.second));
    text += StrCat(text.empty() ? "" : ";", item.first.Scalar(), "=", words);
  }
  return text;
}

bool IsPrefixOfAKey(const std::string& name) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.name.starts_with(name) && key.name.size() > name.size() && key.name[name.size()] == '.') return true;
  }
  return false;
}

// LazyLLM writes index_kwargs as a list with one item for each embedding; here there is one.
Status SetIndexKwargs(Config& config, const YAML::Node& list, const std::filesystem::path& base);

Status SetTree(Config& config, const std::string& prefix, const YAML::Node& node, const std::filesystem::path& base) {
  for (const auto& item : node) {
    if (!item.first.IsScalar()) return InvalidArgumentError("a configuration key is not a word", "see ragtime init");
    const std::string name = prefix.empty() ? item.first.Scalar() : StrCat(prefix, ".", item.first.Scalar());
    const YAML::Node& value = item.second;
    const bool empty = value.IsNull() || ((value.IsMap() || value.IsSequence()) && value.size() == 0);
    if (empty && (FindConfigKey(name) != nullptr || IsPrefixOfAKey(name) || !RefusedConfigKey(name).empty())) continue;
    if (name == "store_conf.kwargs.index_kwargs" && value.IsSequence()) {
      RAGTIME_RETURN_IF_ERROR(SetIndexKwargs(config, value, base));
    } else if (std::find(kNestedKeys.begin(), kNestedKeys.end(), name) != kNestedKeys.end()) {
      RAGTIME_ASSIGN_OR_RETURN(const std::string text, Flatten(name, value));
      RAGTIME_RETURN_IF_ERROR(SetKey(config, name, text, base, item.first.Mark()));
    } else if (value.IsMap() && IsPrefixOfAKey(name)) {
      RAGTIME_RETURN_IF_ERROR(SetTree(config, name, value, base));
    } else if (value.IsScalar()) {
      RAGTIME_RETURN_IF_ERROR(SetKey(config, name, value.Scalar(), base, item.first.Mark()));
    } else if (FindConfigKey(name) != nullptr) {
      return InvalidArgumentError(StrCat("the configuration key ", name, " takes one value, not a list or a map"),
                                  StrCat("write ", FindConfigKey(name)->values));
    } else {
      return UnknownKey(name, item.first.Mark());
    }
  }
  return Status();
}

Status SetIndexKwargs(Config& config, const YAML::Node& list, const std::filesystem::path& base) {
  if (list.size() != 1) {
    return InvalidArgumentError(StrCat("store_conf.kwargs.index_kwargs lists ", list.size(),
                                       " embeddings; this version keeps one vector a node"),
                                "leave one item");
  }
  YAML::Node item = YAML::Clone(list[0]);
  if (!item.IsMap())
    return InvalidArgumentError("an item of store_conf.kwargs.index_kwargs is not a map", "see ragtime init");
  item.remove("embed_key");
  return SetTree(config, "store_conf.kwargs.index_kwargs", item, base);
}

}  // namespace

Result<Config> ParseConfig(std::string_view yaml, const std::filesystem::path& base_folder) {
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    Config config;
    if (root.IsNull()) return config;
    if (!root.IsMap()) {
      return InvalidArgumentError("the configuration is not a map of keys", "`ragtime init` writes one to start from");
    }
    // llm.api decides how llm.model is read, so it comes first wherever it stands.
    if (const YAML::Node llm = root["llm"]; llm && llm.IsMap() && llm["api"] && llm["api"].IsScalar()) {
      RAGTIME_RETURN_IF_ERROR(SetKey(config, "llm.api", llm["api"].Scalar(), base_folder, llm["api"].Mark()));
    }
    RAGTIME_RETURN_IF_ERROR(SetTree(config, "", root, base_folder));
    return config;
  } catch (const YAML::Exception& error) {
    return InvalidArgumentError(StrCat("the configuration is not valid YAML: line ", error.mark.line + 1, ", column ",
                                       error.mark.column + 1, ": ", error.msg),
                                "mend that line");
  }
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

split:
  size: 256                       # tokens of the largest node
  overlap: 32                     # tokens that the next node repeats

store_conf:                       # spelled as LazyLLM does
  type: ragtime                   # ragtime (embedded, on disk) | map (in memory)
  kwargs:
    uri: ./kb                     # the knowledge base; --kb
    index_kwargs: {index_type: FLAT, metric_type: COSINE}

search:
  top_k: 10
  route: hybrid                   # hybrid | vector | keyword

# rewrite:
#   synonyms: {k8s: [kubernetes]} # what else the keyword route looks for
# rerank:
#   required: [backup]            # hits must hold these words
#   excluded: [deprecated]        # and none of these

answer:
  mode: auto                      # auto | generate | extract (no language model needed)
  passages: 5                     # how many passages an answer is made from

llm:
  model: smollm2-135m-instruct    # a name under the models folder or a .gguf file
  # Any server that speaks OpenAI's protocol (vLLM, LMDeploy, LightLLM, Ollama, llama-server, DeepSeek):
  # api: openai
  # base_url: http://127.0.0.1:8000/v1
  # model: qwen3-8b
  # api_key_env: OPENAI_API_KEY   # the key is read from this environment variable
  context_tokens: 4096
  max_tokens: 256

threads: 0                        # 0: one per core
)";
}

}  // namespace ragtime
