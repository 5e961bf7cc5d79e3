// SPDX-License-Identifier: Apache-2.0
//
// StoreModel is what a Store must hold, in a std::map, with brute-force searches: the oracle of every store.
//
// Threads: one thread.
#ifndef RAGTIME_TESTS_TESTING_STORE_MODEL_H_
#define RAGTIME_TESTS_TESTING_STORE_MODEL_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ragtime/store.h"
#include "testing/store_testing.h"

namespace ragtime {

class StoreModel {
 public:
  struct Document {
    FileRecord file;  // parent_id is not kept.
    std::vector<NewNode> nodes;
  };

  explicit StoreModel(Metric metric) : metric_(metric) {}

  // What `batch` does, numbered as the store answered in `result`. Node ids follow from the rule of the contract.
  void Apply(const WriteBatch& batch, const CommitResult& result);
  const std::map<std::string, Document>& documents() const { return documents_; }
  std::vector<const NewNode*> LiveNodes() const;  // By ascending id.
  uint64_t generation() const { return generation_; }
  NodeId next_node_id() const { return next_node_id_; }

  // Compares everything that the snapshot can be asked, with a few random questions.
  void ExpectEqual(const Snapshot& snapshot, Random& random) const;

 private:
  void ExpectEqualFiles(const Snapshot& snapshot) const;
  void ExpectEqualNodes(const Snapshot& snapshot, Random& random) const;
  void ExpectEqualVectorSearch(const Snapshot& snapshot, Random& random) const;
  void ExpectEqualKeywordSearch(const Snapshot& snapshot, Random& random) const;
  // A random filter on what is declared; half of the time one that matches everything.
  Filter AnyFilter(Random& random) const;
  bool Matches(const Filter& filter, const NewNode& node) const;
  void ExpectEqualCounts(const Snapshot& snapshot, Random& random) const;
  void ExpectHits(const std::vector<Hit>& hits, const std::map<NodeId, double>& scores, size_t limit) const;

  const Metric metric_;
  std::map<std::string, Document> documents_;  // By file_path.
  std::map<std::string, std::string> settings_;
  uint64_t generation_ = 0;
  NodeId next_node_id_ = 1;
  std::set<NodeId> gone_;
  std::vector<FieldSpec> fields_;
  std::map<std::string, size_t> dimensions_;  // Of the keys of named vectors.
};

}  // namespace ragtime

#endif  // RAGTIME_TESTS_TESTING_STORE_MODEL_H_
