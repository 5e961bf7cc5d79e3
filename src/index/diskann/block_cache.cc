// SPDX-License-Identifier: Apache-2.0
#include "index/diskann/block_cache.h"

#include <algorithm>
#include <utility>

namespace ragtime {
namespace {

constexpr uint8_t kUsesMax = 3;
// What a block costs beside its bytes: its slot, its place in the map, what the allocator adds.
constexpr size_t kSlotBytes = 160;

uint64_t KeyOf(uint32_t owner, uint32_t number) { return uint64_t{owner} << 32 | number; }
size_t ShardOf(uint64_t key, size_t shards) { return (key * 0x9e3779b97f4a7c15 >> 40) % shards; }

}  // namespace

size_t BlockCache::ShardCapacity() const {
  return static_cast<size_t>(std::max<int64_t>(capacity_bytes_.load(), 0)) / kShards;
}

void BlockCache::ChangeCapacity(int64_t bytes) {
  capacity_bytes_ += bytes;
  if (bytes >= 0) return;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    Evict(shard, ShardCapacity());
  }
}

Block BlockCache::Find(uint32_t owner, uint32_t number) {
  const uint64_t key = KeyOf(owner, number);
  Shard& shard = shards_[ShardOf(key, kShards)];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.at.find(key);
  if (found == shard.at.end()) return nullptr;
  Slot& slot = shard.slots[found->second];
  slot.uses = std::min<uint8_t>(slot.uses + 1, kUsesMax);
  return slot.block;
}

void BlockCache::Insert(uint32_t owner, uint32_t number, Block block, size_t size_bytes) {
  const uint64_t key = KeyOf(owner, number);
  Shard& shard = shards_[ShardOf(key, kShards)];
  const std::lock_guard lock(shard.mutex);
  const size_t capacity = ShardCapacity();
  const size_t cost = size_bytes + kSlotBytes;
  if (cost > capacity || shard.at.contains(key)) return;
  Evict(shard, capacity - cost);
  size_t at = shard.slots.size();
  if (shard.free.empty()) {
    shard.slots.emplace_back();
  } else {
    at = shard.free.back();
    shard.free.pop_back();
  }
  shard.slots[at] = {.key = key, .block = std::move(block), .size_bytes = cost};
  shard.at[key] = at;
  shard.used_bytes += cost;
}

void BlockCache::Evict(Shard& shard, size_t capacity) {
  while (shard.used_bytes > capacity) {
    if (shard.hand >= shard.slots.size()) shard.hand = 0;
    Slot& slot = shard.slots[shard.hand];
    if (slot.block != nullptr && slot.uses == 0) {
      Release(shard, shard.hand);
    } else if (slot.block != nullptr) {
      --slot.uses;
    }
    ++shard.hand;
  }
}

void BlockCache::Release(Shard& shard, size_t slot) {
  shard.used_bytes -= shard.slots[slot].size_bytes;
  shard.at.erase(shard.slots[slot].key);
  shard.slots[slot] = {};
  shard.free.push_back(slot);
}

void BlockCache::Forget(uint32_t owner) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (size_t slot = 0; slot < shard.slots.size(); ++slot) {
      if (shard.slots[slot].block != nullptr && shard.slots[slot].key >> 32 == owner) Release(shard, slot);
    }
  }
}

size_t BlockCache::size_bytes() const {
  size_t size = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    size += shard.used_bytes;
  }
  return size;
}

}  // namespace ragtime
