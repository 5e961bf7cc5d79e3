// SPDX-License-Identifier: Apache-2.0
//
// A Cache keeps bytes by key for a while: in this process, on a Redis or on a Memcached.
//
// What was put may be gone at any time, but what is given back is what was put last under that key, whole, or nothing.
// Keys and values are any bytes; a key has 1 to kCacheKeyBytesMax of them, a value may be empty.
//
// Threads: every method may be called concurrently; of two Puts to one key at the same time, either may win.
// Errors: kInvalidArgument for a key of a wrong length; kResourceExhausted for a value that the backend cannot hold,
// and then the key holds nothing; kUnavailable, kDeadlineExceeded, kPermissionDenied name the server. An error is never
// a reason to fail a request: src/cache/guard.h turns all of them into misses.
// Time: no call takes much longer than the timeout that the backend was made with, and never longer than the context
// allows.
#ifndef RAGTIME_CACHE_H_
#define RAGTIME_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

inline constexpr size_t kCacheKeyBytesMax = 4096;

struct CacheEntry {
  std::string key;
  std::string value;
};

// Counted by this object since it was made; what a server does for others is not in it.
struct CacheStatistics {
  uint64_t hits = 0;    // Keys asked for and found.
  uint64_t misses = 0;  // Keys asked for and not found.
  // Of a cache in this process; none for a server's, which keeps its own books.
  std::optional<uint64_t> evictions;  // Entries that went to make room; expired ones do not count.
  std::optional<uint64_t> entries;
  std::optional<uint64_t> bytes;  // Taken now: keys, values and what keeping them costs.
  std::optional<uint64_t> capacity_bytes;
};

class Cache {
 public:
  virtual ~Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // "memory", "redis 127.0.0.1:6379": what messages name; without user and password.
  virtual std::string_view name() const = 0;

  // `ttl_s` seconds after Put the entry is gone; 0: it has no such end.
  virtual Status Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) = 0;
  virtual Result<std::optional<std::string>> Get(const Context& context, std::string_view key) = 0;
  // An unknown key is no error.
  virtual Status Erase(const Context& context, std::string_view key) = 0;

  // The same for many keys at the price of few round trips. PutMany may have put any part of them when it fails.
  virtual Status PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) = 0;
  // One element for each key, in the order asked.
  virtual Result<std::vector<std::optional<std::string>>> GetMany(const Context& context,
                                                                  std::span<const std::string> keys) = 0;

  // Whether the backend answers at all.
  virtual Status Probe(const Context& context) = 0;
  virtual CacheStatistics Statistics() const = 0;

 protected:
  Cache() = default;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_H_
