// SPDX-License-Identifier: Apache-2.0
//
// Lru remembers values by key under a bound of bytes: those that were not used for longest make room.
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
  explicit Lru(size_t bytes_max) : bytes_max_(bytes_max) {}
  Lru(const Lru&) = delete;
  Lru& operator=(const Lru&) = delete;

  // Null: not known. Else the value, used last from now on; valid until the next Keep.
  const Value* Find(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  // `bytes`: what key and value count for. The newest entry stays even where it alone is above the bound. A key that is
  // known keeps its value.
  void Keep(std::string_view key, Value value, size_t bytes) {
    if (by_key_.contains(key)) return;
    entries_.push_front({std::string(key), std::move(value), bytes});
    by_key_[entries_.front().key] = entries_.begin();
    bytes_ += bytes;
    while (bytes_ > bytes_max_ && entries_.size() > 1) {
      bytes_ -= entries_.back().bytes;
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
  }

  size_t bytes() const { return bytes_; }
  size_t bytes_max() const { return bytes_max_; }

 private:
  struct Entry {
    std::string key;
    Value value;
    size_t bytes;
  };

  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Entry> entries_;  // Used last first.
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> by_key_;
};

}  // namespace ragtime

#endif  // RAGTIME_BASE_LRU_H_
