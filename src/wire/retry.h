// SPDX-License-Identifier: Apache-2.0
//
// Retry says whether and when a failed call to something remote is tried again: only where the failure may pass by
// itself, with growing, jittered pauses, and never past the request's deadline.
//
// Threads: a Retry belongs to one call. SleepWithin, IsRetryable and ParseRetryAfter may be called from any thread.
#ifndef RAGTIME_WIRE_RETRY_H_
#define RAGTIME_WIRE_RETRY_H_

#include <cstdint>
#include <ctime>
#include <optional>
#include <random>
#include <string_view>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

// kUnavailable and kResourceExhausted: what the other side may answer differently in a moment.
bool IsRetryable(StatusCode code);

// The milliseconds that a Retry-After header asks for: a number of seconds or an HTTP date. nullopt where it is
// neither.
std::optional<int64_t> ParseRetryAfter(std::string_view header, std::time_t now);

// Sleeps; ends early with kCancelled or kDeadlineExceeded.
Status SleepWithin(const Context& context, int64_t duration_ms);

struct RetryPolicy {
  int attempts_max = 3;
  int64_t backoff_ms = 250;  // Before the second attempt; doubled before each further one.
  int64_t backoff_max_ms = 8000;
  int64_t retry_after_max_ms = 60000;  // A server that asks for a longer pause is taken as failed.
};

class Retry {
 public:
  Retry(const Context& context, RetryPolicy policy, uint64_t seed = std::random_device{}());

  // Called after an attempt failed. OK: the pause is over, try again. Else what the call is to return: `failure` where
  // trying again makes no sense or there is no time left, kCancelled or kDeadlineExceeded where the pause was cut
  // short.
  Status Wait(const Status& failure, std::optional<int64_t> retry_after_ms = std::nullopt);

  int attempts() const { return attempts_; }  // That have failed.

 private:
  const Context& context_;
  const RetryPolicy policy_;
  std::mt19937_64 random_;
  int attempts_ = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_WIRE_RETRY_H_
