// SPDX-License-Identifier: Apache-2.0
//
// SegmentBuilder collects nodes and makes the segment that holds them with their indexes: as bytes for the catalog's
// tail, or as a file.
//
// Threads: one thread. Ownership: keeps copies. Errors: those of the index types, and of the disk with the file's name.
#ifndef RAGTIME_STORE_SEGMENT_BUILDER_H_
#define RAGTIME_STORE_SEGMENT_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/index_set.h"
#include "store/segment_format.h"
#include "store/text_blocks.h"
#include "text/token_table.h"

namespace ragtime {

// Called after each piece of a file that was written, on the same thread; an error ends the writing.
using WriteProgress = std::function<Status(uint64_t bytes)>;

// A finished segment, still in parts.
class SegmentParts {
 public:
  uint64_t size_bytes(size_t alignment) const;
  // The whole as one run of bytes, sections aligned to kImageAlignment.
  std::vector<std::byte> ToImage() const;
  // Writes and fsyncs `path`, sections aligned to kFileAlignment.
  Status WriteFile(const std::filesystem::path& path, const WriteProgress& progress = {}) const;

 private:
  friend class SegmentBuilder;
  struct Section {
    SectionEntry entry;
    std::vector<std::byte> bytes;
  };
  std::vector<std::byte> HeaderBytes(size_t alignment) const;

  SegmentHeader header_;
  std::vector<Section> sections_;
};

class SegmentBuilder {
 public:
  // `fields` are those that documents may have.
  SegmentBuilder(uint64_t segment_id, size_t dimension, Metric metric, IndexSet indexes,
                 std::vector<FieldSpec> fields = {});

  // Node ids ascend, and document ids with them, so that the nodes of one document follow each other; `vector` has the
  // dimension. Of `named` each key has one dimension.
  Status Add(const Node& node, std::span<const float> vector,
             const std::map<std::string, std::vector<float>>& named = {});
  // Of the document of the node last added.
  void SetFields(Fields fields);
  uint32_t rows() const { return static_cast<uint32_t>(rows_.size()); }
  uint64_t tokens() const { return tokens_; }
  NodeId first_node() const { return node_ids_.front(); }
  NodeId last_node() const { return node_ids_.back(); }
  // At least one node was added; the builder is used up.
  Result<SegmentParts> Finish(const Context& context);

 private:
  Result<uint16_t> GroupOf(const std::string& name);

  const Metric metric_;
  const IndexSet indexes_;
  SegmentHeader header_;
  std::vector<NodeId> node_ids_;
  std::vector<RowRecord> rows_;
  std::vector<DocumentRows> documents_;
  std::vector<FieldSpec> field_specs_;
  std::vector<Fields> fields_;  // By documents_.
  struct Group {
    std::string name;
    uint32_t rows = 0;
  };
  std::vector<Group> groups_;
  TextBlocksBuilder texts_;
  std::vector<float> vectors_;
  struct NamedColumn {
    uint32_t dimension = 0;
    std::vector<uint32_t> rows;
    std::vector<float> vectors;
  };
  std::map<std::string, NamedColumn> named_;
  TokenTable words_;
  uint64_t tokens_ = 0;  // Of words_, which Finish gives up.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_SEGMENT_BUILDER_H_
