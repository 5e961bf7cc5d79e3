// SPDX-License-Identifier: Apache-2.0
//
// RedisConnection is one connection to a Redis: commands go out in one write, their replies come back in order, within
// a time.
//
// Threads: one at a time. Errors: kUnavailable (refused, closed, garbage), kDeadlineExceeded, kPermissionDenied; after
// any of them but an error reply the connection is of no further use. No call raises SIGPIPE.
#ifndef RAGTIME_CACHE_REDIS_REDIS_CONNECTION_H_
#define RAGTIME_CACHE_REDIS_REDIS_CONNECTION_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/server_address.h"
#include "ragtime/status.h"

struct redisContext;
struct redisSSLContext;

namespace ragtime {

struct RedisOptions {
  ServerAddress address;
  std::string ca_file;  // Of TLS; "": what the system trusts.
  std::string certificate_file;
  std::string key_file;
  // To connect, and for the answers of a call; a handshake by TLS has it once more.
  int64_t timeout_ms = 50;
  size_t idle_connections_max = 16;
};

// The certificates, read once.
class RedisTls {
 public:
  static Result<std::shared_ptr<const RedisTls>> Load(const RedisOptions& options);
  explicit RedisTls(redisSSLContext* context) : context_(context) {}
  RedisTls(const RedisTls&) = delete;
  RedisTls& operator=(const RedisTls&) = delete;
  ~RedisTls();
  redisSSLContext* get() const { return context_; }

 private:
  redisSSLContext* const context_;
};

using RedisCommand = std::vector<std::string_view>;

struct RedisReply {
  std::optional<std::string> text;  // Of a string, a status or a number; none: nil.
  std::string error;                // "OOM command not allowed ...": what the server refuses; "" otherwise.
};

class RedisConnection {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Connects, authenticates and selects the database. `tls` may be null.
  static Result<std::unique_ptr<RedisConnection>> Open(const RedisOptions& options, const RedisTls* tls,
                                                       std::string_view name, TimePoint deadline);
  RedisConnection(redisContext* context, std::string_view name) : context_(context), name_(name) {}
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;
  ~RedisConnection();

  // One reply for each command.
  Result<std::vector<RedisReply>> Run(const std::vector<RedisCommand>& commands, TimePoint deadline);
  // The server closed it before it said anything: it was idle too long, or the server is another one by now.
  bool closed() const { return closed_; }

 private:
  Status Send(TimePoint deadline);
  Result<RedisReply> Receive(TimePoint deadline);
  Status Failure();

  redisContext* const context_;
  const std::string name_;  // For messages.
  bool closed_ = false;
};

}  // namespace ragtime

#endif  // RAGTIME_CACHE_REDIS_REDIS_CONNECTION_H_
