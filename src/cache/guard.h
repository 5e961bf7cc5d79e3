// SPDX-License-Identifier: Apache-2.0
//
// Guard stands before a cache that may be dead or slow: it never fails, and waits for it once.
//
// The first call that fails opens the circuit: from then on nothing is asked or put, reads are misses, and a thread
// probes the backend, at once and then with growing pauses, until it answers. So an outage costs one timeout of the
// backend for each call that is under way, and none after it; and one answer that a busy machine delayed costs little
// more than that answer. Pauses go on growing where the next failure follows soon, so that a backend that answers
// probes and nothing else is left alone too. A value that is too large, or a caller whose own time is up, is no
// failure.
//
// Threads: every method may be called concurrently. Ownership: shares the backend. Errors: none of the backend's; only
// kInvalidArgument for a key of a wrong length.
#ifndef RAGTIME_CACHE_GUARD_H_
#define RAGTIME_CACHE_GUARD_H_

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ragtime/cache.h"

namespace ragtime {

struct GuardOptions {
  int64_t probe_after_ms = 250;       // After the first probe fails; doubled after each further one,
  int64_t probe_after_max_ms = 5000;  // up to this.
};

class Guard final : public Cache {
 public:
  explicit Guard(std::shared_ptr<Cache> backend, GuardOptions options = {});
  ~Guard() override;

  // OK, or why the backend is bypassed at present.
  Status condition() const;

  std::string_view name() const override { return backend_->name(); }
  Status Put(const Context& context, std::string_view key, std::string_view value, int64_t ttl_s) override;
  Result<std::optional<std::string>> Get(const Context& context, std::string_view key) override;
  Status Erase(const Context& context, std::string_view key) override;
  Status PutMany(const Context& context, std::span<const CacheEntry> entries, int64_t ttl_s) override;
  Result<std::vector<std::optional<std::string>>> GetMany(const Context& context,
                                                          std::span<const std::string> keys) override;
  Status Probe(const Context& context) override { return backend_->Probe(context); }
  // Of the backend, and what was not found because it was bypassed.
  CacheStatistics Statistics() const override;

 private:
  bool bypassed() const { return open_.load(std::memory_order_acquire); }
  // Counts an answer, or opens the circuit where `status` is the backend's fault.
  void Judge(const Context& context, const Status& status);
  void ProbeUntilBack();
  int64_t LongerPause() const;  // mutex_ must be held.

  const std::shared_ptr<Cache> backend_;
  const GuardOptions options_;
  static constexpr uint64_t kSoundAnswers = 32;  // After so many, a failure is the first one again.
  std::atomic<bool> open_{false};
  std::atomic<uint64_t> answers_{kSoundAnswers};  // Since the backend was back.
  std::atomic<uint64_t> missed_{0};
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // Guarded by mutex_.
  Status why_;             // Guarded by mutex_.
  int64_t pause_ms_ = 0;   // Before the next probe. Guarded by mutex_.
  std::thread prober_;     // Guarded by mutex_; joined before the next one starts.
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_GUARD_H_
