// SPDX-License-Identifier: Apache-2.0
#include "cache/two_level_cache.h"

#include <cstring>
#include <utility>

namespace ragtime {
namespace {

constexpr size_t kStampBytes = sizeof(int64_t);

// The value behind the Unix milliseconds at which it ends; 0: never.
std::string Stamped(std::string_view value, int64_t ends_ms) {
  std::string out(kStampBytes, '\0');
  std::memcpy(out.data(), &ends_ms, kStampBytes);
  return out.append(value);
}

int64_t EndOf(const std::string& stamped) {
  int64_t ends_ms = 0;
  std::memcpy(&ends_ms, stamped.data(), kStampBytes);
  return ends_ms;
}

}  // namespace

TwoLevelCache::TwoLevelCache(std::shared_ptr<Cache> near, std::shared_ptr<Cache> far,
                             std::function<int64_t()> unix_time_ms)
    : near_(std::move(near)), far_(std::move(far)), unix_time_ms_(std::move(unix_time_ms)) {}

Status TwoLevelCache::PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) {
  const int64_t ends_ms = ttl_s > 0 && ttl_s < INT64_MAX / 2000 ? unix_time_ms_() + ttl_s * 1000 : 0;
  std::vector<CacheEntry> stamped;
  for (const CacheEntry& entry : entries) stamped.push_back({entry.key, Stamped(entry.value, ends_ms)});
  (void)near_->PutMany(context, stamped, ttl_s);  // Too large for memory is fine for the far one.
  return far_->PutMany(context, stamped, ttl_s);
}

Status TwoLevelCache::Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) {
  const CacheEntry entries[] = {{std::string(key), std::string(value)}};
  return PutMany(context, entries, ttl_s);
}

Result<std::vector<std::optional<std::string>>> TwoLevelCache::GetMany(const Context& context,
                                                                       std::span<const std::string> keys) {
  RAGTIME_ASSIGN_OR_RETURN(std::vector<std::optional<std::string>> values, near_->GetMany(context, keys));
  std::vector<std::string> missing;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!values[i]) missing.push_back(keys[i]);
  }
  if (!missing.empty()) {
    RAGTIME_ASSIGN_OR_RETURN(std::vector<std::optional<std::string>> far, far_->GetMany(context, missing));
    const int64_t now_ms = unix_time_ms_();
    for (size_t i = 0, next = 0; i < keys.size(); ++i) {
      if (values[i]) continue;
      std::optional<std::string>& value = far[next++];
      if (!value || value->size() < kStampBytes) continue;
      const int64_t ends_ms = EndOf(*value);
      if (ends_ms != 0 && ends_ms <= now_ms) continue;
      // The last second is not worth a copy.
      const int64_t left_s = ends_ms == 0 ? 0 : (ends_ms - now_ms) / 1000;
      if (ends_ms == 0 || left_s > 0) (void)near_->Put(context, keys[i], *value, left_s);
      values[i] = std::move(value);
    }
  }
  for (std::optional<std::string>& value : values) {
    if (value) value->erase(0, kStampBytes);
  }
  return values;
}

Result<std::optional<std::string>> TwoLevelCache::Get(const Context& context, std::string_view key) {
  const std::string keys[] = {std::string(key)};
  RAGTIME_ASSIGN_OR_RETURN(auto values, GetMany(context, keys));
  return std::move(values[0]);
}

Status TwoLevelCache::Erase(const Context& context, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(near_->Erase(context, key));
  return far_->Erase(context, key);
}

CacheStatistics TwoLevelCache::Statistics() const {
  CacheStatistics statistics = near_->Statistics();
  const CacheStatistics far = far_->Statistics();
  statistics.hits += far.hits;
  statistics.misses = far.misses;
  return statistics;
}

}  // namespace ragtime
