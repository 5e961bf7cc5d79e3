// SPDX-License-Identifier: Apache-2.0
//
// RemoteCall decides once, for every server that Ragtime speaks to, how long a call may take and when it is tried
// again: by the HTTP code or the error of the connection, with growing pauses, within the request's deadline.
//
// Threads: a RemoteCall belongs to one call. Connections are pooled by the HttpClient that is handed in.
#ifndef RAGTIME_WIRE_REMOTE_CALL_H_
#define RAGTIME_WIRE_REMOTE_CALL_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "ragtime/context.h"
#include "ragtime/status.h"
#include "wire/http_client.h"
#include "wire/retry.h"

namespace ragtime {

struct CallPolicy {
  int64_t timeout_ms = 60000;  // Of the whole call, its retries and pauses included.
  int64_t connect_timeout_ms = 10000;
  int64_t idle_timeout_ms = 30000;  // Longest silence of the server.
  RetryPolicy retry;
};

// What an HTTP code says: kOk below 300; kUnavailable (408, 425, 429, 500 and more) is what may pass by itself.
StatusCode StatusCodeOfHttp(int http_code);

class RemoteCall {
 public:
  struct Attempt {
    Status status;
    std::optional<int64_t> retry_after_ms;  // What the server asks for.
    bool final = false;                     // Not to be tried again, whatever the code.
  };

  // `context` must outlive it.
  RemoteCall(const Context& context, const CallPolicy& policy);

  // Sets the timeouts of `request` and calls `attempt` until it succeeds or trying again makes no sense. The time runs
  // from the construction.
  Status Run(HttpRequest& request, const std::function<Attempt(const HttpRequest& request)>& attempt);
  // Of any client that has no HttpRequest: what is left of the call's time is handed in.
  Status Run(const std::function<Attempt(int64_t timeout_ms)>& attempt);

 private:
  const CallPolicy policy_;
  const std::chrono::steady_clock::time_point end_;
  const Context bounded_;
  Retry retry_;
};

// Sends a request that may be repeated. `status_of` makes the error of an answer of 300 and more, and says what failed;
// its code decides whether to try again.
Result<HttpResponse> CallHttp(HttpClient& client, const Context& context, const CallPolicy& policy, HttpRequest request,
                              const std::function<Status(const HttpResponse&)>& status_of);

}  // namespace ragtime

#endif  // RAGTIME_WIRE_REMOTE_CALL_H_
