// SPDX-License-Identifier: Apache-2.0
//
// BlockCache keeps blocks that were read from disk, those that are asked for often, within a number of bytes that all
// indexes of one type share.
//
// Threads: every method may be called concurrently. Ownership: a block stays as long as somebody holds it.
#ifndef RAGTIME_INDEX_DISKANN_BLOCK_CACHE_H_
#define RAGTIME_INDEX_DISKANN_BLOCK_CACHE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace ragtime {

using Block = std::shared_ptr<const std::byte[]>;

class BlockCache {
 public:
  // A number for the blocks of one index.
  uint32_t NewOwner() { return next_owner_.fetch_add(1); }
  // The room grows by so much, or shrinks; below 0 there is none.
  void ChangeCapacity(int64_t bytes);

  // Null if it is not there.
  Block Find(uint32_t owner, uint32_t number);
  void Insert(uint32_t owner, uint32_t number, Block block, size_t size_bytes);
  void Forget(uint32_t owner);

  size_t size_bytes() const;

 private:
  struct Slot {
    uint64_t key = 0;
    Block block;  // Null: free.
    size_t size_bytes = 0;
    uint8_t uses = 0;  // Of late. The hand of the clock takes one away and lets those at 0 go.
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<uint64_t, size_t> at;  // The slot of a key.
    std::vector<Slot> slots;
    std::vector<size_t> free;
    size_t hand = 0;
    size_t used_bytes = 0;
  };
  static constexpr size_t kShards = 8;

  static void Evict(Shard& shard, size_t capacity);
  static void Release(Shard& shard, size_t slot);
  size_t ShardCapacity() const;

  std::array<Shard, kShards> shards_;
  std::atomic<int64_t> capacity_bytes_ = 0;
  std::atomic<uint32_t> next_owner_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_INDEX_DISKANN_BLOCK_CACHE_H_
