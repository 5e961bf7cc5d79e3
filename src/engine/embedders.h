// SPDX-License-Identifier: Apache-2.0
//
// embedders of the configuration: further models beside `embed`, how they are written, what a knowledge base records of
// them, and which groups they embed.
//
// Errors: kInvalidArgument names the line, the embedder, and what could stand there.
#ifndef RAGTIME_ENGINE_EMBEDDERS_H_
#define RAGTIME_ENGINE_EMBEDDERS_H_

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"
#include "wire/yaml.h"

namespace ragtime {

// What LazyLLM calls an embedding without a name.
inline constexpr char kLazyLlmDefault[] = "__default__";

// {english: {model: all-minilm-l6-v2}}: each as `embed` is written, or only the name of its model.
Result<std::map<std::string, EmbedConfig>> ParseEmbedders(const Yaml& map, const std::filesystem::path& base);

// Puts the keys of node_groups and retrievers into the form that Config has: the name of `embed` is no key. A key that
// embedders does not have is refused.
Status ResolveEmbedKeys(Config& config);

// Has each group embedded by the model that a vector route of `config` looks at it with. Where only the one group of
// sentences is there, it is declared for that.
void MarkEmbeddedGroups(Config& config);

// The keys that groups name, each once, ascending.
std::vector<std::string> EmbedKeysOf(const std::vector<NodeGroupConfig>& groups);

// `config` with the embedder of the key as its only one.
Config ConfigOfEmbedder(const Config& config, const std::string& key);

// What a knowledge base records, in one line.
std::string EmbedderRecordsText(const std::map<std::string, EmbedderRecord>& records);
Result<std::map<std::string, EmbedderRecord>> ParseEmbedderRecords(std::string_view text);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_EMBEDDERS_H_
