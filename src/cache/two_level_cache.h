// SPDX-License-Identifier: Apache-2.0
//
// TwoLevelCache puts a near cache (memory) before a far one (Redis, Memcached): what the far one gave is kept near.
//
// Each value carries the time of day at which it ends, so that a copy kept near ends when the far one does. An entry
// that another process puts again or erases is seen when the copy kept near ends: keys must name their content, as
// those of CacheNamespace do. What changes under one key, a conversation, belongs into the far cache itself.
//
// Threads: every method may be called concurrently. Errors: the far cache's.
#ifndef RAGTIME_CACHE_TWO_LEVEL_CACHE_H_
#define RAGTIME_CACHE_TWO_LEVEL_CACHE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unix_time.h"
#include "ragtime/cache.h"

namespace ragtime {

class TwoLevelCache final : public Cache {
 public:
  TwoLevelCache(std::shared_ptr<Cache> near, std::shared_ptr<Cache> far,
                std::function<int64_t()> unix_time_ms = UnixTimeMs);

  std::string_view name() const override { return far_->name(); }
  Status Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) override;
  Result<std::optional<std::string>> Get(const Context& context, std::string_view key) override;
  Status Erase(const Context& context, std::string_view key) override;
  Status PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) override;
  Result<std::vector<std::optional<std::string>>> GetMany(const Context& context,
                                                          std::span<const std::string> keys) override;
  Status Probe(const Context& context) override { return far_->Probe(context); }
  // Hits of either, misses of both; the sizes are those of the near one.
  CacheStatistics Statistics() const override;

 private:
  const std::shared_ptr<Cache> near_;
  const std::shared_ptr<Cache> far_;
  const std::function<int64_t()> unix_time_ms_;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_TWO_LEVEL_CACHE_H_
