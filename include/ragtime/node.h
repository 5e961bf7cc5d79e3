// SPDX-License-Identifier: Apache-2.0
//
// A Node is a piece of a document that can be found: its text, where it stands in the source, and under which headings.
#ifndef RAGTIME_NODE_H_
#define RAGTIME_NODE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ragtime {

// Positive, given out by the store in the order of (sorted path, group, position), never reused. Changed text gets a
// new id, so that an id names a version. Printed as a decimal string in JSON.
using DocumentId = int64_t;
using NodeId = int64_t;

// A half-open range [start, end) of bytes.
struct Span {
  uint64_t start = 0;
  uint64_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

struct Node {
  NodeId id = 0;                     // 0: not stored yet.
  DocumentId document_id = 0;        // 0: not stored yet.
  std::string group;                 // The NodeGroup that made it, e.g. "sentence-256".
  uint32_t position = 0;             // 0, 1, 2 ... within its document and group.
  std::string text;                  // UTF-8, without markup.
  std::vector<std::string> heading;  // The headings it stands under, outermost first.
  std::optional<Span> bytes;         // In the source file as it lies on disk; holds the text (markup apart).
  std::optional<Span> extracted;     // In the stored extracted text, where no range of the source holds the text.
  std::optional<uint32_t> page;      // From 1.
  friend bool operator==(const Node&, const Node&) = default;
};

// A node on its way into a store.
struct NewNode {
  Node node;                  // ids are 0.
  std::vector<float> vector;  // Its length is the store's dimension.
  // Vectors of further embedders, by the key of each; a node may lack any of them.
  std::map<std::string, std::vector<float>> named = {};
};

}  // namespace ragtime

#endif  // RAGTIME_NODE_H_
