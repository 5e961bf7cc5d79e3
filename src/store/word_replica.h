// SPDX-License-Identifier: Apache-2.0
//
// A WordReplica keeps the nodes of a knowledge base on a server a second time on this machine, as segments without
// vectors: for the keyword route, and for conditions on nodes that the server cannot answer. It is made from the
// server, brought up to date by what a state lacks, and safe to delete.
//
// Threads: every method may be called concurrently; one of them brings it up to date while the others wait.
// Errors: those of fetching. What the disk does not take is kept in memory.
#ifndef RAGTIME_STORE_WORD_REPLICA_H_
#define RAGTIME_STORE_WORD_REPLICA_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"
#include "store/index_set.h"
#include "store/remote_state.h"
#include "store/row_filter.h"
#include "store/segment.h"
#include "store/writer_lock.h"

namespace ragtime {

class WordReplica {
 public:
  // A segment and those of its rows that the state does not have, or has elsewhere.
  struct Part {
    std::shared_ptr<const Segment> segment;
    RowWords excluded;
  };
  struct View {
    std::vector<Part> parts;
    KeywordStatistics statistics;  // Of all live rows.
  };
  // All nodes of the ranges, by ascending id.
  using Fetch = std::function<Result<std::vector<Node>>(std::span<const NodeRange> ranges)>;

  // Segments lie in `folder`/<uuid of the knowledge base>; "": in memory only.
  WordReplica(IndexSet indexes, std::filesystem::path folder);

  // The nodes of the state, after those that are missing were fetched.
  Result<std::shared_ptr<const View>> ViewOf(const Context& context, const RemoteState& state, const Fetch& fetch);
  // Nodes that `state` has and that need not be fetched, by ascending id.
  Status Add(const Context& context, const RemoteState& state, std::span<const NewNode> nodes);
  const ChineseDictionary* chinese() const { return indexes_.chinese.get(); }
  // Removes what was kept: it was found damaged.
  void Forget();

 private:
  struct Kept {
    uint64_t id = 0;
    std::shared_ptr<const Segment> segment;
    bool in_file = false;
  };
  struct Placed {  // A document of the state.
    const Segment* segment = nullptr;
    DocumentRows rows;
  };

  void Load(const RemoteState& state);
  Status Keep(const Context& context, std::span<const Node> nodes);
  Status MergeSmall(const Context& context, const RemoteState& state);
  Result<std::map<DocumentId, Placed>> Place(const RemoteState& state) const;
  Result<std::shared_ptr<const View>> MakeView(const RemoteState& state) const;
  void Remove(const Kept& kept);
  std::filesystem::path FileOf(uint64_t id) const;

  const IndexSet indexes_;
  const std::filesystem::path parent_;

  std::mutex mutex_;  // Guards what follows.
  bool loaded_ = false;
  std::filesystem::path folder_;    // "" where nothing is kept on disk.
  std::optional<WriterLock> lock_;  // None: another process keeps the folder, and this one reads it.
  std::vector<Kept> kept_;
  uint64_t next_id_ = 1;
  std::shared_ptr<const View> view_;
  uint64_t view_version_ = 0;
  uint64_t newest_version_ = 0;  // Of the states seen.
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_WORD_REPLICA_H_
