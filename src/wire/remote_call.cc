// SPDX-License-Identifier: Apache-2.0
#include "wire/remote_call.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace ragtime {
namespace {

using Clock = std::chrono::steady_clock;

Context Bounded(const Context& context, Clock::time_point end) {
  Context bounded = context;
  bounded.deadline = context.deadline ? std::min(*context.deadline, end) : end;
  return bounded;
}

}  // namespace

StatusCode StatusCodeOfHttp(int http_code) {
  if (http_code < 300) return StatusCode::kOk;
  if (http_code < 400) return StatusCode::kFailedPrecondition;
  if (http_code >= 500) return http_code == 501 ? StatusCode::kUnimplemented : StatusCode::kUnavailable;
  switch (http_code) {
    case 401:
    case 403:
      return StatusCode::kPermissionDenied;
    case 404:
      return StatusCode::kNotFound;
    case 409:
      return StatusCode::kAlreadyExists;
    case 413:
      return StatusCode::kOutOfRange;
    case 408:
    case 425:
    case 429:
      return StatusCode::kUnavailable;
    default:
      return StatusCode::kInvalidArgument;
  }
}

RemoteCall::RemoteCall(const Context& context, const CallPolicy& policy)
    : policy_(policy),
      end_(Clock::now() + std::chrono::milliseconds(policy.timeout_ms)),
      bounded_(Bounded(context, end_)),
      retry_(bounded_, policy.retry) {}

Status RemoteCall::Run(const std::function<Attempt(int64_t timeout_ms)>& attempt) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    const Attempt tried = attempt(std::max<int64_t>(1, left));
    if (tried.status.ok() || tried.final) return tried.status;
    if (Status give_up = retry_.Wait(tried.status, tried.retry_after_ms); !give_up.ok()) return give_up;
  }
}

Status RemoteCall::Run(HttpRequest& request, const std::function<Attempt(const HttpRequest& request)>& attempt) {
  request.connect_timeout_ms = policy_.connect_timeout_ms;
  request.idle_timeout_ms = policy_.idle_timeout_ms;
  return Run([&](int64_t timeout_ms) {
    request.total_timeout_ms = timeout_ms;
    return attempt(request);
  });
}

Result<HttpResponse> CallHttp(HttpClient& client, const Context& context, const CallPolicy& policy, HttpRequest request,
                              const std::function<Status(const HttpResponse&)>& status_of) {
  HttpResponse answer;
  RemoteCall call(context, policy);
  RAGTIME_RETURN_IF_ERROR(call.Run(request, [&](const HttpRequest& sent) -> RemoteCall::Attempt {
    Result<HttpResponse> response = client.Send(context, sent);
    // Only the connection may pass by itself; an answer that is too large stays so.
    if (!response.ok())
      return {.status = response.status(), .final = response.status().code() != StatusCode::kUnavailable};
    answer = *std::move(response);
    if (answer.code < 300) return {};
    return {.status = status_of(answer),
            .retry_after_ms = ParseRetryAfter(answer.Header("retry-after"), std::time(nullptr))};
  }));
  return answer;
}

}  // namespace ragtime
