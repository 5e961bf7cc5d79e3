// SPDX-License-Identifier: Apache-2.0
//
// Lru remembers values by key under a bound of what they cost, in bytes or otherwise: those that were not used for
// longest make room.
//
// Threads: one at a time.
#ifndef RAGTIME_BASE_LRU_H_
#define RAGTIME_BASE_LRU_H_

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace ragtime {

template <typename Value>
class Lru {
 public:
  explicit Lru(size_t cost_max) : cost_max_(cost_max) {}
  Lru(const Lru&) = delete;
  Lru& operator=(const Lru&) = delete;

  // Null: not known. Else the value, used last from now on; valid until the next Keep.
  const Value* Find(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  // `cost`: what key and value count for. The newest entry stays even where it alone is above the bound. A key that is
  // known keeps its value.
  void Keep(std::string_view key, Value value, size_t cost) {
    if (by_key_.contains(key)) return;
    entries_.push_front({std::string(key), std::move(value), cost});
    by_key_[entries_.front().key] = entries_.begin();
    cost_ += cost;
    while (cost_ > cost_max_ && entries_.size() > 1) {
      cost_ -= entries_.back().cost;
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
  }

  size_t cost() const { return cost_; }
  size_t cost_max() const { return cost_max_; }

 private:
  struct Entry {
    std::string key;
    Value value;
    size_t cost;
  };

  const size_t cost_max_;
  size_t cost_ = 0;
  std::list<Entry> entries_;  // Used last first.
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> by_key_;
};

}  // namespace ragtime

#endif  // RAGTIME_BASE_LRU_H_
