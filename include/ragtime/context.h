// SPDX-License-Identifier: Apache-2.0
//
// Context travels with one request: until when it may run, whether anybody still waits for it or ever did.
//
// Threads: a Context is immutable and may be shared; cancelling through the std::stop_source is thread-safe.
#ifndef RAGTIME_CONTEXT_H_
#define RAGTIME_CONTEXT_H_

#include <chrono>
#include <optional>
#include <stop_token>

#include "ragtime/status.h"

namespace ragtime {

struct Context {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::stop_token stop;
  // Nobody waits for it, as for an ingestion: it computes on the threads that questions and answers leave.
  bool in_background = false;

  // OK, kCancelled or kDeadlineExceeded. Long loops ask it about every millisecond of work.
  Status Check() const;
  Context InBackground() const {
    Context context = *this;
    context.in_background = true;
    return context;
  }
};

}  // namespace ragtime

#endif  // RAGTIME_CONTEXT_H_
