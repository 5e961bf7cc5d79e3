// SPDX-License-Identifier: Apache-2.0
#include "wire/retry.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <string>

namespace ragtime {

bool IsRetryable(StatusCode code) { return code == StatusCode::kUnavailable || code == StatusCode::kResourceExhausted; }

std::optional<int64_t> ParseRetryAfter(std::string_view header, std::time_t now) {
  while (!header.empty() && (header.front() == ' ' || header.front() == '\t')) header.remove_prefix(1);
  while (!header.empty() && (header.back() == ' ' || header.back() == '\t')) header.remove_suffix(1);
  if (header.empty()) return std::nullopt;
  if (header.front() >= '0' && header.front() <= '9') {
    int64_t seconds = 0;
    const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
    // A fraction is not in the standard but is sent.
    if (error != std::errc() || (end != header.data() + header.size() && *end != '.')) return std::nullopt;
    constexpr int64_t kSecondsMax = 1 << 30;
    return std::min(seconds, kSecondsMax) * 1000;
  }
  std::tm utc = {};
  const std::string text(header);
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const std::time_t when = timegm(&utc);
  return std::max<int64_t>(0, static_cast<int64_t>(when) - static_cast<int64_t>(now)) * 1000;
}

Status SleepWithin(const Context& context, int64_t duration_ms) {
  RAGTIME_RETURN_IF_ERROR(context.Check());
  if (duration_ms <= 0) return Status();
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(duration_ms);
  if (context.deadline) until = std::min(until, *context.deadline);
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_until(lock, context.stop, until, [] { return false; });
  return context.Check();
}

Retry::Retry(const Context& context, RetryPolicy policy, uint64_t seed)
    : context_(context), policy_(policy), random_(seed) {}

Status Retry::Wait(const Status& failure, std::optional<int64_t> retry_after_ms) {
  ++attempts_;
  if (!IsRetryable(failure.code()) || attempts_ >= policy_.attempts_max) return failure;
  int64_t pause_ms = policy_.backoff_ms;
  for (int i = 1; i < attempts_ && pause_ms < policy_.backoff_max_ms; ++i) pause_ms *= 2;
  pause_ms = std::min(pause_ms, policy_.backoff_max_ms);
  // Half of it at random, so that clients that failed together do not come back together.
  pause_ms = pause_ms / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(pause_ms / 2 + 1));
  if (retry_after_ms) {
    if (*retry_after_ms > policy_.retry_after_max_ms) return failure;
    pause_ms = std::max(pause_ms, *retry_after_ms);
  }
  // Where the pause alone eats the time that is left, the failure says more than a passed deadline would.
  const auto end_of_pause = std::chrono::steady_clock::now() + std::chrono::milliseconds(pause_ms);
  if (context_.deadline && end_of_pause >= *context_.deadline) return failure;
  return SleepWithin(context_, pause_ms);
}

}  // namespace ragtime
