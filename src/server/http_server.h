// SPDX-License-Identifier: Apache-2.0
//
// HttpServer speaks HTTP/1.1 on 127.0.0.1: it parses requests within limits, runs their handlers on threads of its own,
// and ends a handler's work when its client goes away.
//
// Threads: Start and Drain by one thread; handlers run concurrently, each on one thread.
// Errors: kUnavailable and kAlreadyExists name the port that cannot be had. What a client does wrong is answered to it.
#ifndef RAGTIME_SERVER_HTTP_SERVER_H_
#define RAGTIME_SERVER_HTTP_SERVER_H_

#include <cstddef>
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

struct ServerRequest {
  std::string method;
  std::string path;  // Without the query.
  std::string body;
  std::string session;  // The header X-Session-Id.
  Context context;      // Stops when the client goes away, at the time limit, or when draining takes too long.
};

struct ServerReply {
  int code = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// The way back to the client, for one handler on its thread.
class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  // The whole reply. Once, and not after Stream.
  virtual void Send(ServerReply reply) = 0;
  // The next bytes of a stream of server-sent events; the first call sends the head. Waits where the client reads
  // slowly. False: the client has gone.
  virtual bool Stream(std::string_view bytes) = 0;
};

using ServerHandler = std::function<void(const ServerRequest& request, ReplyWriter& reply)>;

struct ServerRoute {
  std::string method;
  std::string path;
  // Quick ones are answered also where all others are refused because of too many.
  bool is_quick = false;
  ServerHandler handler;
};

struct HttpServerOptions {
  uint16_t port = 0;         // 0: one that the system chooses.
  size_t requests_max = 32;  // Under way at once; one more gets 429.
  size_t body_bytes_max = size_t{1} << 20;
  size_t connections_max = 1024;
  int64_t request_timeout_ms = 300000;
  int64_t idle_timeout_ms = 60000;  // Of a connection between requests, and of a client within one.
  // Makes the body of an error out of its HTTP code and what is wrong; called on any thread.
  std::function<ServerReply(int code, const Status& status)> error_reply;
  // Told of each answered request: its route's path or "", the code, and how long it took.
  std::function<void(const std::string& path, int code, double seconds)> on_answered;
};

class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, std::vector<ServerRoute> routes);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // Drains without waiting.

  uint16_t port() const;
  size_t requests_running() const;
  bool draining() const;
  // Takes no more connections, lets requests finish for at most `timeout_ms`, ends the rest, and returns when all are
  // gone. True if none had to be ended.
  bool Drain(int64_t timeout_ms);

 private:
  class Engine;
  explicit HttpServer(std::unique_ptr<Engine> engine);
  std::unique_ptr<Engine> engine_;
};

}  // namespace ragtime

#endif  // RAGTIME_SERVER_HTTP_SERVER_H_
