// SPDX-License-Identifier: Apache-2.0
//
// HttpClient sends HTTP requests and hands out response bodies as they come. Connections are kept and used again.
//
// Threads: every method may be called concurrently; callbacks run on the calling thread.
// Errors: kUnavailable (no connection, broken connection, silence), kDeadlineExceeded, kCancelled, kInvalidArgument
// (the URL), kFailedPrecondition (the certificate), kResourceExhausted (too large a body). An HTTP status of 400 or
// more is no error here. Messages name the URL without user, password and query, and never hold a header or a body.
#ifndef RAGTIME_WIRE_HTTP_CLIENT_H_
#define RAGTIME_WIRE_HTTP_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/status.h"

namespace ragtime {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http or https. Redirects are not followed: they would carry the key to another host.
  HttpHeaders headers;
  std::string body;
  int64_t connect_timeout_ms = 10000;
  int64_t idle_timeout_ms = 0;                    // Longest silence of the server, before and between bytes; 0: none.
  int64_t total_timeout_ms = 0;                   // 0: only the context's deadline counts.
  size_t body_size_bytes_max = size_t{64} << 20;  // Of the response, where it is gathered.
};

struct HttpResponse {
  int code = 0;         // 200, 404 ...
  HttpHeaders headers;  // Names in lower case.
  std::string body;     // Empty where a callback took it.
  // The value of the first header of that lower-case name, or "".
  std::string_view Header(std::string_view name) const;
};

// "https://host:8000/v1" of "https://user:password@host:8000/v1?key=1": what may stand in a message.
std::string UrlForMessages(std::string_view url);

class HttpClient {
 public:
  // Gets each piece of the body, with the code and headers in `head`. False ends the transfer, which is no error.
  using OnBody = std::function<bool(const HttpResponse& head, std::string_view bytes)>;

  HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  // Without `on_body` the body is gathered in the response.
  Result<HttpResponse> Send(const Context& context, const HttpRequest& request, const OnBody& on_body = nullptr);

 private:
  class Session;
  class SessionPool;
  std::unique_ptr<SessionPool> sessions_;
};

}  // namespace ragtime

#endif  // RAGTIME_WIRE_HTTP_CLIENT_H_
