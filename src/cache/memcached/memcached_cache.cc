// SPDX-License-Identifier: Apache-2.0
#include "cache/memcached/memcached_cache.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/hash.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "cache/cache_key.h"

namespace ragtime {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

constexpr size_t kItemBytesMax = 1000000;  // Of 1 MiB, which holds the item's own head too.
constexpr int64_t kRelativeSecondsMax = int64_t{30} * 24 * 3600;
constexpr int64_t kUnixSecondsMax = 4102444800;     // The year 2100: later is as good as never.
constexpr size_t kBatchBytesMax = size_t{4} << 20;  // What goes out in one write, and a value more.
constexpr char kFormat = '\x01';

// What stands under the hash of a key: the whole key, the checksum of the value, and the value or where its parts are.
struct Item {
  std::string_view key;
  uint64_t checksum = 0;
  uint64_t size_bytes = 0;
  uint64_t parts_id = 0;  // 0: the value follows.
  std::string_view value;
};

void AppendNumber(uint64_t number, std::string& out) {
  char bytes[sizeof(number)];
  std::memcpy(bytes, &number, sizeof(number));
  out.append(bytes, sizeof(bytes));
}

std::string WriteItem(const Item& item) {
  std::string out(1, kFormat);
  for (const uint64_t number : {uint64_t{item.key.size()}, item.checksum, item.size_bytes, item.parts_id}) {
    AppendNumber(number, out);
  }
  out += item.key;
  out += item.value;
  return out;
}

std::optional<Item> ReadItem(std::string_view bytes) {
  constexpr size_t kHead = 1 + 4 * sizeof(uint64_t);
  if (bytes.size() < kHead || bytes[0] != kFormat) return std::nullopt;
  uint64_t numbers[4];
  std::memcpy(numbers, bytes.data() + 1, sizeof(numbers));
  if (numbers[0] > kCacheKeyBytesMax || bytes.size() < kHead + numbers[0]) return std::nullopt;
  if (numbers[2] > kMemcachedValueBytesMax) return std::nullopt;
  return Item{.key = bytes.substr(kHead, numbers[0]),
              .checksum = numbers[1],
              .size_bytes = numbers[2],
              .parts_id = numbers[3],
              .value = bytes.substr(kHead + numbers[0])};
}

std::string HashedKey(std::string_view key) { return StrCat("rt1-", HashHex(key)); }
std::string PartKey(std::string_view key, uint64_t parts_id, size_t part) {
  return StrCat("rt1-", HashHex(key), "-", std::hex, parts_id, "-", part);
}
size_t PartCount(uint64_t size_bytes) { return (size_bytes + kItemBytesMax - 1) / kItemBytesMax; }

}  // namespace

MemcachedCache::MemcachedCache(MemcachedOptions options)
    : options_(std::move(options)), name_(StrCat("memcached ", options_.address.ToString())) {}

int64_t MemcachedCache::ExpirationOf(int64_t ttl_s, int64_t now_s) {
  if (ttl_s <= kRelativeSecondsMax) return ttl_s;
  return ttl_s > kUnixSecondsMax - now_s ? 0 : now_s + ttl_s;
}

uint64_t MemcachedCache::RandomNumber() {
  std::lock_guard lock(mutex_);
  return random_() | 1;
}

std::unique_ptr<MemcachedConnection> MemcachedCache::TakeIdle() {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  std::unique_ptr<MemcachedConnection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

Status MemcachedCache::Run(const Context& context, const std::function<Status(MemcachedConnection&)>& work) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  TimePoint deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.timeout_ms);
  if (context.deadline) deadline = std::min(deadline, *context.deadline);
  Status status;
  std::unique_ptr<MemcachedConnection> connection = TakeIdle();
  if (connection != nullptr) {
    connection->SetDeadline(deadline);
    status = work(*connection);
    if (connection->closed()) {
      std::lock_guard lock(mutex_);
      idle_.clear();
      connection = nullptr;
    }
  }
  if (connection == nullptr) {
    RAGTIME_ASSIGN_OR_RETURN(connection, MemcachedConnection::Open(options_.address, name_, deadline));
    status = work(*connection);
  }
  if (!status.ok() && status.code() != StatusCode::kResourceExhausted) return status;
  std::lock_guard lock(mutex_);
  if (idle_.size() < options_.idle_connections_max) idle_.push_back(std::move(connection));
  return status;
}

Status MemcachedCache::Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) {
  const CacheEntry entries[] = {{std::string(key), std::string(value)}};
  return PutMany(context, entries, ttl_s);
}

Status MemcachedCache::PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) {
  for (const CacheEntry& entry : entries) RAGTIME_RETURN_IF_ERROR(CheckCacheKey(entry.key));
  if (entries.empty()) return Status();
  const int64_t expiration = ExpirationOf(ttl_s, UnixTimeMs() / 1000);
  return Run(context, [&](MemcachedConnection& connection) -> Status {
    Status refused;
    // Whatever of it was stored must not be found, nor what stood there before.
    const auto refuse = [&](const CacheEntry& entry) {
      refused = ResourceExhaustedError(
          StrCat("the cache ", name_, " takes no value of ", entry.value.size(), " bytes"),
          StrCat("keep values below ", kMemcachedValueBytesMax, " bytes, and start memcached without -I"));
      return connection.Delete(HashedKey(entry.key));
    };
    for (size_t i = 0; i < entries.size();) {
      std::vector<MemcachedConnection::Set> sets;
      std::deque<std::string> items;  // What the sets look at.
      std::vector<size_t> owners;     // The entry of each set.
      for (size_t bytes = 0; i < entries.size() && bytes < kBatchBytesMax; ++i) {
        if (entries[i].value.size() > kMemcachedValueBytesMax) {
          RAGTIME_RETURN_IF_ERROR(refuse(entries[i]));
          continue;
        }
        bytes += entries[i].value.size();
        AddSets(entries[i], expiration, sets, items);
        owners.resize(sets.size(), i);
      }
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<bool> stored, connection.Store(sets));
      for (size_t set = 0; set < sets.size(); ++set) {
        if (stored[set]) continue;
        RAGTIME_RETURN_IF_ERROR(refuse(entries[owners[set]]));
      }
    }
    return refused;
  });
}

// The item of an entry and, in front of it, its parts.
void MemcachedCache::AddSets(const CacheEntry& entry, int64_t expiration, std::vector<MemcachedConnection::Set>& sets,
                             std::deque<std::string>& items) {
  Item item{.key = entry.key, .checksum = Hash64(entry.value), .size_bytes = entry.value.size(), .value = entry.value};
  std::string bytes = WriteItem(item);
  if (bytes.size() > kItemBytesMax) {
    item.parts_id = RandomNumber();
    item.value = {};
    bytes = WriteItem(item);
    const std::string_view value = entry.value;
    for (size_t part = 0; part < PartCount(value.size()); ++part) {
      sets.push_back({.key = PartKey(entry.key, item.parts_id, part),
                      .value = value.substr(part * kItemBytesMax, kItemBytesMax),
                      .expiration = expiration});
    }
  }
  sets.push_back(
      {.key = HashedKey(entry.key), .value = items.emplace_back(std::move(bytes)), .expiration = expiration});
}

Result<std::vector<std::optional<std::string>>> MemcachedCache::GetMany(const Context& context,
                                                                        std::span<const std::string> keys) {
  std::vector<std::string> hashed;
  for (const std::string& key : keys) {
    RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
    hashed.push_back(HashedKey(key));
  }
  std::vector<std::string> unique = hashed;
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  std::vector<std::optional<std::string>> values;
  const Status status = Run(context, [&](MemcachedConnection& connection) -> Status {
    values.assign(keys.size(), std::nullopt);
    RAGTIME_ASSIGN_OR_RETURN(const auto found, connection.Read(unique));
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto bytes = found.find(hashed[i]);
      if (bytes == found.end()) continue;
      const std::optional<Item> item = ReadItem(bytes->second);
      if (!item || item->key != keys[i]) continue;
      std::string value(item->value);
      if (item->parts_id != 0) {
        std::vector<std::string> part_keys;
        for (size_t part = 0; part < PartCount(item->size_bytes); ++part) {
          part_keys.push_back(PartKey(keys[i], item->parts_id, part));
        }
        RAGTIME_ASSIGN_OR_RETURN(const auto parts, connection.Read(part_keys));
        for (const std::string& part_key : part_keys) {
          if (const auto part = parts.find(part_key); part != parts.end()) value += part->second;
        }
      }
      if (value.size() == item->size_bytes && Hash64(value) == item->checksum) values[i] = std::move(value);
    }
    return Status();
  });
  if (!status.ok()) return status;
  for (const std::optional<std::string>& value : values) ++(value ? hits_ : misses_);
  return values;
}

Result<std::optional<std::string>> MemcachedCache::Get(const Context& context, std::string_view key) {
  const std::string keys[] = {std::string(key)};
  RAGTIME_ASSIGN_OR_RETURN(auto values, GetMany(context, keys));
  return std::move(values[0]);
}

Status MemcachedCache::Erase(const Context& context, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  return Run(context, [&](MemcachedConnection& connection) { return connection.Delete(HashedKey(key)); });
}

Status MemcachedCache::Probe(const Context& context) {
  return Run(context, [](MemcachedConnection& connection) { return connection.Version(); });
}

CacheStatistics MemcachedCache::Statistics() const { return {.hits = hits_, .misses = misses_}; }

}  // namespace ragtime
