// SPDX-License-Identifier: Apache-2.0
#include "engine/recorded.h"

#include <algorithm>
#include <charconv>

#include "base/str_cat.h"
#include "engine/embedders.h"
#include "engine/retrievers.h"
#include "model/remote_fingerprint.h"
#include "wire/yaml.h"

namespace ragtime {
namespace {

constexpr char kRoot[] = "root";
constexpr char kModel[] = "embed.model";
constexpr char kFingerprint[] = "embed.fingerprint";
constexpr char kSplitSize[] = "split.size";
constexpr char kSplitOverlap[] = "split.overlap";

constexpr char kNodeGroups[] = "node_groups";
constexpr char kChineseWords[] = "words.chinese";
constexpr char kEmbedders[] = "embedders";

constexpr char kMigrate[] = "ingest into another folder with --kb, or take the key out of the configuration";

Result<std::string> Read(const Store& store, const char* key) {
  RAGTIME_ASSIGN_OR_RETURN(std::optional<std::string> value, store.Setting(key));
  if (!value) {
    return DataLossError(StrCat("the knowledge base does not record its ", key), "ingest into a new folder with --kb");
  }
  return *std::move(value);
}

Result<size_t> ReadNumber(const Store& store, const char* key) {
  RAGTIME_ASSIGN_OR_RETURN(const std::string text, Read(store, key));
  size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return DataLossError(StrCat("the knowledge base records ", key, " as \"", text, "\""),
                         "ingest into a new folder with --kb");
  }
  return number;
}

template <typename T>
Status Conflict(std::string_view key, const T& recorded, const T& configured) {
  return FailedPreconditionError(
      StrCat("the knowledge base was made with ", key, " ", recorded, ", and the configuration says ", configured),
      kMigrate);
}

}  // namespace

bool IsExplicit(const Config& config, std::string_view key) {
  return std::find(config.explicit_keys.begin(), config.explicit_keys.end(), key) != config.explicit_keys.end();
}

std::map<std::string, std::string> NodeGroupSettings(const std::vector<NodeGroupConfig>& groups) {
  return {{kNodeGroups, NodeGroupsText(groups)}};
}

std::map<std::string, std::string> EmbedderSettings(const std::map<std::string, EmbedderRecord>& embedders) {
  return {{kEmbedders, EmbedderRecordsText(embedders)}};
}

std::map<std::string, std::string> Recorded::ToSettings() const {
  std::map<std::string, std::string> settings;
  if (!node_groups.empty()) settings = NodeGroupSettings(node_groups);
  if (!embedders.empty()) settings.merge(EmbedderSettings(embedders));
  settings.insert({{kChineseWords, chinese_words},
                   {kRoot, root},
                   {kModel, model},
                   {kFingerprint, fingerprint},
                   {kSplitSize, std::to_string(split_size_tokens)},
                   {kSplitOverlap, std::to_string(split_overlap_tokens)}});
  return settings;
}

Result<std::optional<Recorded>> ReadRecorded(const Store& store) {
  RAGTIME_ASSIGN_OR_RETURN(std::optional<std::string> model, store.Setting(kModel));
  if (!model) return std::optional<Recorded>();
  Recorded recorded;
  recorded.model = *std::move(model);
  RAGTIME_ASSIGN_OR_RETURN(recorded.root, Read(store, kRoot));
  RAGTIME_ASSIGN_OR_RETURN(recorded.fingerprint, Read(store, kFingerprint));
  RAGTIME_ASSIGN_OR_RETURN(recorded.split_size_tokens, ReadNumber(store, kSplitSize));
  RAGTIME_ASSIGN_OR_RETURN(recorded.split_overlap_tokens, ReadNumber(store, kSplitOverlap));
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> words, store.Setting(kChineseWords));
  if (words) recorded.chinese_words = *words;  // Knowledge bases of before do not say it.
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> groups, store.Setting(kNodeGroups));
  if (groups) {
    RAGTIME_ASSIGN_OR_RETURN(const Yaml yaml, ParseYaml(*groups));
    Result<std::vector<NodeGroupConfig>> parsed = ParseNodeGroups(yaml);
    if (!parsed.ok()) return parsed.status().Annotate("what the knowledge base records of its node groups");
    recorded.node_groups = *std::move(parsed);
  }
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> embedders, store.Setting(kEmbedders));
  if (embedders) {
    auto records = ParseEmbedderRecords(*embedders);
    if (!records.ok()) return records.status().Annotate("what the knowledge base records of its embedders");
    recorded.embedders = *std::move(records);
  }
  return std::optional<Recorded>(std::move(recorded));
}

Status ApplyRecorded(const Recorded& recorded, Config& config) {
  // A model may be named by its folder here and by its name there; the fingerprint decides when it is loaded.
  const std::string configured_name = std::filesystem::path(config.embed.model).filename().string();
  if (!IsExplicit(config, "embed.model")) {
    config.embed.model = recorded.model;
  } else if (configured_name != std::filesystem::path(recorded.model).filename().string()) {
    return Conflict("embed.model", recorded.model, config.embed.model);
  }
  if (IsExplicit(config, "split.size") && config.split.size_tokens != recorded.split_size_tokens) {
    return Conflict("split.size", recorded.split_size_tokens, config.split.size_tokens);
  }
  if (IsExplicit(config, "split.overlap") && config.split.overlap_tokens != recorded.split_overlap_tokens) {
    return Conflict("split.overlap", recorded.split_overlap_tokens, config.split.overlap_tokens);
  }
  if (!IsExplicit(config, "node_groups")) config.node_groups = recorded.node_groups;
  config.embed.fingerprint = recorded.fingerprint;
  for (const auto& [key, record] : recorded.embedders) {
    const auto [configured, added] = config.embedders.try_emplace(key);
    EmbedConfig& embed = configured->second;
    if (added) {
      embed.model = record.model;
      if (record.fingerprint.starts_with(kRemoteFingerprint)) embed.api = "openai";
    } else if (std::filesystem::path(embed.model).filename() != std::filesystem::path(record.model).filename()) {
      return FailedPreconditionError(
          StrCat("the knowledge base was embedded by ", record.model, " under the key ", key,
                 ", and the configuration says embedders.", key, ".model ", embed.model),
          "give the new model another key, which the next ragtime ingest embeds, or ingest into another folder");
    }
    embed.fingerprint = record.fingerprint;
  }
  if (!IsExplicit(config, kChineseWords)) config.words.chinese = recorded.chinese_words;
  config.split = {recorded.split_size_tokens, recorded.split_overlap_tokens};
  return Status();
}

Status CheckWords(const Recorded& recorded, const Config& config) {
  if (config.words.chinese == recorded.chinese_words) return Status();
  return FailedPreconditionError(StrCat("the knowledge base was made with words.chinese ", recorded.chinese_words,
                                        ", and the configuration says ", config.words.chinese),
                                 "run ragtime compact with this configuration, which cuts its texts anew, or take the "
                                 "key out of the configuration");
}

Status CheckKeyedEmbedder(const Recorded& recorded, const std::string& key, const EmbedderInfo& info) {
  const auto record = recorded.embedders.find(key);
  if (record == recorded.embedders.end() || FingerprintsAgree(info.fingerprint, record->second.fingerprint)) {
    return Status();
  }
  return FailedPreconditionError(
      StrCat("the vectors of the embedder ", key, " are of ", record->second.model, " with fingerprint ",
             record->second.fingerprint, ", and the model ", info.model, " here has ", info.fingerprint),
      "use the model that made them, or give this one another key under embedders");
}

Status CheckEmbedder(const Recorded& recorded, const EmbedderInfo& info) {
  if (FingerprintsAgree(info.fingerprint, recorded.fingerprint)) return Status();
  return FailedPreconditionError(
      StrCat("the knowledge base was embedded by ", recorded.model, " with fingerprint ", recorded.fingerprint,
             ", and the model ", info.model, " here has ", info.fingerprint),
      "use the model that made it (embed: {model: ...}), or ingest into another folder with --kb");
}

}  // namespace ragtime
