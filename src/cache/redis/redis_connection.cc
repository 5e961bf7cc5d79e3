// SPDX-License-Identifier: Apache-2.0
#include "cache/redis/redis_connection.h"

#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

#include "base/str_cat.h"

namespace ragtime {
namespace {

using TimePoint = RedisConnection::TimePoint;

// hiredis and OpenSSL write without MSG_NOSIGNAL. A closed connection must not end the process, and what an application
// does with SIGPIPE elsewhere is not for us to change: so it is held back on this thread, and taken if it came.
class HeldSigpipe {
 public:
  HeldSigpipe() {
    ::sigemptyset(&signal_);
    ::sigaddset(&signal_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~HeldSigpipe() {
    const struct timespec at_once{};
    while (!was_pending_ && ::sigtimedwait(&signal_, nullptr, &at_once) == -1 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSigpipe(const HeldSigpipe&) = delete;
  HeldSigpipe& operator=(const HeldSigpipe&) = delete;

 private:
  sigset_t signal_;
  sigset_t before_;
  bool was_pending_ = false;
};

int64_t MicrosecondsLeft(TimePoint deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(left).count());
}

struct timeval ToTimeval(int64_t microseconds) {
  // Zero would mean: wait for ever.
  const int64_t some = std::max<int64_t>(1000, microseconds);
  return {.tv_sec = some / 1000000, .tv_usec = some % 1000000};
}

Status TooLate(std::string_view name) {
  return DeadlineExceededError(StrCat("the cache ", name, " did not answer in time"),
                               "raise cache: {timeout_ms: ...}, or look at the server's load");
}

// Of a reply that refuses something; a cluster needs a client that follows it.
Status RefusedError(std::string_view name, const std::string& error) {
  if (error.starts_with("NOAUTH") || error.starts_with("WRONGPASS") || error.starts_with("NOPERM")) {
    return PermissionDeniedError(
        StrCat("the cache ", name, " refuses: ", error),
        "write rediss://user:password@host, or set the variable that cache.password_env names");
  }
  return UnavailableError(StrCat("the cache ", name, " refuses: ", error),
                          "look at the server's configuration, or set cache: {type: memory}");
}

}  // namespace

Result<std::shared_ptr<const RedisTls>> RedisTls::Load(const RedisOptions& options) {
  const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
  redisInitOpenSSL();
  redisSSLOptions ssl{.cacert_filename = or_null(options.ca_file),
                      .capath = nullptr,
                      .cert_filename = or_null(options.certificate_file),
                      .private_key_filename = or_null(options.key_file),
                      .server_name = or_null(options.address.host),
                      .verify_mode = REDIS_SSL_VERIFY_PEER,
                      .verify_name = or_null(options.address.host)};
  redisSSLContextError error = REDIS_SSL_CTX_NONE;
  redisSSLContext* context = redisCreateSSLContextWithOptions(&ssl, &error);
  if (context == nullptr) {
    return InvalidArgumentError(
        StrCat("the certificates of the cache cannot be used: ", redisSSLContextGetError(error), " (ca ",
               options.ca_file, ", certificate ", options.certificate_file, ", key ", options.key_file, ")"),
        "check cache.tls_ca, cache.tls_cert and cache.tls_key");
  }
  return std::make_shared<const RedisTls>(context);
}

RedisTls::~RedisTls() { redisFreeSSLContext(context_); }

RedisConnection::~RedisConnection() {
  const HeldSigpipe held;
  redisFree(context_);
}

Result<std::unique_ptr<RedisConnection>> RedisConnection::Open(const RedisOptions& options, const RedisTls* tls,
                                                               std::string_view name, TimePoint deadline) {
  const HeldSigpipe held;
  const struct timeval timeout = ToTimeval(MicrosecondsLeft(deadline));
  redisOptions how{};
  how.connect_timeout = &timeout;
  how.command_timeout = &timeout;
  how.options = REDIS_OPT_SET_SOCK_CLOEXEC | REDIS_OPT_PREFER_IP_UNSPEC;
  if (!options.address.path.empty()) {
    REDIS_OPTIONS_SET_UNIX(&how, options.address.path.c_str());
  } else {
    REDIS_OPTIONS_SET_TCP(&how, options.address.host.c_str(), options.address.port);
  }
  redisContext* context = redisConnectWithOptions(&how);
  if (context == nullptr) return UnavailableError(StrCat("no memory for a connection to ", name));
  auto connection = std::make_unique<RedisConnection>(context, name);
  if (context->err != 0) {
    return UnavailableError(StrCat("the cache ", name, " cannot be reached: ", context->errstr),
                            "start it, check cache.uri, or set cache: {type: memory}");
  }
  if (tls != nullptr && redisInitiateSSLWithContext(context, tls->get()) != REDIS_OK) {
    return UnavailableError(StrCat("the cache ", name, " and this end agree on no TLS: ", context->errstr),
                            "check cache.tls_ca and that the certificate names the host of cache.uri");
  }
  std::vector<RedisCommand> commands;
  const ServerAddress& address = options.address;
  const std::string db = StrCat(address.db);
  if (!address.user.empty()) {
    commands.push_back({"AUTH", address.user, address.password});
  } else if (!address.password.empty()) {
    commands.push_back({"AUTH", address.password});
  }
  if (address.db != 0) commands.push_back({"SELECT", db});
  if (commands.empty()) return connection;
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<RedisReply> replies, connection->Run(commands, deadline));
  for (const RedisReply& reply : replies) {
    if (!reply.error.empty()) return RefusedError(name, reply.error);
  }
  return connection;
}

Status RedisConnection::Failure() {
  if (context_->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT)) return TooLate(name_);
  if (context_->err == REDIS_ERR_TIMEOUT) return TooLate(name_);
  closed_ = context_->err == REDIS_ERR_EOF || context_->err == REDIS_ERR_IO;
  const bool garbage = context_->err == REDIS_ERR_PROTOCOL;
  return UnavailableError(
      StrCat("the cache ", name_, garbage ? " does not speak Redis's protocol: " : " broke off: ", context_->errstr),
      garbage ? "check cache.uri: another server may listen there" : "look at the server's log");
}

Status RedisConnection::Send(TimePoint deadline) {
  for (int done = 0; done == 0;) {
    const int64_t left = MicrosecondsLeft(deadline);
    if (left == 0) return TooLate(name_);
    redisSetTimeout(context_, ToTimeval(left));
    errno = 0;
    if (redisBufferWrite(context_, &done) != REDIS_OK) return Failure();
  }
  return Status();
}

Result<RedisReply> RedisConnection::Receive(TimePoint deadline) {
  void* raw = nullptr;
  for (;;) {
    if (redisGetReplyFromReader(context_, &raw) != REDIS_OK) return Failure();
    if (raw != nullptr) break;
    const int64_t left = MicrosecondsLeft(deadline);
    if (left == 0) return TooLate(name_);
    // What TLS has decrypted already is never left in it: a record is as long as what one read takes.
    struct pollfd waited{.fd = context_->fd, .events = POLLIN};
    const int ready = ::poll(&waited, 1, static_cast<int>(left / 1000 + 1));
    if (ready == 0) return TooLate(name_);
    errno = 0;
    if (ready > 0 && redisBufferRead(context_) != REDIS_OK) return Failure();
  }
  const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(static_cast<redisReply*>(raw), &freeReplyObject);
  RedisReply result;
  switch (reply->type) {
    case REDIS_REPLY_ERROR:
      result.error.assign(reply->str, reply->len);
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      result.text.emplace(reply->str, reply->len);
      break;
    case REDIS_REPLY_INTEGER:
      result.text = StrCat(reply->integer);
      break;
    default:
      break;
  }
  return result;
}

Result<std::vector<RedisReply>> RedisConnection::Run(const std::vector<RedisCommand>& commands, TimePoint deadline) {
  const HeldSigpipe held;
  for (const RedisCommand& command : commands) {
    std::vector<const char*> words;
    std::vector<size_t> sizes;
    for (const std::string_view word : command) {
      words.push_back(word.data() != nullptr ? word.data() : "");
      sizes.push_back(word.size());
    }
    if (redisAppendCommandArgv(context_, static_cast<int>(words.size()), words.data(), sizes.data()) != REDIS_OK) {
      return Failure();
    }
  }
  RAGTIME_RETURN_IF_ERROR(Send(deadline));
  std::vector<RedisReply> replies;
  for (size_t i = 0; i < commands.size(); ++i) {
    Result<RedisReply> reply = Receive(deadline);
    if (!reply.ok()) {
      if (i > 0) closed_ = false;  // It was alive, so that another connection would do no better.
      return reply.status();
    }
    replies.push_back(*std::move(reply));
  }
  return replies;
}

}  // namespace ragtime
