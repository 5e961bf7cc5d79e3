// SPDX-License-Identifier: Apache-2.0
//
// node_groups and retrievers of the configuration: how they are written, and what must hold between them.
//
// Errors: kInvalidArgument names the line, the group or retriever, and what could stand there.
#ifndef RAGTIME_ENGINE_RETRIEVERS_H_
#define RAGTIME_ENGINE_RETRIEVERS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/retriever.h"
#include "ragtime/status.h"
#include "wire/yaml.h"

namespace ragtime {

// {paragraph: {splitter: paragraph}, sentence: {parent: paragraph, size: 64}}, in the order written. The first is
// embedded.
Result<std::vector<NodeGroupConfig>> ParseNodeGroups(const Yaml& map);
// As ParseNodeGroups reads it, in one line: what a knowledge base records.
std::string NodeGroupsText(std::span<const NodeGroupConfig> groups);

// [{name: meaning, group: sentence, similarity: cosine, top_k: 30}], in the order written. LazyLLM's group_name and
// topk are taken, too.
Result<std::vector<RetrieverConfig>> ParseRetrievers(const Yaml& list);

// Names that cannot be given to a registered similarity.
bool IsBuiltinSimilarity(std::string_view name);
// cosine, ip and l2.
bool IsVectorSimilarity(std::string_view name);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_RETRIEVERS_H_
