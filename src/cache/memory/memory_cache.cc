// SPDX-License-Identifier: Apache-2.0
#include "cache/memory/memory_cache.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "cache/cache_key.h"

namespace ragtime {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

constexpr size_t kShardBytesLeast = size_t{8} << 20;
constexpr size_t kShardsMax = 16;
constexpr uint8_t kFrequencyMax = 3;

struct Entry {
  std::string key;
  std::string value;
  TimePoint expires = TimePoint::max();
  Entry* newer = nullptr;
  Entry* older = nullptr;
  uint64_t fingerprint = 0;
  size_t cost_bytes = 0;
  uint8_t frequency = 0;
  bool in_main = false;
};

// What malloc takes for `bytes`: a header of 8, steps of 16.
constexpr size_t AllocatedBytes(size_t bytes) { return std::max<size_t>(32, (bytes + 8 + 15) / 16 * 16); }
constexpr size_t StringBytes(size_t size) { return size <= 15 ? 0 : AllocatedBytes(size + 1); }
// A node of the table (next, view, pointer, hash) and its share of the buckets, of which a growing table has up to two.
constexpr size_t kTableBytes = AllocatedBytes(40) + 16;
// A node of the set, its share of the buckets, and its place in the order.
constexpr size_t kGhostBytes = AllocatedBytes(16) + 16 + 8;

// First in, first out, with removal in the middle.
class Queue {
 public:
  void Push(Entry* entry) {
    entry->newer = nullptr;
    entry->older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = entry;
    newest_ = entry;
    bytes_ += entry->cost_bytes;
    ++size_;
  }
  void Remove(Entry* entry) {
    (entry->newer != nullptr ? entry->newer->older : newest_) = entry->older;
    (entry->older != nullptr ? entry->older->newer : oldest_) = entry->newer;
    bytes_ -= entry->cost_bytes;
    --size_;
  }
  Entry* oldest() const { return oldest_; }
  size_t bytes() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  Entry* newest_ = nullptr;
  Entry* oldest_ = nullptr;
  size_t bytes_ = 0;
  size_t size_ = 0;
};

}  // namespace

class MemoryCache::Shard {
 public:
  explicit Shard(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  Status Put(std::string_view key, std::string_view value, uint64_t fingerprint, TimePoint now, TimePoint expires) {
    std::lock_guard lock(mutex_);
    uint8_t frequency = 0;
    bool main = false;
    if (const auto found = table_.find(key); found != table_.end()) {
      frequency = found->second->frequency;
      main = found->second->in_main;
      Drop(found->second.get());
    } else {
      main = RemoveGhost(fingerprint);
    }
    const size_t cost = CostBytes(key.size(), value.size());
    if (cost > capacity_bytes_) {
      return ResourceExhaustedError(
          StrCat("a value of ", value.size(), " bytes is larger than a part of the cache in memory, ", capacity_bytes_),
          "raise cache: {capacity_bytes: ...}");
    }
    while (bytes() + cost > capacity_bytes_) Evict(now);
    auto entry = std::make_unique<Entry>();
    entry->key = key;
    entry->value = value;
    entry->expires = expires;
    entry->fingerprint = fingerprint;
    entry->cost_bytes = cost;
    entry->frequency = frequency;
    entry->in_main = main;
    (main ? main_ : small_).Push(entry.get());
    const std::string_view own_key = entry->key;
    table_.emplace(own_key, std::move(entry));
    return Status();
  }

  std::optional<std::string> Get(std::string_view key, TimePoint now) {
    std::lock_guard lock(mutex_);
    const auto found = table_.find(key);
    if (found != table_.end() && found->second->expires <= now) {
      Drop(found->second.get());
    } else if (found != table_.end()) {
      Entry& entry = *found->second;
      entry.frequency = std::min<uint8_t>(entry.frequency + 1, kFrequencyMax);
      ++hits_;
      return entry.value;
    }
    ++misses_;
    return std::nullopt;
  }

  void Erase(std::string_view key) {
    std::lock_guard lock(mutex_);
    if (const auto found = table_.find(key); found != table_.end()) Drop(found->second.get());
  }

  void AddTo(CacheStatistics& statistics) const {
    std::lock_guard lock(mutex_);
    statistics.hits += hits_;
    statistics.misses += misses_;
    *statistics.evictions += evictions_;
    *statistics.entries += table_.size();
    *statistics.bytes += bytes();
  }

 private:
  size_t bytes() const { return small_.bytes() + main_.bytes() + ghosts_.size() * kGhostBytes; }

  // Out of its queue and the table, and freed.
  void Drop(Entry* entry) {
    (entry->in_main ? main_ : small_).Remove(entry);
    table_.erase(table_.find(entry->key));
  }

  // Makes some room, or turns entries round; there is an entry or a ghost.
  void Evict(TimePoint now) {
    if (table_.empty() || ghosts_.size() * kGhostBytes > capacity_bytes_ / 8) {
      PopGhost();
    } else if (small_.bytes() >= capacity_bytes_ / 10 || main_.size() == 0) {
      EvictFromSmall(now);
    } else {
      EvictFromMain(now);
    }
  }

  void EvictFromSmall(TimePoint now) {
    while (Entry* entry = small_.oldest()) {
      if (entry->frequency > 0 && entry->expires > now) {
        small_.Remove(entry);
        entry->in_main = true;
        entry->frequency = 0;
        main_.Push(entry);
        continue;
      }
      const bool expired = entry->expires <= now;
      const uint64_t fingerprint = entry->fingerprint;
      Drop(entry);
      if (expired) return;
      ++evictions_;
      AddGhost(fingerprint);
      return;
    }
  }

  void EvictFromMain(TimePoint now) {
    while (Entry* entry = main_.oldest()) {
      if (entry->frequency > 0 && entry->expires > now) {
        main_.Remove(entry);
        --entry->frequency;
        main_.Push(entry);
        continue;
      }
      evictions_ += entry->expires > now ? 1 : 0;
      Drop(entry);
      return;
    }
  }

  // The ghost queue is as long as the main queue, as in the paper.
  void AddGhost(uint64_t fingerprint) {
    if (ghosts_.insert(fingerprint).second) ghost_order_.push_back(fingerprint);
    while (ghosts_.size() > std::max<size_t>(main_.size(), 16)) PopGhost();
  }
  void PopGhost() {
    while (!ghost_order_.empty()) {
      const uint64_t oldest = ghost_order_.front();
      ghost_order_.pop_front();
      if (ghosts_.erase(oldest) > 0) return;  // Else it has returned meanwhile.
    }
  }
  bool RemoveGhost(uint64_t fingerprint) {
    if (ghosts_.erase(fingerprint) == 0) return false;
    // Places of those that returned stay behind; they must not outgrow the others.
    if (ghost_order_.size() > 2 * ghosts_.size() + 64) {
      std::erase_if(ghost_order_, [this](uint64_t ghost) { return !ghosts_.contains(ghost); });
    }
    return true;
  }

  const size_t capacity_bytes_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, std::unique_ptr<Entry>> table_;
  Queue small_;
  Queue main_;
  std::unordered_set<uint64_t> ghosts_;
  std::deque<uint64_t> ghost_order_;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  uint64_t evictions_ = 0;
};

MemoryCache::MemoryCache(MemoryCacheOptions options) : options_(std::move(options)) {
  const size_t wanted = std::clamp<size_t>(options_.capacity_bytes / kShardBytesLeast, 1, kShardsMax);
  const size_t count = std::bit_floor(wanted);
  for (size_t i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>(options_.capacity_bytes / count));
}

MemoryCache::~MemoryCache() = default;

size_t MemoryCache::CostBytes(size_t key_bytes, size_t value_bytes) {
  return AllocatedBytes(sizeof(Entry)) + kTableBytes + StringBytes(key_bytes) + StringBytes(value_bytes);
}

MemoryCache::Shard& MemoryCache::ShardOf(uint64_t fingerprint) const {
  return *shards_[(fingerprint >> 32) & (shards_.size() - 1)];
}

Status MemoryCache::Put(const Context&, std::string_view key, std::string_view value, int64_t ttl_s) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  const TimePoint now = options_.now();
  // A time that does not fit the clock is as good as none.
  const bool ends = ttl_s > 0 && std::chrono::seconds(ttl_s) < std::chrono::hours(24 * 365 * 100);
  const uint64_t fingerprint = Hash64(key);
  return ShardOf(fingerprint)
      .Put(key, value, fingerprint, now, ends ? now + std::chrono::seconds(ttl_s) : TimePoint::max());
}

Result<std::optional<std::string>> MemoryCache::Get(const Context&, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  return ShardOf(Hash64(key)).Get(key, options_.now());
}

Status MemoryCache::Erase(const Context&, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  ShardOf(Hash64(key)).Erase(key);
  return Status();
}

Status MemoryCache::PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) {
  Status first;
  for (const CacheEntry& entry : entries) {
    if (Status status = Put(context, entry.key, entry.value, ttl_s); first.ok()) first = std::move(status);
  }
  return first;
}

Result<std::vector<std::optional<std::string>>> MemoryCache::GetMany(const Context& context,
                                                                     std::span<const std::string> keys) {
  std::vector<std::optional<std::string>> values;
  values.reserve(keys.size());
  for (const std::string& key : keys) {
    RAGTIME_ASSIGN_OR_RETURN(auto value, Get(context, key));
    values.push_back(std::move(value));
  }
  return values;
}

CacheStatistics MemoryCache::Statistics() const {
  CacheStatistics statistics{.evictions = 0, .entries = 0, .bytes = 0, .capacity_bytes = options_.capacity_bytes};
  for (const std::unique_ptr<Shard>& shard : shards_) shard->AddTo(statistics);
  return statistics;
}

}  // namespace ragtime
