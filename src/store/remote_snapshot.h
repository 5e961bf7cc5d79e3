// SPDX-License-Identifier: Apache-2.0
//
// RemoteSnapshot reads one RemoteState: files from the state itself, nodes and vectors from the server, words and
// conditions on nodes from the WordReplica. Rows that the state does not have are dropped from every answer.
//
// Threads: as Snapshot. Errors: kAborted where another process has erased nodes that this snapshot still has.
#ifndef RAGTIME_STORE_REMOTE_SNAPSHOT_H_
#define RAGTIME_STORE_REMOTE_SNAPSHOT_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/store.h"
#include "store/remote_core.h"
#include "store/remote_filter.h"
#include "store/remote_state.h"
#include "store/word_replica.h"

namespace ragtime {

class RemoteSnapshot final : public Snapshot {
 public:
  // `state` is held by RemoteCore::RefreshAndHold; the snapshot releases it.
  RemoteSnapshot(std::shared_ptr<RemoteCore> core, std::shared_ptr<const RemoteState> state);
  ~RemoteSnapshot() override;

  uint64_t generation() const override { return state_->counters().generation; }
  const std::vector<FieldSpec>& fields() const override { return state_->fields(); }
  Result<StoreStatistics> Statistics() const override;
  Result<std::vector<FileRecord>> Files() const override;
  Result<std::optional<FileRecord>> FindFile(DocumentId id) const override { return state_->Find(id); }
  Result<std::optional<FileRecord>> FindFile(std::string_view file_path) const override {
    return state_->Find(file_path);
  }
  Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId> ids) const override;
  Result<std::vector<NewNode>> NodesOf(DocumentId id) const override;
  Result<uint64_t> CountNodes(const Context& context, const Filter& filter) const override;
  Status VisitNodes(const Context& context, const Filter& filter,
                    const std::function<bool(const NodeRow&)>& visit) const override;
  Result<std::vector<Hit>> SearchVector(const Context& context, const VectorQuery& query) const override;
  Result<std::vector<Hit>> SearchKeyword(const Context& context, const KeywordQuery& query) const override;

 private:
  using View = WordReplica::View;

  // All nodes of the ranges with their vectors, by ascending id.
  Result<std::vector<NewNode>> Fetch(const Context& context, std::span<const NodeRange> ranges,
                                     bool with_vectors) const;
  Status Gone(const Context& context, NodeId node) const;
  Result<std::shared_ptr<const View>> Words(const Context& context) const;
  // Calls `use` with the view; where that meets damage, once more with one that was made anew.
  Status WithWords(const Context& context, const std::function<Status(const View&)>& use) const;
  // The live rows of a part that match.
  Result<RowWords> MatchingRows(const WordReplica::Part& part, const Filter& filter, const std::string& group) const;
  Status SearchWords(const Context& context, const View& view, const KeywordQuery& query, std::vector<Hit>& hits) const;
  // Scores every row that matches `filter` on the server here; for what its index does not find.
  Result<std::vector<Hit>> ScoreHere(const Context& context, const Collection& nodes, std::span<const float> vector,
                                     size_t limit, const Filter& filter,
                                     const std::function<bool(NodeId)>& wanted) const;

  const std::shared_ptr<RemoteCore> core_;
  const std::shared_ptr<const RemoteState> state_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_SNAPSHOT_H_
