// SPDX-License-Identifier: Apache-2.0
#include "model/llama/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace ragtime {
namespace {

// Of states that wait to be written, beside what the limit of the memory allows: some four prompts.
constexpr size_t kWritingBytesMax = 128 << 20;

}  // namespace

struct PrefixCache::State {
  size_t start = 0;
  size_t end = 0;
  StateBytes bytes;                   // Null: not in memory.
  std::optional<StoredState> stored;  // In the folder, or on its way there.
  bool is_writing = false;            // On its way.
  uint64_t hits = 1;
  double value = 0;
};

struct PrefixCache::Node {
  size_t start = 0;
  std::vector<Token> edge;
  std::shared_ptr<State> state;  // Covers [start, start + edge.size()). Null at the root only.
  Node* parent = nullptr;
  std::map<Token, std::unique_ptr<Node>> children;

  size_t end() const { return start + edge.size(); }
};

PrefixCache::PrefixCache(uint64_t memory_bytes_max, uint64_t disk_bytes_max, std::unique_ptr<StateFolder> folder,
                         std::function<void()> on_written)
    : memory_bytes_max_(memory_bytes_max),
      disk_bytes_max_(disk_bytes_max),
      folder_(disk_bytes_max > 0 ? std::move(folder) : nullptr),
      root_(std::make_unique<Node>()) {
  if (folder_ == nullptr) return;
  writer_ = std::make_unique<StateWriter>(
      [this](const StoredState& as, std::span<const std::byte> bytes) {
        return folder_->Write(as.tokens, as.start, bytes).status();
      },
      [this](const StoredState& stored) { folder_->Remove(stored); }, kWritingBytesMax, std::move(on_written));
  ReadFolder();
}

PrefixCache::~PrefixCache() = default;

void PrefixCache::ReadFolder() {
  std::vector<StoredState> files = folder_->List();
  // What others stand on comes first; the order of last use decides their values.
  std::vector<std::pair<size_t, StoredState*>> by_start;
  for (size_t i = 0; i < files.size(); ++i) by_start.emplace_back(i, &files[i]);
  std::stable_sort(by_start.begin(), by_start.end(),
                   [](const auto& a, const auto& b) { return a.second->start < b.second->start; });
  for (const auto& [used, file] : by_start) {
    const std::vector<Piece> known = Match(file->tokens);
    const size_t reached = known.empty() ? 0 : known.back().end;
    // What it stood on is gone, or another process has saved the same in other pieces.
    if (reached < file->start || reached == file->tokens.size()) {
      folder_->Remove(*file);
      continue;
    }
    auto state = std::make_shared<State>();
    state->start = file->start;
    state->end = file->tokens.size();
    disk_bytes_ += file->size_bytes;
    const std::vector<Token> tokens = file->tokens;
    state->stored = std::move(*file);
    AddLeaf(tokens, reached, state);
    state->value = static_cast<double>(used) / static_cast<double>(files.size());
  }
  KeepWithinLimits();
}

std::vector<PrefixCache::Piece> PrefixCache::Match(std::span<const Token> tokens) const {
  std::vector<Piece> pieces;
  for (const Node* node = root_.get(); node->end() < tokens.size();) {
    const auto child = node->children.find(tokens[node->end()]);
    if (child == node->children.end()) break;
    node = child->second.get();
    const std::span<const Token> rest = tokens.subspan(node->start);
    const size_t most = std::min(rest.size(), node->edge.size());
    const auto split = std::mismatch(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(most), node->edge.begin());
    const auto shared = static_cast<size_t>(split.first - rest.begin());
    if (!pieces.empty() && pieces.back().state == node->state) {
      pieces.back().end = node->start + shared;
    } else {
      pieces.push_back({node->state, node->start, node->start + shared});
    }
    if (shared < node->edge.size()) break;
  }
  return pieces;
}

std::vector<Token> PrefixCache::Latest() {
  Node* latest = nullptr;
  VisitNodes(root_.get(), [&](Node& node) {
    if (node.children.empty() && (latest == nullptr || node.state->value > latest->state->value)) latest = &node;
  });
  std::vector<Token> tokens(latest == nullptr ? 0 : latest->end());
  for (const Node* node = latest; node != nullptr; node = node->parent) {
    std::copy(node->edge.begin(), node->edge.end(), tokens.begin() + static_cast<ptrdiff_t>(node->start));
  }
  return tokens;
}

std::optional<std::span<const std::byte>> PrefixCache::Use(const std::shared_ptr<State>& state) {
  TakeWritten();
  Touch(*state);
  if (state->bytes != nullptr) return *state->bytes;
  if (state->stored && folder_ != nullptr) {
    if (Result<MappedFile> file = folder_->Open(*state->stored); file.ok()) {
      opened_ = *std::move(file);
      return StateFolder::StateOf(opened_);
    }
  }
  Node* first = nullptr;
  VisitNodes(root_.get(), [&](Node& node) {
    if (node.state == state && (first == nullptr || node.start < first->start)) first = &node;
  });
  if (first != nullptr) RemoveBelow(first);
  return std::nullopt;
}

void PrefixCache::Insert(std::span<const Token> tokens, size_t start, std::vector<std::byte> bytes) {
  TakeWritten();
  const std::vector<Piece> known = Match(tokens);
  if ((known.empty() ? 0 : known.back().end) != start || start >= tokens.size()) return;
  auto state = std::make_shared<State>();
  state->start = start;
  state->end = tokens.size();
  const bool is_for_disk = folder_ != nullptr && bytes.size() <= disk_bytes_max_;
  if (!is_for_disk && bytes.size() > memory_bytes_max_) return;
  memory_bytes_ += bytes.size();
  state->bytes = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  if (is_for_disk) {
    state->stored = folder_->Plan(tokens, start, state->bytes->size());
    disk_bytes_ += state->stored->size_bytes;
    state->is_writing = true;
    writing_[writer_->Write(*state->stored, state->bytes)] = state;
  }
  AddLeaf(tokens, start, state);
  Touch(*state);
  KeepWithinLimits();
}

PrefixCache::Node* PrefixCache::AddLeaf(std::span<const Token> tokens, size_t start, std::shared_ptr<State> state) {
  Node* node = root_.get();
  while (node->end() < start) {
    node = node->children.find(tokens[node->end()])->second.get();
    if (node->end() > start) node = SplitAt(node, start);
  }
  auto leaf = std::make_unique<Node>();
  leaf->start = start;
  leaf->edge.assign(tokens.begin() + static_cast<ptrdiff_t>(start), tokens.end());
  leaf->state = std::move(state);
  leaf->parent = node;
  return (node->children[tokens[start]] = std::move(leaf)).get();
}

// Cuts the edge to `node` in two, and returns the new node, which ends at `position`.
PrefixCache::Node* PrefixCache::SplitAt(Node* node, size_t position) {
  const auto cut = static_cast<ptrdiff_t>(position - node->start);
  std::unique_ptr<Node>& slot = node->parent->children[node->edge.front()];
  auto upper = std::make_unique<Node>();
  upper->start = node->start;
  upper->edge.assign(node->edge.begin(), node->edge.begin() + cut);
  upper->state = node->state;
  upper->parent = node->parent;
  std::unique_ptr<Node> lower = std::move(slot);
  lower->edge.erase(lower->edge.begin(), lower->edge.begin() + cut);
  lower->start = position;
  lower->parent = upper.get();
  upper->children[lower->edge.front()] = std::move(lower);
  slot = std::move(upper);
  return slot.get();
}

template <typename Visit>
void PrefixCache::VisitNodes(Node* node, const Visit& visit) {
  if (node->state != nullptr) visit(*node);
  for (const auto& [token, child] : node->children) VisitNodes(child.get(), visit);
}

// Takes a node out with all that stands on it. A state goes with the last node that refers to it.
void PrefixCache::RemoveBelow(Node* node) {
  std::vector<std::shared_ptr<State>> states;
  VisitNodes(node, [&](Node& below) { states.push_back(below.state); });
  node->parent->children.erase(node->edge.front());
  for (const std::shared_ptr<State>& state : states) {
    bool used = false;
    VisitNodes(root_.get(), [&](Node& left) { used = used || left.state == state; });
    if (used) continue;
    DropMemory(*state);
    DropFile(*state);
  }
}

// As RAGCache and GDSF value it: how often it was used times what each of its bytes spares, above what went last. The
// work of a token grows with its position, by the attention to all before it.
void PrefixCache::Touch(State& state) {
  const double position = static_cast<double>(state.start + state.end) / 2;
  state.value = clock_ + static_cast<double>(state.hits++) * (1 + position / 4096);
}

// A folder that cannot be written to, on a read-only disk say, is no reason to fail: memory is left.
void PrefixCache::TakeWritten() {
  if (writer_ == nullptr) return;
  bool any = false;
  for (const auto& [number, went_well] : writer_->Finished()) {
    const auto entry = writing_.extract(number);
    State& state = *entry.mapped();
    if (!state.is_writing) continue;  // Dropped meanwhile.
    any = true;
    state.is_writing = false;
    if (went_well) continue;
    disk_bytes_ -= state.stored->size_bytes;
    state.stored.reset();
  }
  if (any) KeepWithinLimits();
}

void PrefixCache::KeepWithinLimits() {
  const auto keep_memory = [this] {
    while (memory_bytes_ > memory_bytes_max_ && EvictFromMemory()) {
    }
  };
  keep_memory();
  while (folder_ != nullptr && disk_bytes_ + folder_->other_bytes() > disk_bytes_max_ && EvictFromDisk()) {
  }
  // What lost its place on the disk no longer waits to be written, and may be too much for the memory.
  keep_memory();
}

bool PrefixCache::EvictFromMemory() {
  Node* least = nullptr;
  Node* least_parent =
      nullptr;  // Of those that are in memory only and carry others: they go last, with all they carry.
  VisitNodes(root_.get(), [&](Node& node) {
    if (node.state->bytes == nullptr || node.state->is_writing) return;
    Node*& chosen = node.state->stored || node.children.empty() ? least : least_parent;
    if (chosen == nullptr || node.state->value < chosen->state->value) chosen = &node;
  });
  if (least == nullptr) least = least_parent;
  if (least == nullptr) return false;
  clock_ = std::max(clock_, least->state->value);
  if (least->state->stored) {
    DropMemory(*least->state);
  } else {
    RemoveBelow(least);
  }
  return true;
}

bool PrefixCache::EvictFromDisk() {
  if (folder_->RemoveOldestOther()) return true;
  Node* least = nullptr;
  VisitNodes(root_.get(), [&](Node& node) {
    if (!node.state->stored || (node.state->bytes == nullptr && !node.children.empty())) return;
    if (least == nullptr || node.state->value < least->state->value) least = &node;
  });
  if (least == nullptr) return false;
  clock_ = std::max(clock_, least->state->value);
  if (least->state->bytes == nullptr) {
    RemoveBelow(least);
  } else {
    DropFile(*least->state);
  }
  return true;
}

void PrefixCache::DropMemory(State& state) {
  if (state.bytes != nullptr) memory_bytes_ -= state.bytes->size();
  state.bytes = nullptr;
}

void PrefixCache::DropFile(State& state) {
  if (!state.stored) return;
  disk_bytes_ -= state.stored->size_bytes;
  writer_->Remove(*std::move(state.stored));
  state.stored.reset();
  state.is_writing = false;
}

}  // namespace ragtime
