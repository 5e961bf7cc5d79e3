// SPDX-License-Identifier: Apache-2.0
//
// PrefixCache is a radix tree of token sequences with the saved states of their beginnings: in memory, and in a folder
// if there is one. Both are capped in bytes; what is used least, for what it costs to compute again, goes first.
//
// A state covers a range of positions and depends on the tokens before it, so a state is of use only below the states
// above it. Where a new sequence leaves an old one within a state, both halves of the edge refer to that one state.
// Files are written and removed by a thread of its own, so that whoever computes does not wait for the disk. Until its
// file is there, a state stays in memory.
// Threads: one at a time. The destructor waits until what was taken up is written.
#ifndef RAGTIME_MODEL_LLAMA_PREFIX_CACHE_H_
#define RAGTIME_MODEL_LLAMA_PREFIX_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/llama/state_folder.h"
#include "model/llama/state_writer.h"

namespace ragtime {

class PrefixCache {
 public:
  // `folder` may be null. `on_written` is called on another thread when a file is there: TakeWritten then finds it.
  PrefixCache(uint64_t memory_bytes_max, uint64_t disk_bytes_max, std::unique_ptr<StateFolder> folder,
              std::function<void()> on_written = {});
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;
  ~PrefixCache();

  struct State;
  // A part of a sequence's beginning, and the state that covers it (and perhaps more).
  struct Piece {
    std::shared_ptr<State> state;
    size_t start = 0;
    size_t end = 0;
  };
  // What is there of the sequence's beginning, without gaps from 0 on.
  std::vector<Piece> Match(std::span<const Token> tokens) const;
  // The whole sequence that was used last, or is worth most; empty where there is none.
  std::vector<Token> Latest();
  // The bytes of a state, valid until the next call of any method; counts as use. nullopt: it is lost, and no longer in
  // the tree, so that pieces behind it are of no use.
  std::optional<std::span<const std::byte>> Use(const std::shared_ptr<State>& state);
  // Takes up the state of tokens[start, tokens.size()). What lies before `start` must be in the tree.
  void Insert(std::span<const Token> tokens, size_t start, std::vector<std::byte> bytes);

  // Takes note of files that were written, so that memory can go. Insert and Use do it too.
  void TakeWritten();

  // Of states on their way to the disk too.
  uint64_t memory_bytes() const { return memory_bytes_; }
  uint64_t disk_bytes() const { return disk_bytes_; }
  bool enabled() const { return memory_bytes_max_ > 0 || folder_ != nullptr; }

 private:
  struct Node;

  void ReadFolder();
  Node* AddLeaf(std::span<const Token> tokens, size_t start, std::shared_ptr<State> state);
  Node* SplitAt(Node* node, size_t position);
  void RemoveBelow(Node* node);
  void Touch(State& state);
  void KeepWithinLimits();
  bool EvictFromMemory();
  bool EvictFromDisk();
  void DropMemory(State& state);
  void DropFile(State& state);
  template <typename Visit>
  void VisitNodes(Node* node, const Visit& visit);

  const uint64_t memory_bytes_max_;
  const uint64_t disk_bytes_max_;
  const std::unique_ptr<StateFolder> folder_;
  std::unique_ptr<StateWriter> writer_;                 // Null where folder_ is.
  std::map<uint64_t, std::shared_ptr<State>> writing_;  // By the writer's numbers.
  std::unique_ptr<Node> root_;
  MappedFile opened_;  // What Use last gave out of the folder.
  double clock_ = 0;   // The value of what was evicted last: what comes later starts above it.
  uint64_t memory_bytes_ = 0;
  uint64_t disk_bytes_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_MODEL_LLAMA_PREFIX_CACHE_H_
