// SPDX-License-Identifier: Apache-2.0
//
// What a knowledge base makes of a document and how it looks for it: node groups, retrievers (one route each), fusion.
// Spelled in ragtime.yaml as docs/reference/config.md lists.
#ifndef RAGTIME_RETRIEVER_H_
#define RAGTIME_RETRIEVER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace ragtime {

// One way of making nodes. Groups are a tree: the nodes of a group with a parent are made of the parent's nodes, one by
// one, and lie within their bytes.
struct NodeGroupConfig {
  std::string name;
  std::string parent;                    // A group before this one; "": the whole document.
  std::string splitter = "sentence";     // sentence | paragraph | document | summary | keywords | questions
  std::string writer = "rules";          // rules | llm: who writes summaries, keywords and questions.
  size_t size_tokens = 0;                // The largest node of sentence and paragraph; 0: split.size.
  std::optional<size_t> overlap_tokens;  // Of sentence; none: split.overlap.
  // Whether its nodes have vectors of their own. Others have the mean of those of the first group that they overlap,
  // and no vector route looks at them. True for the first group and wherever a vector route names it.
  bool embed = false;
  // Further embedders that its nodes have vectors of, by their keys in Config::embedders, in the order of the keys.
  std::vector<std::string> embed_keys = {};
  friend bool operator==(const NodeGroupConfig&, const NodeGroupConfig&) = default;
};

// One route: where it looks, what near means to it, how much it counts.
struct RetrieverConfig {
  std::string name;
  std::string group;                         // "": the first one.
  std::string similarity = "cosine";         // cosine | ip | l2 | bm25 | keywords | llm | all, or a registered one.
  size_t top_k = 0;                          // How many nodes it finds at most; 0: as many as fusion looks at.
  std::optional<double> similarity_cut_off;  // Nodes below it are no hits. l2 is negated.
  double weight = 1;
  std::string target;  // The group whose nodes are returned for those found: the one they lie in, or those in them.
  std::string embed_key = {};  // Whose vectors are compared: a key of Config::embedders; "": those of Config::embed.
  friend bool operator==(const RetrieverConfig&, const RetrieverConfig&) = default;
};

enum class FusionType { kRrf, kWeighted, kPriority };
enum class ScoreScale { kMinMax, kZScore };

// docs/internals/query.md has what was measured of the defaults, here and of the routes that nobody configured.
struct FusionConfig {
  FusionType type = FusionType::kWeighted;
  double k = 60;                           // Of rrf.
  ScoreScale scale = ScoreScale::kMinMax;  // Of weighted.
  double mmr_lambda = 1;                   // 1: by score alone. Less: hits unlike those before them come earlier.
};

// Neighbours of each hit, in its document and group, that are returned with it.
struct WindowConfig {
  size_t before = 0;
  size_t after = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_RETRIEVER_H_
