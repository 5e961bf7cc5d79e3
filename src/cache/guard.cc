// SPDX-License-Identifier: Apache-2.0
#include "cache/guard.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "cache/cache_key.h"

namespace ragtime {

Guard::Guard(std::shared_ptr<Cache> backend, GuardOptions options) : backend_(std::move(backend)), options_(options) {}

Guard::~Guard() {
  std::thread prober;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    prober = std::move(prober_);
  }
  stopped_.notify_all();
  if (prober.joinable()) prober.join();
}

Status Guard::condition() const {
  if (!bypassed()) return Status();
  std::lock_guard lock(mutex_);
  return why_;
}

void Guard::Judge(const Context& context, const Status& status) {
  if (status.ok()) answers_.fetch_add(1, std::memory_order_relaxed);
  if (status.ok() || status.code() == StatusCode::kResourceExhausted || !context.Check().ok()) return;
  std::lock_guard lock(mutex_);
  if (bypassed() || stopping_) return;
  if (prober_.joinable()) prober_.join();  // It has closed the circuit, so that it is about to end.
  why_ = status;
  pause_ms_ = answers_.load(std::memory_order_relaxed) < kSoundAnswers ? LongerPause() : 0;
  open_.store(true, std::memory_order_release);
  prober_ = std::thread([this] { ProbeUntilBack(); });
}

int64_t Guard::LongerPause() const {
  return std::clamp(2 * pause_ms_, options_.probe_after_ms,
                    std::max(options_.probe_after_ms, options_.probe_after_max_ms));
}

void Guard::ProbeUntilBack() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, std::chrono::milliseconds(pause_ms_), [this] { return stopping_; });
      if (stopping_) return;
    }
    const Status status = backend_->Probe(Context{});
    std::lock_guard lock(mutex_);
    if (status.ok()) {
      answers_.store(0, std::memory_order_relaxed);
      open_.store(false, std::memory_order_release);
      return;
    }
    pause_ms_ = LongerPause();
    why_ = status;
  }
}

Status Guard::Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  if (!bypassed()) Judge(context, backend_->Put(context, key, value, ttl_s));
  return Status();
}

Result<std::optional<std::string>> Guard::Get(const Context& context, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  if (!bypassed()) {
    Result<std::optional<std::string>> value = backend_->Get(context, key);
    Judge(context, value.status());
    if (value.ok()) return value;
  }
  ++missed_;
  return std::optional<std::string>();
}

Status Guard::Erase(const Context& context, std::string_view key) {
  RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  if (!bypassed()) Judge(context, backend_->Erase(context, key));
  return Status();
}

Status Guard::PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) {
  for (const CacheEntry& entry : entries) RAGTIME_RETURN_IF_ERROR(CheckCacheKey(entry.key));
  if (!bypassed() && !entries.empty()) Judge(context, backend_->PutMany(context, entries, ttl_s));
  return Status();
}

Result<std::vector<std::optional<std::string>>> Guard::GetMany(const Context& context,
                                                               std::span<const std::string> keys) {
  for (const std::string& key : keys) RAGTIME_RETURN_IF_ERROR(CheckCacheKey(key));
  if (!bypassed() && !keys.empty()) {
    Result<std::vector<std::optional<std::string>>> values = backend_->GetMany(context, keys);
    Judge(context, values.status());
    if (values.ok()) return values;
  }
  missed_ += keys.size();
  return std::vector<std::optional<std::string>>(keys.size());
}

CacheStatistics Guard::Statistics() const {
  CacheStatistics statistics = backend_->Statistics();
  statistics.misses += missed_;
  return statistics;
}

}  // namespace ragtime
