// SPDX-License-Identifier: Apache-2.0
//
// A SkipList holds pairs of a key and an item in order, each pair once, while they come and go: Pugh, "Skip Lists: A
// Probabilistic Alternative to Balanced Trees", 1990, with links back as well.
//
// Threads: one writer, and no readers while it writes; any number of readers else.
#ifndef RAGTIME_INDEX_SCALAR_SKIP_LIST_H_
#define RAGTIME_INDEX_SCALAR_SKIP_LIST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <utility>

namespace ragtime {

template <typename Key, typename Item, typename Less = std::less<Key>>
class SkipList {
 public:
  // Keys that are equal by Less lie by ascending item.
  class Node {
   public:
    const Key key;
    const Item item;

   private:
    friend class SkipList;
    Node(const Key& k, Item i) : key(k), item(i) {}
    // `height` links forward lie behind the node.
    Node** links() { return reinterpret_cast<Node**>(this + 1); }
    Node* const* links() const { return reinterpret_cast<Node* const*>(this + 1); }
    Node* back = nullptr;
  };

  SkipList() = default;
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;
  ~SkipList() {
    for (Node* node = heads_[0]; node != nullptr;) Free(std::exchange(node, node->links()[0]));
  }

  size_t size() const { return size_; }
  const Node* first() const { return heads_[0]; }
  const Node* last() const { return last_; }
  static const Node* Next(const Node* node) { return node->links()[0]; }
  static const Node* Previous(const Node* node) { return node->back; }

  // The first node whose key is not less than `key`, or, with `after`, is greater. Null: there is none.
  const Node* LowerBound(const Key& key, bool after = false) const {
    return Find([&](const Node* node) { return after ? !less_(key, node->key) : less_(node->key, key); }, nullptr);
  }

  // False if the pair is there already.
  bool Insert(const Key& key, Item item) {
    Path path;
    Node* next = Find([&](const Node* node) { return IsBefore(node, key, item); }, &path);
    if (next != nullptr && !IsAfter(next, key, item)) return false;
    const size_t height = DrawHeight();
    Node* node = Make(key, item, height);
    for (size_t level = 0; level < height; ++level) {
      Node*& link = LinkOf(path[level], level);
      node->links()[level] = link;
      link = node;
    }
    node->back = path[0];
    (next != nullptr ? next->back : last_) = node;
    ++size_;
    return true;
  }

  // False if the pair is not there.
  bool Erase(const Key& key, Item item) {
    Path path;
    Node* node = Find([&](const Node* other) { return IsBefore(other, key, item); }, &path);
    if (node == nullptr || IsAfter(node, key, item)) return false;
    Node* next = node->links()[0];
    (next != nullptr ? next->back : last_) = node->back;
    // Where no link leads to the node, it is not as high.
    for (size_t level = 0; level < kHeightMax && LinkOf(path[level], level) == node; ++level) {
      LinkOf(path[level], level) = node->links()[level];
    }
    Free(node);
    --size_;
    return true;
  }

 private:
  // With a quarter of the nodes on each next level: enough for 4^12 = 16 million before it gets slower.
  static constexpr size_t kHeightMax = 12;
  // The last node before a place on each level; null stands for the heads.
  using Path = std::array<Node*, kHeightMax>;

  Node*& LinkOf(Node* node, size_t level) { return node != nullptr ? node->links()[level] : heads_[level]; }
  Node* LinkOf(const Node* node, size_t level) const { return node != nullptr ? node->links()[level] : heads_[level]; }

  bool IsBefore(const Node* node, const Key& key, Item item) const {
    if (less_(node->key, key)) return true;
    return node->item < item && !less_(key, node->key);
  }
  bool IsAfter(const Node* node, const Key& key, Item item) const { return item < node->item || less_(key, node->key); }

  // The first node for which `before` does not hold.
  template <typename Before>
  Node* Find(Before before, Path* path) const {
    Node* at = nullptr;
    for (size_t level = kHeightMax; level-- > 0;) {
      for (Node* next = LinkOf(at, level); next != nullptr && before(next); next = LinkOf(at, level)) at = next;
      if (path != nullptr) (*path)[level] = at;
    }
    return LinkOf(at, 0);
  }

  // xorshift64: two bits decide whether a node is on the next level.
  size_t DrawHeight() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    size_t height = 1;
    for (uint64_t bits = random_ >> 20; height < kHeightMax && (bits & 3) == 0; bits >>= 2) ++height;
    return height;
  }

  static Node* Make(const Key& key, Item item, size_t height) {
    void* memory = ::operator new(sizeof(Node) + height * sizeof(Node*));
    try {
      return new (memory) Node(key, item);
    } catch (...) {
      ::operator delete(memory);
      throw;
    }
  }
  static void Free(Node* node) {
    node->~Node();
    ::operator delete(node);
  }

  const Less less_ = {};
  std::array<Node*, kHeightMax> heads_ = {};
  Node* last_ = nullptr;
  size_t size_ = 0;
  uint64_t random_ = 0x9E3779B97F4A7C15;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_SCALAR_SKIP_LIST_H_
