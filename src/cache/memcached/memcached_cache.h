// SPDX-License-Identifier: Apache-2.0
//
// MemcachedCache keeps entries on a Memcached. What the protocol does not take is made to fit:
//
// - Keys are hashed (XXH3-128) to 36 letters; the whole key stands in front of the value and is compared, so that two
//   keys of one hash are a miss and never each other's value.
// - A value that does not fit an item of 1 MB is split into parts under a random number, written before the item that
//   names them, and checked by its checksum: a part that is gone makes a miss. A server started with a smaller -I
//   refuses them, which is kResourceExhausted.
// - A time of more than 30 days is given as the time of day at which it ends, as the protocol wants it.
//
// Many keys are read and written in one round trip. There is neither TLS nor a password in the text protocol: keep the
// server in a network of its own. Names are resolved by the system.
//
// Threads: calls share a pool of connections; each call has one for itself. Errors: kUnavailable, kDeadlineExceeded;
// kResourceExhausted above kMemcachedValueBytesMax.
#ifndef RAGTIME_CACHE_MEMCACHED_MEMCACHED_CACHE_H_
#define RAGTIME_CACHE_MEMCACHED_MEMCACHED_CACHE_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "cache/memcached/memcached_connection.h"
#include "cache/server_address.h"
#include "ragtime/cache.h"

namespace ragtime {

inline constexpr size_t kMemcachedValueBytesMax = size_t{64} << 20;

struct MemcachedOptions {
  ServerAddress address;
  int64_t timeout_ms = 50;  // To connect, and for the answers of a call.
  size_t idle_connections_max = 16;
};

class MemcachedCache final : public Cache {
 public:
  explicit MemcachedCache(MemcachedOptions options);

  std::string_view name() const override { return name_; }
  Status Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) override;
  Result<std::optional<std::string>> Get(const Context& context, std::string_view key) override;
  Status Erase(const Context& context, std::string_view key) override;
  Status PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) override;
  Result<std::vector<std::optional<std::string>>> GetMany(const Context& context,
                                                          std::span<const std::string> keys) override;
  Status Probe(const Context& context) override;
  CacheStatistics Statistics() const override;

  // What the protocol wants for a time to live, at `now_s` seconds of Unix time.
  static int64_t ExpirationOf(int64_t ttl_s, int64_t now_s);

 private:
  // Runs `work` on a connection; once more on a new one where an idle one turned out to be closed.
  Status Run(const Context& context, const std::function<Status(MemcachedConnection&)>& work);
  std::unique_ptr<MemcachedConnection> TakeIdle();
  void AddSets(const CacheEntry& entry, int64_t expiration, std::vector<MemcachedConnection::Set>& sets,
               std::deque<std::string>& items);
  uint64_t RandomNumber();

  const MemcachedOptions options_;
  const std::string name_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<MemcachedConnection>> idle_;  // Guarded by mutex_.
  std::mt19937_64 random_{std::random_device{}()};          // Guarded by mutex_.
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> misses_{0};
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_MEMCACHED_MEMCACHED_CACHE_H_
