// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <sys/socket.h>

#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/thread_pool.h"

namespace ragtime {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr auto kResume = asio::as_tuple(asio::use_awaitable);
constexpr uint32_t kHeadBytesMax = 16 << 10;
// What a handler may be ahead of a client that reads slowly.
constexpr size_t kUnsentBytesMax = 1 << 20;
constexpr auto kWriteTimeout = std::chrono::seconds(60);

// A page of another site may call 127.0.0.1 under a name of its own (DNS rebinding); the name is what tells it.
bool IsLocalName(std::string_view host) {
  if (const size_t colon = host.rfind(':'); colon != std::string_view::npos && host.find(']', colon) == host.npos) {
    host = host.substr(0, colon);
  }
  return host.empty() || host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

// Whether the other end has closed the connection.
bool IsClosed(int socket) {
  char byte = 0;
  return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

// A request under way: the handler writes on its thread, the connection sends on the server's.
class Exchange final : public ReplyWriter, public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(const asio::any_io_executor& executor)
      : news_(executor, std::chrono::steady_clock::time_point::max()) {}

  void Send(ServerReply reply) override {
    std::lock_guard lock(mutex_);
    if (!streams_) reply_ = std::move(reply);
    Notify();
  }
  bool Stream(std::string_view bytes) override {
    std::unique_lock lock(mutex_);
    drained_.wait(lock, [this] { return gone_ || unsent_.size() < kUnsentBytesMax; });
    if (gone_) return false;
    streams_ = true;
    unsent_ += bytes;
    Notify();
    return true;
  }
  // The handler has returned.
  void Finish() {
    std::lock_guard lock(mutex_);
    done_ = true;
    Notify();
  }
  // The client has gone, or is not waited for any more.
  void Leave() {
    {
      std::lock_guard lock(mutex_);
      gone_ = true;
    }
    drained_.notify_all();
    stop_.request_stop();
  }

  struct News {
    std::optional<ServerReply> reply;
    bool streams = false;
    std::string bytes;
    bool done = false;
  };
  News Take() {
    News news;
    {
      std::lock_guard lock(mutex_);
      news = {std::exchange(reply_, std::nullopt), streams_, std::exchange(unsent_, {}), done_};
    }
    drained_.notify_all();
    return news;
  }
  asio::steady_timer& news() { return news_; }
  std::stop_source& stop() { return stop_; }

 private:
  // On the server's thread, so that it cannot come between a look at the news and the waiting for more.
  void Notify() {
    asio::post(news_.get_executor(), [self = shared_from_this()] { self->news_.cancel(); });
  }

  asio::steady_timer news_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable drained_;
  std::optional<ServerReply> reply_;
  std::string unsent_;
  bool streams_ = false;
  bool done_ = false;
  bool gone_ = false;
};

}  // namespace

// The thread that owns all connections, and the pools that run handlers.
class HttpServer::Engine {
 public:
  Engine(HttpServerOptions options, std::vector<ServerRoute> routes)
      : options_(std::move(options)),
        routes_(std::move(routes)),
        acceptor_(io_),
        quick_(1),
        handlers_(std::max<size_t>(1, options_.requests_max)) {}
  ~Engine() { Drain(0); }

  Status Listen() {
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), options_.port);
    ErrorCode error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return UnavailableError(StrCat("the server cannot listen on 127.0.0.1:", options_.port, ": ", error.message()),
                              "give another --port, or 0 for any that is free");
    }
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
    return Status();
  }

  bool Drain(int64_t timeout_ms) {
    if (!thread_.joinable()) return true;
    draining_ = true;
    asio::post(io_, [this] {
      ErrorCode ignored;
      acceptor_.close(ignored);
      for (beast::tcp_stream* stream : idle_) stream->cancel();
    });
    bool clean = true;
    {
      std::unique_lock lock(mutex_);
      clean = all_gone_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return connections_ == 0; });
    }
    if (!clean) {
      asio::post(io_, [this] {
        for (Exchange* exchange : under_way_) exchange->Leave();
        for (beast::tcp_stream* stream : open_) stream->cancel();
      });
      std::unique_lock lock(mutex_);
      all_gone_.wait(lock, [this] { return connections_ == 0; });
    }
    io_.stop();
    thread_.join();
    return clean;
  }

  uint16_t port() const { return port_; }
  size_t requests_running() const { return requests_; }
  bool draining() const { return draining_; }

 private:
  asio::awaitable<void> Accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kResume);
      if (draining_) co_return;
      if (error) {
        // Out of descriptors, most likely: connections that end give some back.
        asio::steady_timer pause(io_, std::chrono::milliseconds(100));
        co_await pause.async_wait(kResume);
        continue;
      }
      if (connections_ >= options_.connections_max) continue;  // Closes it.
      Count(+1);
      asio::co_spawn(io_, Serve(std::move(socket)), [this](const std::exception_ptr&) { Count(-1); });
    }
  }

  void Count(int change) {
    std::lock_guard lock(mutex_);
    connections_ += static_cast<size_t>(change);
    if (connections_ == 0) all_gone_.notify_all();
  }

  asio::awaitable<void> Serve(tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    ErrorCode ignored;
    stream.socket().set_option(tcp::no_delay(true), ignored);
    open_.insert(&stream);
    beast::flat_buffer buffer;
    bool keep = true;
    while (keep && !draining_) keep = co_await ServeOne(stream, buffer);
    open_.erase(&stream);
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  // Reads a request and answers it. False: the connection ends.
  asio::awaitable<bool> ServeOne(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(options_.body_bytes_max);
    stream.expires_after(std::chrono::milliseconds(options_.idle_timeout_ms));
    idle_.insert(&stream);
    auto [head_error, head_bytes] = co_await http::async_read_header(stream, buffer, parser, kResume);
    idle_.erase(&stream);
    const Stopwatch stopwatch;
    if (head_error) {
      co_await AnswerBadRequest(stream, head_error, stopwatch);
      co_return false;
    }
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, 11);
      co_await http::async_write(stream, go_on, kResume);
    }
    auto [body_error, body_bytes] = co_await http::async_read(stream, buffer, parser, kResume);
    if (body_error) {
      co_await AnswerBadRequest(stream, body_error, stopwatch);
      co_return false;
    }
    http::request<http::string_body> message = parser.release();
    const bool keep = message.keep_alive() && !draining_;
    const unsigned version = message.version();
    ServerRequest request;
    request.method = std::string(message.method_string());
    const std::string_view target(message.target().data(), message.target().size());
    request.path = std::string(target.substr(0, target.find('?')));
    request.body = std::move(message.body());
    const auto session = message["X-Session-Id"];
    request.session = std::string(session.data(), session.size());

    const ServerRoute* route = nullptr;
    std::string allowed;
    for (const ServerRoute& each : routes_) {
      if (each.path != request.path) continue;
      allowed += (allowed.empty() ? "" : ", ") + each.method;
      if (each.method == request.method) route = &each;
    }
    const std::string path = allowed.empty() ? "" : request.path;
    const std::string_view host(message[http::field::host].data(), message[http::field::host].size());
    std::optional<ServerReply> refusal;
    if (!IsLocalName(host)) {
      refusal = options_.error_reply(
          403, PermissionDeniedError(StrCat("this server is not called ", host), "call it 127.0.0.1 or localhost"));
    } else if (allowed.empty()) {
      refusal = options_.error_reply(404, NotFoundError(StrCat("there is nothing at ", request.path), KnownPaths()));
    } else if (route == nullptr) {
      refusal = options_.error_reply(
          405, InvalidArgumentError(StrCat(request.path, " does not take ", request.method), StrCat("use ", allowed)));
      refusal->headers.emplace_back("Allow", allowed);
    } else if (!route->is_quick && requests_ >= options_.requests_max) {
      refusal = options_.error_reply(
          429, ResourceExhaustedError(StrCat("the server is answering ", requests_.load(), " requests already"),
                                      "try again in a moment, or raise server.requests_max"));
      refusal->headers.emplace_back("Retry-After", "1");
    } else if (request.method == "POST" && !IsJson(message)) {
      refusal = options_.error_reply(
          415, InvalidArgumentError(StrCat("the body is not declared as JSON: Content-Type is \"",
                                           std::string_view(message[http::field::content_type].data(),
                                                            message[http::field::content_type].size()),
                                           "\""),
                                    "send Content-Type: application/json"));
    }
    if (refusal) {
      const int code = refusal->code;
      const bool sent = co_await Write(stream, *std::move(refusal), version, keep);
      options_.on_answered(path, code, stopwatch.ElapsedMs() / 1000);
      co_return sent&& keep;
    }
    const auto [code, sent] = co_await Handle(stream, *route, std::move(request), version, keep);
    options_.on_answered(path, code, stopwatch.ElapsedMs() / 1000);
    co_return sent&& keep;
  }

  // Also keeps pages of other sites out: a browser asks before it sends JSON across, and gets no permission.
  static bool IsJson(const http::request<http::string_body>& message) {
    const auto type = message[http::field::content_type];
    return beast::iequals(type.substr(0, std::min<size_t>(type.size(), 16)), "application/json");
  }

  std::string KnownPaths() const {
    std::string paths;
    for (const ServerRoute& route : routes_) paths += StrCat(paths.empty() ? "there are " : ", ", route.path);
    return paths;
  }

  struct Handled {
    int code;
    bool sent;
  };

  asio::awaitable<Handled> Handle(beast::tcp_stream& stream, const ServerRoute& route, ServerRequest request,
                                  unsigned version, bool keep) {
    const auto exchange = std::make_shared<Exchange>(stream.get_executor());
    request.context.stop = exchange->stop().get_token();
    request.context.deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.request_timeout_ms);
    if (!route.is_quick) ++requests_;
    under_way_.insert(exchange.get());
    ThreadPool& pool = route.is_quick ? quick_ : handlers_;
    pool.Submit([this, exchange, &route, request = std::move(request)] {
      route.handler(request, *exchange);
      if (!route.is_quick) --requests_;
      exchange->Finish();
    });
    asio::cancellation_signal stop_watching;
    stream.socket().async_wait(
        tcp::socket::wait_read,
        asio::bind_cancellation_slot(stop_watching.slot(),
                                     [exchange, socket = stream.socket().native_handle()](ErrorCode error) {
                                       if (!error && IsClosed(socket)) exchange->Leave();
                                     }));
    Handled handled{500, true};
    bool begun = false;
    for (;;) {
      Exchange::News news = exchange->Take();
      if (news.reply) {
        handled.code = news.reply->code;
        begun = true;
        handled.sent = co_await Write(stream, *std::move(news.reply), version, keep);
      } else if (!news.bytes.empty() && handled.sent) {
        if (!begun) {
          handled.code = 200;
          handled.sent = co_await WriteStreamHead(stream, version, keep);
          begun = true;
        }
        if (handled.sent) handled.sent = co_await WritePart(stream, news.bytes, version);
        if (!handled.sent) exchange->Leave();
      } else if (news.done) {
        if (!begun) {
          const bool sent = co_await Write(
              stream, options_.error_reply(500, InternalError("the request was not answered")), version, keep);
          handled.sent = handled.sent && sent;
        } else if (news.streams && handled.sent) {
          handled.sent = version >= 11;
          if (handled.sent) handled.sent = co_await WriteLast(stream);
        }
        break;
      } else {
        co_await exchange->news().async_wait(kResume);
      }
    }
    under_way_.erase(exchange.get());
    stop_watching.emit(asio::cancellation_type::all);
    co_return handled;
  }

  asio::awaitable<bool> AnswerBadRequest(beast::tcp_stream& stream, ErrorCode error, const Stopwatch& stopwatch) {
    ServerReply reply;
    if (error == http::error::body_limit) {
      reply = options_.error_reply(
          413, InvalidArgumentError(StrCat("the body is longer than ", options_.body_bytes_max, " bytes"),
                                    "send less, or raise server.body_bytes_max"));
    } else if (error == http::error::header_limit) {
      reply = options_.error_reply(
          431, InvalidArgumentError(StrCat("the head is longer than ", kHeadBytesMax, " bytes"), "send fewer headers"));
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      reply = options_.error_reply(
          400, InvalidArgumentError(StrCat("this is no HTTP request: ", error.message()), "speak HTTP/1.1"));
    } else {
      co_return false;  // It left, or said nothing for too long.
    }
    const int code = reply.code;
    stream.expires_after(kWriteTimeout);
    const bool sent = co_await Write(stream, std::move(reply), 11, false);
    options_.on_answered("", code, stopwatch.ElapsedMs() / 1000);
    co_return sent;
  }

  asio::awaitable<bool> Write(beast::tcp_stream& stream, ServerReply reply, unsigned version, bool keep) {
    http::response<http::string_body> response(static_cast<http::status>(reply.code), version);
    response.set(http::field::content_type, reply.content_type);
    for (const auto& [name, value] : reply.headers) response.set(name, value);
    response.keep_alive(keep);
    response.body() = std::move(reply.body);
    response.prepare_payload();
    stream.expires_after(kWriteTimeout);
    auto [error, bytes] = co_await http::async_write(stream, response, kResume);
    co_return !error;
  }

  asio::awaitable<bool> WriteStreamHead(beast::tcp_stream& stream, unsigned version, bool keep) {
    http::response<http::empty_body> response(http::status::ok, version);
    response.set(http::field::content_type, "text/event-stream");
    response.set(http::field::cache_control, "no-cache");
    // HTTP/1.0 has no chunks: there the end of the connection ends the stream.
    response.keep_alive(keep && version >= 11);
    if (version >= 11) response.chunked(true);
    http::response_serializer<http::empty_body> serializer(response);
    stream.expires_after(kWriteTimeout);
    auto [error, bytes] = co_await http::async_write_header(stream, serializer, kResume);
    co_return !error;
  }

  asio::awaitable<bool> WritePart(beast::tcp_stream& stream, const std::string& bytes, unsigned version) {
    stream.expires_after(kWriteTimeout);
    if (version < 11) {
      auto [error, size] = co_await asio::async_write(stream, asio::buffer(bytes), kResume);
      co_return !error;
    }
    auto [error, size] = co_await asio::async_write(stream, http::make_chunk(asio::buffer(bytes)), kResume);
    co_return !error;
  }

  asio::awaitable<bool> WriteLast(beast::tcp_stream& stream) {
    stream.expires_after(kWriteTimeout);
    auto [error, size] = co_await asio::async_write(stream, http::make_chunk_last(), kResume);
    co_return !error;
  }

  const HttpServerOptions options_;
  const std::vector<ServerRoute> routes_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  uint16_t port_ = 0;
  std::atomic<bool> draining_ = false;
  std::atomic<size_t> requests_ = 0;
  // Of the server's thread.
  std::set<beast::tcp_stream*> open_;
  std::set<beast::tcp_stream*> idle_;  // Wait for a request to begin.
  std::set<Exchange*> under_way_;

  std::mutex mutex_;
  std::condition_variable all_gone_;
  std::atomic<size_t> connections_ = 0;  // Changes under mutex_.
  ThreadPool quick_;
  ThreadPool handlers_;
  std::thread thread_;
};

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, std::vector<ServerRoute> routes) {
  auto engine = std::make_unique<Engine>(std::move(options), std::move(routes));
  RAGTIME_RETURN_IF_ERROR(engine->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(engine)));
}

HttpServer::HttpServer(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return engine_->port(); }
size_t HttpServer::requests_running() const { return engine_->requests_running(); }
bool HttpServer::draining() const { return engine_->draining(); }
bool HttpServer::Drain(int64_t timeout_ms) { return engine_->Drain(timeout_ms); }

}  // namespace ragtime
