// SPDX-License-Identifier: Apache-2.0
//
// RedisCache keeps entries on a Redis: TCP, TLS or a unix socket, user and password, a database, one round trip for
// many keys.
//
// Keys go to the server as they are, so that what stands in braces in them ("{uuid}") keeps them on one node of a
// cluster behind a proxy. What the server evicts is its own affair (maxmemory, maxmemory-policy allkeys-lru). Names are
// resolved by the system, whose time is not bounded by ours: write an address where that matters.
//
// Threads: calls share a pool of connections; each call has one for itself. Errors: those of RedisConnection;
// kResourceExhausted above kRedisValueBytesMax.
#ifndef RAGTIME_CACHE_REDIS_REDIS_CACHE_H_
#define RAGTIME_CACHE_REDIS_REDIS_CACHE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cache/redis/redis_connection.h"
#include "ragtime/cache.h"

namespace ragtime {

inline constexpr size_t kRedisValueBytesMax = size_t{256} << 20;  // Redis itself ends at 512 MB.

class RedisCache final : public Cache {
 public:
  // Reads the certificates; connects to nothing.
  static Result<std::unique_ptr<RedisCache>> Make(RedisOptions options);
  RedisCache(RedisOptions options, std::shared_ptr<const RedisTls> tls);

  std::string_view name() const override { return name_; }
  Status Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) override;
  Result<std::optional<std::string>> Get(const Context& context, std::string_view key) override;
  Status Erase(const Context& context, std::string_view key) override;
  Status PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) override;
  Result<std::vector<std::optional<std::string>>> GetMany(const Context& context,
                                                          std::span<const std::string> keys) override;
  Status Probe(const Context& context) override;
  CacheStatistics Statistics() const override;

 private:
  // Runs the commands on a connection; on a second one where an idle one turned out to be closed. An error reply is the
  // error of the whole.
  Result<std::vector<RedisReply>> Run(const Context& context, const std::vector<RedisCommand>& commands);
  // An idle connection; null: there is none.
  std::unique_ptr<RedisConnection> TakeIdle();
  void GiveBack(std::unique_ptr<RedisConnection> connection);

  const RedisOptions options_;
  const std::shared_ptr<const RedisTls> tls_;
  const std::string name_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<RedisConnection>> idle_;  // Guarded by mutex_; the last used is the last.
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> misses_{0};
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_REDIS_REDIS_CACHE_H_
