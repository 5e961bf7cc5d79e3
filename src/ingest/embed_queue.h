// SPDX-License-Identifier: Apache-2.0
//
// EmbedQueue holds the nodes that wait for a vector of one embedder, and embeds them in the order in which they came:
// in one call as many as take about commit_interval_ms, so that progress shows and a kill loses little.
//
// Threads: one thread at a time. Errors: those of the embedder; kInternal where its vectors are not what it declares.
#ifndef RAGTIME_INGEST_EMBED_QUEUE_H_
#define RAGTIME_INGEST_EMBED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <string>

#include "ingest/pipeline.h"
#include "ragtime/context.h"
#include "ragtime/embedder.h"
#include "ragtime/status.h"
#include "ragtime/store.h"

namespace ragtime {

// A file on its way into the store.
struct PendingFile {
  DocumentWrite write;
  bool known = false;          // It changed; otherwise it is new.
  bool unchanged_row = false;  // It failed as it did before: there is nothing to write.
  size_t missing = 0;          // Vectors that its nodes wait for.
  size_t reused = 0;           // Nodes that took theirs from the old version.
};

class EmbedQueue {
 public:
  // `key` is that of NewNode::named, or "" for NewNode::vector. The embedder outlives the queue.
  EmbedQueue(std::string key, Embedder& embedder, const IngestLimits& limits);

  // The file stays where it is until the node has its vector.
  void Add(PendingFile& file, size_t node);

  bool empty() const { return items_.empty(); }
  bool HasWindow() const { return items_.size() >= window_nodes_; }  // Enough for a call.

  // Embeds what waits, at most a window of it, in one call. Gives how many milliseconds that took.
  Result<double> EmbedWindow(const Context& context);

 private:
  struct Item {
    PendingFile* file = nullptr;
    size_t node = 0;
    NewNode& get() const { return file->write.nodes[node]; }
  };

  std::string key_;
  Embedder* embedder_;
  int64_t interval_ms_;
  size_t window_nodes_min_;
  size_t window_nodes_max_;
  size_t window_nodes_;
  std::deque<Item> items_;
};

}  // namespace ragtime

#endif  // RAGTIME_INGEST_EMBED_QUEUE_H_
