// SPDX-License-Identifier: Apache-2.0
#include "cache/redis/redis_cache.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/str_cat.h"
#include "cache/cache_key.h"

namespace ragtime {
namespace {

// What goes out in one write.
constexpr size_t kPipelineCommandsMax = 512;
constexpr size_t kPipelineBytesMax = size_t{4} << 20;
constexpr int64_t kTtlSecondsMax = int64_t{100} * 365 * 24 * 3600;  // Redis refuses what its clock cannot hold.

std::string TtlText(int64_t ttl_s) { return StrCat(std::min(ttl_s, kTtlSecondsMax)); }

RedisCommand SetCommand(std::string_view key, std::string_view value, const std::string& ttl) {
  if (ttl == "0") return {"SET", key, value};
  return {"SET", key, value, "EX", ttl};
}

Status TooLarge(size_t bytes) {
  return ResourceExhaustedError(StrCat("a value of ", bytes, " bytes is larger than a Redis takes"),
                                StrCat("keep values below ", kRedisValueBytesMax, " bytes"));
}

}  // namespace

Result<std::unique_ptr<RedisCache>> RedisCache::Make(RedisOptions options) {
  std::shared_ptr<const RedisTls> tls;
  if (options.address.scheme == "rediss") {
    RAGTIME_ASSIGN_OR_RETURN(tls, RedisTls::Load(options));
  }
  return std::make_unique<RedisCache>(std::move(options), std::move(tls));
}

RedisCache::RedisCache(RedisOptions options, std::shared_ptr<const RedisTls> tls)
    : options_(std::move(options)), tls_(std::move(tls)), name_(StrCat("redis ", options_.address.ToString())) {}

std::unique_ptr<RedisConnection> RedisCache::TakeIdle() {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  std::unique_ptr<RedisConnection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void RedisCache::GiveBack(std::unique_ptr<RedisConnection> connection) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < options_.idle_connections_max) idle_.push_back(std::move(connection));
}

Result<std::vector<RedisReply>> RedisCache::Run(const Context& context, const std::vector<RedisCommand>& commands) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.timeout_ms);
  if (context.deadline) deadline = std::min(deadline, *context.deadline);
  std::unique_ptr<RedisConnection> connection = TakeIdle();
  if (connection != nullptr) {
    Result<std::vector<RedisReply>> replies = connection->Run(commands, deadline);
    if (replies.ok()) {
      GiveBack(std::move(connection));
      return replies;
    }
    if (!connection->closed()) return replies.status();
    std::lock_guard lock(mutex_);
    idle_.clear();  // The server is another one; all of them are as closed as this one.
  }
  RAGTIME_ASSIGN_OR_RETURN(connection, RedisConnection::Open(options_, tls_.get(), name_, deadline));
  Result<std::vector<RedisReply>> replies = connection->Run(commands, deadline);
  if (replies.ok()) GiveBack(std::move(connection));
  return replies;
}

Status RedisCache::PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) {
  for (const CacheEntry& entry : entries) RAGTIME_RETURN_IF_ERROR(CheckCacheKey(entry.key));
  const std::string ttl = TtlText(ttl_s);
  Status too_large;
  for (size_t i = 0; i < entries.size();) {
    std::vector<RedisCommand> commands;
    for (size_t bytes = 0; i < entries.size() && commands.size() < kPipelineCommandsMax && bytes < kPipelineBytesMax;
         ++i) {
      const CacheEntry& entry = entries[i];
      bytes += entry.key.size() + entry.value.size();
      if (entry.value.size() > kRedisValueBytesMax) {
        too_large = TooLarge(entry.value.size());
        commands.push_back({"DEL", entry.key});
      } else {
        commands.push_back(SetCommand(entry.key, entry.value, ttl));
      }
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, Run(context, commands));
    for (const RedisReply& reply : replies) {
      if (!reply.error.empty()) return UnavailableError(StrCat("the cache ", name_, " refuses SET: ", reply.error));
    }
  }
  return too_large;
}

Status RedisCache::Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  if (value.size() > kRedisValueBytesMax) {
    RAGTIME_RETURN_IF_ERROR(Erase(context, key));
    return TooLarge(value.size());
  }
  const std::string ttl = TtlText(ttl_s);
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, Run(context, {SetCommand(key, value, ttl)}));
  if (replies[0].error.empty()) return Status();
  return UnavailableError(StrCat("the cache ", name_, " refuses SET: ", replies[0].error),
                          "set maxmemory-policy allkeys-lru on the server, and let it be written to");
}

Result<std::vector<std::optional<std::string>>> RedisCache::GetMany(const Context& context,
                                                                    std::span<const std::string> keys) {
  std::vector<std::optional<std::string>> values;
  values.reserve(keys.size());
  for (size_t start = 0; start < keys.size(); start += kPipelineCommandsMax) {
    std::vector<RedisCommand> commands;
    for (const std::string& key : keys.subspan(start, std::min(kPipelineCommandsMax, keys.size() - start))) {
      RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
      commands.push_back({"GET", key});
    }
    RAGTIME_ASSIGN_OR_RETURN(std::vector<RedisReply> replies, Run(context, commands));
    for (RedisReply& reply : replies) {
      if (!reply.error.empty()) return UnavailableError(StrCat("the cache ", name_, " refuses GET: ", reply.error));
      ++(reply.text ? hits_ : misses_);
      values.push_back(std::move(reply.text));
    }
  }
  return values;
}

Result<std::optional<std::string>> RedisCache::Get(const Context& context, std::string_view key) {
  const std::string keys[] = {std::string(key)};
  RAGTIME_ASSIGN_OR_RETURN(auto values, GetMany(context, keys));
  return std::move(values[0]);
}

Status RedisCache::Erase(const Context& context, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, Run(context, {{"DEL", key}}));
  if (replies[0].error.empty()) return Status();
  return UnavailableError(StrCat("the cache ", name_, " refuses DEL: ", replies[0].error));
}

Status RedisCache::Probe(const Context& context) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, Run(context, {{"PING"}}));
  if (replies[0].error.empty()) return Status();
  return UnavailableError(StrCat("the cache ", name_, " refuses PING: ", replies[0].error),
                          "check user and password of cache.uri");
}

CacheStatistics RedisCache::Statistics() const { return {.hits = hits_, .misses = misses_}; }

}  // namespace ragtime
