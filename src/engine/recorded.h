// SPDX-License-Identifier: Apache-2.0
//
// What a knowledge base records about itself at its first ingestion, and how that meets the configuration of a later
// run.
#ifndef RAGTIME_ENGINE_RECORDED_H_
#define RAGTIME_ENGINE_RECORDED_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/embedder.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

struct Recorded {
  std::string root;         // What file paths are relative to.
  std::string model;        // "multilingual-e5-small"
  std::string fingerprint;  // EmbedderInfo::fingerprint
  size_t split_size_tokens = 0;
  size_t split_overlap_tokens = 0;
  std::vector<NodeGroupConfig> node_groups;  // Empty: one group of sentences.
  std::string chinese_words = "bigrams";     // WordsConfig::chinese
  // Those of Config::embedders that an ingestion has embedded nodes with.
  std::map<std::string, EmbedderRecord> embedders = {};

  std::map<std::string, std::string> ToSettings() const;
};

// The key of what a search keeps of a graph, which `ragtime tune` chooses where nothing sets it.
inline constexpr char kEfKey[] = "store_conf.kwargs.index_kwargs.params.ef";

// What ToSettings has of `embedders`.
std::map<std::string, std::string> EmbedderSettings(const std::map<std::string, EmbedderRecord>& embedders);

// What ToSettings has of `groups`.
std::map<std::string, std::string> NodeGroupSettings(const std::vector<NodeGroupConfig>& groups);

// Whether the file, the environment or a flag set the key.
bool IsExplicit(const Config& config, std::string_view key);

// nullopt before the first ingestion.
Result<std::optional<Recorded>> ReadRecorded(const Store& store);

// Puts what is recorded in place of defaults. kFailedPrecondition where the file, the environment or a flag says
// something else; of words, which ragtime compact can cut anew, CheckWords says it to whoever writes.
Status ApplyRecorded(const Recorded& recorded, Config& config);

Status CheckWords(const Recorded& recorded, const Config& config);

// kFailedPrecondition where the model has other weights than those that made the knowledge base's vectors.
Status CheckEmbedder(const Recorded& recorded, const EmbedderInfo& info);
// Likewise of the embedder with that key; OK where the knowledge base does not have it yet.
Status CheckKeyedEmbedder(const Recorded& recorded, const std::string& key, const EmbedderInfo& info);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_RECORDED_H_
