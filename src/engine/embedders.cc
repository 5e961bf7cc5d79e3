// SPDX-License-Identifier: Apache-2.0
#include "engine/embedders.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/str_cat.h"
#include "engine/config_keys.h"
#include "engine/retrievers.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kExample[] = "write embedders: {english: {model: all-minilm-l6-v2}}";
constexpr size_t kKeyBytesMax = 64;
constexpr size_t kEmbeddersMax = 16;

Status Wrong(const std::string& key, int line, std::string_view why, std::string remedy) {
  return InvalidArgumentError(StrCat("the embedder ", key.substr(0, 100), " in line ", line, " ", why),
                              std::move(remedy));
}

Result<std::string> TextOf(const std::string& key, const Yaml::Member& part) {
  if (part.value.is_scalar()) return part.value.text;
  std::string text;
  for (const Yaml& item : part.value.items) {
    if (item.is_scalar()) text += StrCat(text.empty() ? "" : ",", item.text);
  }
  if (part.key == "base_url" && !text.empty()) return text;
  return Wrong(key, part.line, StrCat("has a ", part.key.substr(0, 100), " that is not one value"), kExample);
}

Status SetPart(const std::string& key, const Yaml::Member& part, const std::filesystem::path& base, Config& config) {
  const ConfigKey* const known = part.key == "key" ? nullptr : FindConfigKey(StrCat("embed.", part.key));
  if (known == nullptr) {
    return Wrong(key, part.line, StrCat("has the key ", part.key.substr(0, 100), ", which is unknown"),
                 "write what embed takes: model, backend, precision, or api: openai with base_url");
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::string text, TextOf(key, part));
  const Status status = known->set(config, text, base);
  return status.ok() ? status : status.Annotate(StrCat("the embedder ", key));
}

bool IsName(std::string_view key) {
  return !key.empty() && key.size() <= kKeyBytesMax &&
         std::none_of(key.begin(), key.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

bool IsDefault(const Config& config, const std::string& key) {
  return key == config.embed.key || key == EmbedConfig().key || key == kLazyLlmDefault;
}

Status CheckKey(const Config& config, std::string_view what, const std::string& name, const std::string& key) {
  if (config.embedders.contains(key)) return Status();
  std::string known = config.embed.key;
  for (const auto& [other, embedder] : config.embedders) known += StrCat(", ", other);
  return InvalidArgumentError(
      StrCat("the ", what, " ", name, " names the embedder ", key.substr(0, 100), ", and there are ", known),
      StrCat("correct the name, or declare it: embedders: {", key.substr(0, 100), ": {model: ...}}"));
}

}  // namespace

Result<std::map<std::string, EmbedConfig>> ParseEmbedders(const Yaml& map, const std::filesystem::path& base) {
  if (!map.is_map()) {
    return InvalidArgumentError(StrCat("embedders in line ", map.line, " is not a map"), kExample);
  }
  std::map<std::string, EmbedConfig> embedders;
  for (const Yaml::Member& member : map.members) {
    const std::string& key = member.key;
    if (!IsName(key)) return Wrong(key, member.line, "has no usable name", kExample);
    Config one;
    if (member.value.is_scalar()) {
      RAGTIME_RETURN_IF_ERROR(SetPart(key, {"model", member.value, member.line}, base, one));
    } else if (!member.value.is_map() || member.value.Find("model") == nullptr) {
      return Wrong(key, member.line, "names no model", kExample);
    }
    // api decides how model is read, so it comes first wherever it stands.
    for (const bool api : {true, false}) {
      for (const Yaml::Member& part : member.value.members) {
        if ((part.key == "api") == api) RAGTIME_RETURN_IF_ERROR(SetPart(key, part, base, one));
      }
    }
    embedders[key] = std::move(one.embed);
  }
  if (embedders.size() > kEmbeddersMax) {
    return InvalidArgumentError(
        StrCat("embedders lists too many models: ", embedders.size(), ", limit ", kEmbeddersMax), "leave some out");
  }
  return embedders;
}

Status ResolveEmbedKeys(Config& config) {
  for (const auto& [key, embedder] : config.embedders) {
    if (IsDefault(config, key)) {
      return InvalidArgumentError(StrCat("the embedder ", key, " has the name of the one that embed describes"),
                                  "give it another name under embedders");
    }
  }
  for (NodeGroupConfig& group : config.node_groups) {
    const size_t named = group.embed_keys.size();
    std::erase_if(group.embed_keys, [&config](const std::string& key) { return IsDefault(config, key); });
    group.embed |= group.embed_keys.size() < named;
    for (const std::string& key : group.embed_keys) {
      RAGTIME_RETURN_IF_ERROR(CheckKey(config, "node group", group.name, key));
    }
  }
  for (RetrieverConfig& retriever : config.retrievers) {
    if (IsDefault(config, retriever.embed_key)) retriever.embed_key.clear();
    if (retriever.embed_key.empty()) continue;
    RAGTIME_RETURN_IF_ERROR(CheckKey(config, "retriever", retriever.name, retriever.embed_key));
  }
  return Status();
}

void MarkEmbeddedGroups(Config& config) {
  const bool keyed = std::any_of(config.retrievers.begin(), config.retrievers.end(),
                                 [](const RetrieverConfig& retriever) { return !retriever.embed_key.empty(); });
  if (keyed && config.node_groups.empty()) {
    config.node_groups = {{.name = StrCat("sentence-", config.split.size_tokens), .embed = true}};
  }
  for (const RetrieverConfig& retriever : config.retrievers) {
    const std::string& key = retriever.embed_key;
    if (!IsVectorSimilarity(retriever.similarity) && key.empty()) continue;
    for (NodeGroupConfig& group : config.node_groups) {
      const bool first = retriever.group.empty() && &group == &config.node_groups.front();
      if (!first && group.name != retriever.group) continue;
      if (key.empty()) {
        group.embed = true;
      } else if (std::find(group.embed_keys.begin(), group.embed_keys.end(), key) == group.embed_keys.end()) {
        group.embed_keys.push_back(key);
        std::sort(group.embed_keys.begin(), group.embed_keys.end());
      }
    }
  }
}

std::vector<std::string> EmbedKeysOf(const std::vector<NodeGroupConfig>& groups) {
  std::set<std::string> keys;
  for (const NodeGroupConfig& group : groups) keys.insert(group.embed_keys.begin(), group.embed_keys.end());
  return {keys.begin(), keys.end()};
}

Config ConfigOfEmbedder(const Config& config, const std::string& key) {
  Config one = config;
  one.embed = config.embedders.at(key);
  one.embedders.clear();
  return one;
}

std::string EmbedderRecordsText(const std::map<std::string, EmbedderRecord>& records) {
  Json map(Json::Object{});
  for (const auto& [key, record] : records) {
    Json entry(Json::Object{});
    entry.Set("model", record.model).Set("fingerprint", record.fingerprint);
    map.Set(key, std::move(entry.Set("dimension", uint64_t{record.dimension})));
  }
  return map.Dump();
}

Result<std::map<std::string, EmbedderRecord>> ParseEmbedderRecords(std::string_view text) {
  RAGTIME_ASSIGN_OR_RETURN(const Json map, Json::Parse(text));
  std::map<std::string, EmbedderRecord> records;
  for (const auto& [key, entry] : map.AsObject()) {
    records[key] = {.model = entry["model"].AsString(),
                    .fingerprint = entry["fingerprint"].AsString(),
                    .dimension = static_cast<size_t>(entry["dimension"].AsInt())};
  }
  return records;
}

}  // namespace ragtime
