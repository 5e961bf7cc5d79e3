// SPDX-License-Identifier: Apache-2.0
//
// NodeGroups makes the nodes of all groups of a document in one pass, parents before their children.
//
// Threads: every method may be called concurrently. Errors: those of the splitters; a language model that fails is
// none: rules write in its place, and the document is marked to be read again.
#ifndef RAGTIME_INGEST_NODE_GROUPS_H_
#define RAGTIME_INGEST_NODE_GROUPS_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/split/sentence_splitter.h"
#include "ragtime/context.h"
#include "ragtime/document.h"
#include "ragtime/generator.h"
#include "ragtime/node.h"
#include "ragtime/retriever.h"
#include "ragtime/splitter.h"
#include "ragtime/status.h"

namespace ragtime {

struct MadeNodes {
  std::vector<Node> nodes;  // In the order of (group, position).
  std::vector<std::string> warnings;
  bool complete = true;  // False: a group was not written as it should be, and is to be written again.
};

struct NodeGroupsOptions {
  TokenCounter count_tokens;
  size_t size_tokens = 256;  // Of groups that do not say it.
  size_t overlap_tokens = 32;
  std::shared_ptr<Generator> writer;  // Of groups by `writer: llm`; may be null, because of `writer_status`.
  Status writer_status;
};

class NodeGroups {
 public:
  // One group, embedded, made by `splitter`, which must live as long.
  NodeGroups(const Splitter& splitter) : splitter_(&splitter) {}
  // `groups` are as CheckNodeGroups leaves them.
  NodeGroups(std::vector<NodeGroupConfig> groups, NodeGroupsOptions options)
      : groups_(std::move(groups)), options_(std::move(options)) {}

  Result<MadeNodes> Make(const Context& context, const Document& document) const;

  // Whether nodes of the group have vectors of their own.
  bool IsEmbedded(std::string_view group) const;
  std::vector<std::string> embedded() const;
  // The further embedders of the group.
  std::span<const std::string> EmbedKeys(std::string_view group) const;
  // Says how the groups are made; another text means other nodes or other vectors. "" for a single splitter: documents
  // of before there were groups have that, too.
  std::string made_by() const;

 private:
  const Splitter* splitter_ = nullptr;
  std::vector<NodeGroupConfig> groups_;
  NodeGroupsOptions options_;
};

// Gives each node without a vector the mean of the vectors of those that it shares bytes with, else of all: a store
// keeps a vector for each node, and one in the middle of its text's is at least not misleading. Lengths are 1.
void BorrowVectors(std::vector<NewNode>& nodes, size_t dimension);

}  // namespace ragtime

#endif  // RAGTIME_INGEST_NODE_GROUPS_H_
