// SPDX-License-Identifier: Apache-2.0
//
// A Splitter cuts a Document into the nodes of one NodeGroup.
//
// Threads: Split may be called concurrently. Errors: of Split; the file counts as failed, and the others go on.
#ifndef RAGTIME_SPLITTER_H_
#define RAGTIME_SPLITTER_H_

#include <string>
#include <vector>

#include "ragtime/document.h"
#include "ragtime/node.h"
#include "ragtime/status.h"

namespace ragtime {

class Splitter {
 public:
  virtual ~Splitter() = default;
  Splitter(const Splitter&) = delete;
  Splitter& operator=(const Splitter&) = delete;

  // The NodeGroup's name. Two splitters that cut differently have different descriptions, kept in the knowledge base.
  virtual const std::string& group() const = 0;
  virtual std::string description() const = 0;
  // Nodes in order of position, with text, heading and bytes set. Every character of the text that is not white space
  // is in a node.
  virtual Result<std::vector<Node>> Split(const Document& document) const = 0;

 protected:
  Splitter() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_SPLITTER_H_
